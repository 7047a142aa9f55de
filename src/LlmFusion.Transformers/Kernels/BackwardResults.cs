using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>
/// Frees what functions of our own return from their backward pass. libtorch takes a copy of each handle when the function has
/// returned; ours would keep the gradient's memory until the step's scope ends.
/// </summary>
internal static class BackwardResults
{
    [ThreadStatic]
    private static List<Tensor?>? last;

    /// <summary>Hands gradients to libtorch; those of the call before, which it has by now, are let go.</summary>
    public static List<Tensor?> Return(params ReadOnlySpan<Tensor?> gradients)
    {
        List<Tensor?> returned = [.. gradients];
        if (last is not null)
            foreach (Tensor? tensor in last)
                tensor?.Dispose();
        last = returned;
        foreach (Tensor? tensor in returned) tensor?.DetachFromDisposeScope();
        return returned;
    }
}
