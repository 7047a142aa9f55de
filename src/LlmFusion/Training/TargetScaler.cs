using LlmFusion.DataSets;

namespace LlmFusion.Training;

/// <summary>How a target's values become numbers that a network learns easily.</summary>
public enum ScalingKind
{
    /// <summary>(value - mean) / standard deviation of the training split.</summary>
    Standard,

    /// <summary>The value as it is.</summary>
    None,

    /// <summary>(ln value - mean) / standard deviation, mean and deviation of the logarithms: for positive values over several orders of magnitude.</summary>
    Log,
}

/// <summary>Scales targets by the training split, and back.</summary>
/// <param name="Means">Mean per target, in its unit, of its logarithms, or 0.</param>
/// <param name="Deviations">Population standard deviation per target, likewise; 1 where the target is constant or not scaled.</param>
/// <param name="Kinds">How each target is scaled.</param>
public sealed record TargetScaler(IReadOnlyList<double> Means, IReadOnlyList<double> Deviations, IReadOnlyList<ScalingKind> Kinds)
{
    /// <summary>Fits mean and deviation over the values that are not missing (NaN).</summary>
    /// <param name="rows">The training split's targets.</param>
    /// <param name="targets">Their names.</param>
    /// <param name="kinds">How each is scaled; null: all are standardised.</param>
    /// <exception cref="InvalidDataException">A target has no value at all, or one without a logarithm.</exception>
    public static TargetScaler Fit(IReadOnlyList<float[]> rows, IReadOnlyList<string> targets, IReadOnlyList<ScalingKind>? kinds = null)
    {
        kinds ??= [.. targets.Select(_ => ScalingKind.Standard)];
        double[] means = new double[targets.Count], deviations = new double[targets.Count];
        for (int t = 0; t < targets.Count; t++)
        {
            double[] values = [.. rows.Where(r => !float.IsNaN(r[t])).Select(r => kinds[t] == ScalingKind.Log ? Math.Log(r[t]) : r[t])];
            if (values.Length == 0) throw new InvalidDataException($"target {targets[t]}: no value in the training split, expected at least one");
            if (!values.All(double.IsFinite)) throw new InvalidDataException($"target {targets[t]}: a value from 0 downward has no logarithm, expected positive ones");
            double mean = means[t] = kinds[t] == ScalingKind.None ? 0 : values.Average();
            double deviation = kinds[t] == ScalingKind.None ? 1 : Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
            deviations[t] = deviation > 1e-12 * Math.Max(1, Math.Abs(mean)) ? deviation : 1;
        }

        return new TargetScaler(means, deviations, kinds);
    }

    /// <summary>Refuses the rows whose target has no logarithm although it is to be scaled so.</summary>
    /// <param name="rows">Rows with samples, or refused already.</param>
    /// <param name="targets">Names of the targets.</param>
    /// <param name="kinds">How each is scaled.</param>
    public static IEnumerable<DataRow> Positive(IEnumerable<DataRow> rows, IReadOnlyList<string> targets, IReadOnlyList<ScalingKind> kinds) => rows.Select(row =>
    {
        int bad = row.Sample is { } sample ? Array.FindIndex([.. kinds.Zip(sample.Targets)], t => t.First == ScalingKind.Log && t.Second <= 0) : -1;
        return bad < 0 ? row : row.Refuse(targets[bad], FormattableString.Invariant($"{row.Sample!.Targets[bad]}"), "a positive number, as the target is scaled by its logarithm (--target-scaling)");
    });

    /// <summary>Value in the target's unit to scaled value.</summary>
    public float Scale(float value, int target) => (float)(((Kinds[target] == ScalingKind.Log ? Math.Log(value) : value) - Means[target]) / Deviations[target]);

    /// <summary>Scaled value to value in the target's unit.</summary>
    public float Unscale(float scaled, int target)
    {
        double value = scaled * Deviations[target] + Means[target];
        return (float)(Kinds[target] == ScalingKind.Log ? Math.Exp(value) : value);
    }
}
