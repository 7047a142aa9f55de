namespace LlmFusion.Evaluation;

/// <summary>The regression metrics that every result of this project is reported in.</summary>
public static class Metrics
{
    /// <summary>Measures the predictions of one target, in the target's own unit.</summary>
    /// <param name="truth">The true values (n); NaN where none is known: such rows are skipped.</param>
    /// <param name="predicted">The predictions (n). A NaN beside a known truth is a failed prediction and makes every metric NaN.</param>
    /// <returns>
    /// Over the n rows with a known truth, summed in double precision:
    /// MAE = 1/n sum |p - t|, MSE = 1/n sum (p - t)^2, RMSE = sqrt(MSE),
    /// R2 = 1 - sum (p - t)^2 / sum (t - mean(t))^2. Without such a row: <see cref="TargetMetrics.None"/>.
    /// </returns>
    /// <exception cref="ArgumentException">The two lengths differ.</exception>
    public static TargetMetrics Of(ReadOnlySpan<float> truth, ReadOnlySpan<float> predicted)
    {
        if (truth.Length != predicted.Length)
            throw new ArgumentException($"Metrics: got {predicted.Length} predictions, expected {truth.Length}, one for each true value.", nameof(predicted));

        int n = 0;
        double sum = 0;
        foreach (float t in truth)
            if (!float.IsNaN(t))
            {
                n++;
                sum += t;
            }
        if (n == 0)
            return TargetMetrics.None;

        // A second pass around the mean: the one-pass form cancels for targets far from zero.
        double mean = sum / n;
        double absolute = 0, squared = 0, total = 0;
        for (int i = 0; i < truth.Length; i++)
        {
            if (float.IsNaN(truth[i]))
                continue;
            double error = (double)predicted[i] - truth[i];
            double deviation = truth[i] - mean;
            absolute += Math.Abs(error);
            squared += error * error;
            total += deviation * deviation;
        }
        double mse = squared / n;
        return new TargetMetrics(n, absolute / n, Math.Sqrt(mse), mse, Varies(truth) ? 1 - (squared / total) : double.NaN);
    }

    /// <summary>Measures every target of a table of predictions.</summary>
    /// <param name="targets">The targets' names, in the order of the columns (T).</param>
    /// <param name="truth">One array of T true values for each row; NaN where none is known.</param>
    /// <param name="predicted">One array of T predictions for each row.</param>
    /// <param name="bootstrapSeed">Seed of <see cref="Bootstrap.Intervals"/>; null for no intervals.</param>
    /// <returns>The metrics by name, in the order of <paramref name="targets"/>.</returns>
    /// <exception cref="ArgumentException">The numbers of rows differ, or a row has not T values.</exception>
    public static IReadOnlyDictionary<string, TargetMetrics> PerTarget(
        IReadOnlyList<string> targets, IReadOnlyList<float[]> truth, IReadOnlyList<float[]> predicted, int? bootstrapSeed = null)
    {
        if (truth.Count != predicted.Count)
            throw new ArgumentException($"Metrics: got {predicted.Count} rows of predictions, expected {truth.Count}, one for each row of true values.", nameof(predicted));
        OrderedDictionary<string, TargetMetrics> metrics = [];
        for (int t = 0; t < targets.Count; t++)
        {
            float[] known = Column(truth, t, targets.Count), guessed = Column(predicted, t, targets.Count);
            metrics.Add(targets[t], Of(known, guessed) with { Intervals = bootstrapSeed is { } seed ? Bootstrap.Intervals(known, guessed, seed) : null });
        }
        return metrics;
    }

    /// <summary>One target's values out of rows of several.</summary>
    /// <param name="rows">Rows of <paramref name="width"/> values each.</param>
    /// <param name="column">The target's place in a row, from 0.</param>
    /// <param name="width">The number of targets that every row must have.</param>
    /// <returns>The values (rows).</returns>
    /// <exception cref="ArgumentException">A row has another number of values.</exception>
    public static float[] Column(IReadOnlyList<float[]> rows, int column, int width)
    {
        float[] values = new float[rows.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = rows[i].Length == width
                ? rows[i][column]
                : throw new ArgumentException($"Row {i} has {rows[i].Length} target values, expected {width}.", nameof(rows));
        return values;
    }

    // Whether two known values differ: the sum of squares around a rounded mean need not be exactly 0.
    private static bool Varies(ReadOnlySpan<float> truth)
    {
        float first = float.NaN;
        foreach (float t in truth)
            if (float.IsNaN(first))
                first = t;
            else if (!float.IsNaN(t) && t != first)
                return true;
        return false;
    }
}
