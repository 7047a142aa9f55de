namespace LlmFusion.Training;

/// <summary>Standardises targets by the training split: scaled = (value - mean) / standard deviation.</summary>
/// <param name="Means">Mean per target, in its unit.</param>
/// <param name="Deviations">Population standard deviation per target, in its unit; 1 where the target is constant.</param>
public sealed record TargetScaler(IReadOnlyList<double> Means, IReadOnlyList<double> Deviations)
{
    /// <summary>Fits mean and deviation over the values that are not missing (NaN).</summary>
    /// <exception cref="InvalidDataException">A target has no value at all.</exception>
    public static TargetScaler Fit(IReadOnlyList<float[]> rows, IReadOnlyList<string> targets)
    {
        double[] means = new double[targets.Count], deviations = new double[targets.Count];
        for (int t = 0; t < targets.Count; t++)
        {
            double[] values = [.. rows.Where(r => !float.IsNaN(r[t])).Select(r => (double)r[t])];
            if (values.Length == 0) throw new InvalidDataException($"target {targets[t]}: no value in the training split, expected at least one");
            means[t] = values.Average();
            double mean = means[t];
            double deviation = Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
            deviations[t] = deviation > 1e-12 * Math.Max(1, Math.Abs(mean)) ? deviation : 1;
        }

        return new TargetScaler(means, deviations);
    }

    /// <summary>Value in the target's unit to scaled value.</summary>
    public float Scale(float value, int target) => (float)((value - Means[target]) / Deviations[target]);

    /// <summary>Scaled value to value in the target's unit.</summary>
    public float Unscale(float scaled, int target) => (float)(scaled * Deviations[target] + Means[target]);
}
