using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>Losses over the targets that are not missing.</summary>
public static class Losses
{
    /// <summary>Mean over the known entries; 0, with a gradient of 0, where none is known.</summary>
    /// <param name="kind">Squared or absolute error.</param>
    /// <param name="prediction">(N, T)</param>
    /// <param name="truth">(N, T); any finite value where <paramref name="known"/> is 0.</param>
    /// <param name="known">(N, T): 1 where the target is known; null where all are.</param>
    public static Tensor Of(LossKind kind, Tensor prediction, Tensor truth, Tensor? known)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor difference = prediction - truth;
        Tensor error = kind == LossKind.Mse ? difference.square() : difference.abs();
        Tensor loss = known is null ? error.mean() : (error * known).sum() / known.sum().clamp_min(1);
        return loss.MoveToOuterDisposeScope();
    }
}
