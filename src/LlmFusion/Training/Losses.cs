using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>What is minimised, in scaled units.</summary>
public enum LossKind
{
    /// <summary>Mean squared error.</summary>
    Mse,

    /// <summary>Mean absolute error.</summary>
    Mae,

    /// <summary>Huber's: half the square up to delta, beyond it a line of slope delta; as <c>torch.nn.HuberLoss</c>.</summary>
    Huber,
}

/// <summary>Errors of single values, and their mean over the targets that are not missing.</summary>
public static class Losses
{
    /// <summary>Mean over the known entries; 0, with a gradient of 0, where none is known.</summary>
    /// <param name="kind">The error of one value.</param>
    /// <param name="prediction">(N, T)</param>
    /// <param name="truth">(N, T); any finite value where <paramref name="known"/> is 0.</param>
    /// <param name="known">(N, T): 1 where the target is known; null where all are.</param>
    public static Tensor Of(LossKind kind, Tensor prediction, Tensor truth, Tensor? known)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor error = Error(kind, prediction - truth, huberDelta: 1);
        Tensor loss = known is null ? error.mean() : (error * known).sum() / known.sum().clamp_min(1);
        return loss.MoveToOuterDisposeScope();
    }

    /// <summary>The error of each difference, in the current dispose scope.</summary>
    public static Tensor Error(LossKind kind, Tensor difference, double huberDelta) => kind switch
    {
        LossKind.Mse => difference.square(),
        LossKind.Mae => difference.abs(),
        _ => nn.functional.huber_loss(difference, zeros_like(difference), huberDelta, nn.Reduction.None),
    };

    /// <summary>The error of a difference.</summary>
    public static double Error(LossKind kind, double difference, double huberDelta)
    {
        double absolute = Math.Abs(difference);
        return kind switch
        {
            LossKind.Mse => difference * difference,
            LossKind.Mae => absolute,
            _ => absolute <= huberDelta ? 0.5 * difference * difference : huberDelta * (absolute - 0.5 * huberDelta),
        };
    }
}
