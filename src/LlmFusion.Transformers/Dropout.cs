using LlmFusion.Transformers.Kernels;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>Dropout that costs nothing where it does nothing.</summary>
internal static class Dropout
{
    /// <summary>The tensor itself outside training or for p = 0.</summary>
    public static Tensor Of(Tensor x, double p, bool training) =>
        !training || p == 0 ? x : FloatData.IsReachable(x) ? SeededDropout.Of(x, p) : nn.functional.dropout(x, p, training: true);
}
