using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>
/// What a run minimises, in scaled units: a mean over the known targets, in which rows and targets have weights.
/// <code>
/// loss = sum_nt w_nt error_t(y_nt - t_nt) / sum_nt w_nt      w_nt = row's weight * target's weight, 0 where t_nt is missing
/// </code>
/// In training the sums go over the rows of a step, in validation over the whole split.
/// </summary>
public sealed class Objective
{
    private readonly LossKind[] _kinds;
    private readonly double _delta;
    private readonly double[] _targetWeights;

    /// <param name="kinds">The error of one value, for each target.</param>
    /// <param name="huberDelta">Where Huber's error turns from a parabola to a line.</param>
    /// <param name="targetWeights">One for each target, from 0 on.</param>
    public Objective(IReadOnlyList<LossKind> kinds, double huberDelta, IReadOnlyList<double> targetWeights)
    {
        _kinds = [.. kinds];
        _delta = huberDelta;
        _targetWeights = [.. targetWeights];
    }

    /// <summary>The objective of a configuration whose targets are known.</summary>
    /// <exception cref="ArgumentException">A weight is given to what is no target, or all are 0.</exception>
    public static Objective Of(RunConfig config)
    {
        foreach (string name in config.TargetWeights.Keys.Concat(config.TargetScalings.Keys).Concat(config.TargetLosses.Keys))
            if (!config.Targets.Contains(name)) throw new ArgumentException($"target_weights, target_scalings, target_losses: got {name}, which is no target; expected one of {string.Join(", ", config.Targets)}");
        double[] weights = [.. config.Targets.Select(t => config.TargetWeights.GetValueOrDefault(t, 1))];
        if (weights.Length > 0 && weights.All(w => w == 0)) throw new ArgumentException("target_weights: all are 0, expected at least one above");
        return new Objective([.. config.Targets.Select(t => config.TargetLosses.GetValueOrDefault(t, config.Loss))], config.HuberDelta, weights);
    }

    /// <summary>The sum of the weights of rows: what their errors are divided by; 1 where it is 0, so that the loss is 0.</summary>
    /// <exception cref="InvalidDataException">Too large for a number.</exception>
    public double TotalWeight(SplitInputs split, IEnumerable<int> rows)
    {
        double total = rows.Sum(n => _targetWeights.Select((_, t) => Weight(split, n, t)).Sum());
        return total > 0 ? total : 1;
    }

    /// <summary>Truth and weights of some rows as tensors of the current dispose scope.</summary>
    /// <param name="split">The split.</param>
    /// <param name="rows">N of its rows.</param>
    /// <param name="scaler">Scales the targets.</param>
    /// <param name="device">Where the tensors shall lie.</param>
    /// <returns>(N, T) truth in scaled units, 0 where missing; (N, T) weights, null where all are 1.</returns>
    public (Tensor Truth, Tensor? Weights) Targets(SplitInputs split, IReadOnlyList<int> rows, TargetScaler scaler, Device device)
    {
        int targets = _targetWeights.Length;
        float[] truth = new float[rows.Count * targets], weights = new float[rows.Count * targets];
        bool plain = true;
        for (int n = 0; n < rows.Count; n++)
            for (int t = 0; t < targets; t++)
            {
                float value = split.Targets[rows[n]][t];
                truth[n * targets + t] = float.IsNaN(value) ? 0 : scaler.Scale(value, t);
                weights[n * targets + t] = (float)Weight(split, rows[n], t);
                plain &= weights[n * targets + t] == 1;
            }

        return (tensor(truth, device: device).view(rows.Count, targets), plain ? null : tensor(weights, device: device).view(rows.Count, targets));
    }

    /// <summary>The part of the loss that some rows contribute.</summary>
    /// <param name="prediction">(N, T) in scaled units.</param>
    /// <param name="truth">(N, T), as <see cref="Targets"/> gives it.</param>
    /// <param name="weights">(N, T), as <see cref="Targets"/> gives it; null: all 1.</param>
    /// <param name="totalWeight">Sum of the weights of all rows of the step, as <see cref="TotalWeight"/> gives it.</param>
    public Tensor Loss(Tensor prediction, Tensor truth, Tensor? weights, double totalWeight)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor difference = prediction - truth;                                            // (N, T)
        Tensor error = _kinds.Distinct().Count() == 1 ? Losses.Error(_kinds[0], difference, _delta)
            : cat([.. _kinds.Select((kind, t) => Losses.Error(kind, difference.narrow(1, t, 1), _delta))], 1);
        return ((weights is null ? error : error * weights).sum() / totalWeight).MoveToOuterDisposeScope();
    }

    /// <summary>The loss of a whole split.</summary>
    /// <param name="scaled">N arrays of T predictions in scaled units.</param>
    /// <param name="split">N rows.</param>
    /// <param name="scaler">Scales the targets.</param>
    public double Loss(IReadOnlyList<float[]> scaled, SplitInputs split, TargetScaler scaler)
    {
        double sum = 0, total = 0;
        for (int n = 0; n < scaled.Count; n++)
            for (int t = 0; t < _targetWeights.Length; t++)
            {
                if (Weight(split, n, t) is not (> 0 and var weight)) continue;
                sum += weight * Losses.Error(_kinds[t], (double)scaled[n][t] - scaler.Scale(split.Targets[n][t], t), _delta);
                total += weight;
            }

        return total > 0 ? sum / total : 0;
    }

    private double Weight(SplitInputs split, int row, int target) =>
        float.IsNaN(split.Targets[row][target]) ? 0 : split.Rows[row].Sample!.Weight * _targetWeights[target];
}
