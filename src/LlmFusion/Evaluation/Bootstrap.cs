using System.Text.Json.Serialization;

namespace LlmFusion.Evaluation;

/// <summary>Between which values a metric lies with 95 % confidence.</summary>
/// <param name="Low">Percentile 2.5.</param>
/// <param name="High">Percentile 97.5.</param>
public sealed record Interval(
    [property: JsonPropertyName("low"), JsonConverter(typeof(NumberOrNull))] double Low,
    [property: JsonPropertyName("high"), JsonConverter(typeof(NumberOrNull))] double High);

/// <summary>95 % intervals of the metrics of one target, over the choice of rows.</summary>
/// <param name="Mae">Of the mean absolute error.</param>
/// <param name="Rmse">Of the root of the mean squared error.</param>
/// <param name="Mse">Of the mean squared error.</param>
/// <param name="R2">Of the coefficient of determination.</param>
public sealed record MetricIntervals(
    [property: JsonPropertyName("mae")] Interval Mae,
    [property: JsonPropertyName("rmse")] Interval Rmse,
    [property: JsonPropertyName("mse")] Interval Mse,
    [property: JsonPropertyName("r2")] Interval R2);

/// <summary>How far a metric would vary with other rows of the same kind: the percentile bootstrap (Efron, 1979).</summary>
public static class Bootstrap
{
    /// <summary>How often the rows are drawn anew.</summary>
    public const int Resamples = 1000;

    /// <summary>Draws n of the n known rows with replacement, 1,000 times, and takes the percentiles 2.5 and 97.5 of each metric.</summary>
    /// <param name="truth">The true values (n); NaN where none is known: such rows are skipped.</param>
    /// <param name="predicted">The predictions (n).</param>
    /// <param name="seed">The same seed draws the same rows, so that two predictors are measured on the same.</param>
    /// <returns>Null where fewer than two rows are known, or a prediction is not finite.</returns>
    public static MetricIntervals? Intervals(ReadOnlySpan<float> truth, ReadOnlySpan<float> predicted, int seed)
    {
        List<double> known = [], errors = [];
        for (int i = 0; i < truth.Length; i++)
        {
            if (float.IsNaN(truth[i])) continue;
            if (!float.IsFinite(predicted[i])) return null;
            known.Add(truth[i]);
            errors.Add((double)predicted[i] - truth[i]);
        }

        if (known.Count < 2) return null;
        // Around the mean: the sum of squares would cancel for targets far from zero.
        double mean = known.Average();
        double[] deviation = [.. known.Select(t => t - mean)], error = [.. errors];
        double[] mae = new double[Resamples], mse = new double[Resamples], r2 = new double[Resamples];
        Parallel.For(0, Resamples, r =>
        {
            ulong state = Mixed(unchecked((ulong)(uint)seed << 32 | (uint)r));
            double absolute = 0, squared = 0, sum = 0, total = 0;
            int n = error.Length;
            for (int k = 0; k < n; k++)
            {
                state = unchecked(state + 0x9E3779B97F4A7C15UL);
                int i = (int)Math.BigMul((uint)(Mixed(state) >> 32), (uint)n).HighHalf();
                double e = error[i], d = deviation[i];
                absolute += Math.Abs(e);
                squared += e * e;
                sum += d;
                total += d * d;
            }

            double variation = total - (sum * sum / n);
            (mae[r], mse[r], r2[r]) = (absolute / n, squared / n, variation > 1e-12 * total ? 1 - (squared / variation) : double.NaN);
        });
        Interval ofMse = Percentiles(mse);
        return new MetricIntervals(Percentiles(mae), new Interval(Math.Sqrt(ofMse.Low), Math.Sqrt(ofMse.High)), ofMse, Percentiles(r2));
    }

    /// <summary>SplitMix64's mixing of a counter.</summary>
    private static ulong Mixed(ulong x)
    {
        unchecked
        {
            x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
            x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
            return x ^ (x >> 31);
        }
    }

    private static uint HighHalf(this ulong product) => (uint)(product >> 32);

    private static Interval Percentiles(double[] values)
    {
        double[] sorted = [.. values.Where(double.IsFinite).Order()];
        return sorted.Length == 0 ? new Interval(double.NaN, double.NaN) : new Interval(At(0.025), At(0.975));

        double At(double share)
        {
            double place = share * (sorted.Length - 1);
            int below = (int)place;
            return sorted[below] + ((place - below) * (sorted[Math.Min(below + 1, sorted.Length - 1)] - sorted[below]));
        }
    }
}
