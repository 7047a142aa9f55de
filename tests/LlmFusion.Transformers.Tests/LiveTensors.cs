using TorchSharp;

namespace LlmFusion.Transformers.Tests;

/// <summary>Counts the tensors that are alive.</summary>
internal static class LiveTensors
{
    /// <summary>
    /// The count when nothing is left to the collector: tensors that other tests dropped undisposed would otherwise vanish during a
    /// measurement.
    /// </summary>
    public static long Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return torch.Tensor.TotalCount;
    }
}
