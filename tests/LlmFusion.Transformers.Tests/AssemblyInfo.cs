// torch's generator and its count of live tensors belong to the whole process.
[assembly: Xunit.CollectionBehavior(DisableTestParallelization = true)]
