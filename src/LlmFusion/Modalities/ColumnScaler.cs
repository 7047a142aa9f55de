namespace LlmFusion.Modalities;

/// <summary>Standardises numeric columns by mean and standard deviation of the training split; a constant column is only centred.</summary>
/// <param name="Means">Per column.</param>
/// <param name="Deviations">Per column, never 0.</param>
public sealed record ColumnScaler(IReadOnlyList<double> Means, IReadOnlyList<double> Deviations)
{
    /// <summary>Learns from a training split.</summary>
    /// <param name="rows">The columns of each molecule that has them.</param>
    /// <param name="columns">Number of columns.</param>
    public static ColumnScaler Fit(IReadOnlyList<float[]> rows, int columns)
    {
        double[] means = new double[columns], deviations = new double[columns];
        for (int c = 0; c < columns; c++)
        {
            double mean = rows.Count > 0 ? rows.Average(r => (double)r[c]) : 0;
            double variance = rows.Count > 0 ? rows.Average(r => (r[c] - mean) * (r[c] - mean)) : 0;
            (means[c], deviations[c]) = (mean, variance > 0 ? Math.Sqrt(variance) : 1);
        }

        return new ColumnScaler(means, deviations);
    }

    /// <summary>(value - mean) / deviation.</summary>
    public float[] Scale(float[] values) => [.. values.Select((v, c) => (float)((v - Means[c]) / Deviations[c]))];
}
