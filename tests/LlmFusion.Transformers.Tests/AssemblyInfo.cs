using System.Runtime.CompilerServices;

// torch's generator and its count of live tensors belong to the whole process.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace LlmFusion.Transformers.Tests;

internal static class Threads
{
    /// <summary>The tensors here are tiny: more threads would only wait for each other.</summary>
    [ModuleInitializer]
    internal static void One() => TorchSharp.torch.set_num_threads(1);
}
