namespace LlmFusion.Prediction;

/// <summary>
/// Split-conformal prediction (Vovk et al., 2005; Lei et al., 2018): of molecules that are exchangeable with those calibrated on, a
/// share of at least the coverage has its true value within the interval, whatever the model is.
/// </summary>
public static class ConformalCalibration
{
    /// <summary>The coverage of the intervals here.</summary>
    public const double Coverage = 0.9;

    /// <summary>With fewer molecules a target has no interval.</summary>
    public const int FewestMolecules = 20;

    /// <summary>With fewer molecules no spread is learned.</summary>
    private const int FewestForSpread = 200;

    /// <summary>A learned spread must make intervals narrower than by this factor to be worth it.</summary>
    private const double WorthIt = 0.99;

    /// <summary>The k-th smallest score, k = ceil((n + 1) coverage): the quantile with its correction for a finite sample.</summary>
    /// <param name="scores">Scores of n molecules.</param>
    /// <param name="coverage">Between 0 and 1.</param>
    /// <returns>Infinity where n is too small for the coverage.</returns>
    public static double Quantile(IEnumerable<double> scores, double coverage)
    {
        double[] sorted = [.. scores.Order()];
        // Rounded first: 0.9 times a multiple of ten must not become one more.
        int k = (int)Math.Ceiling(Math.Round((sorted.Length + 1) * coverage, 9));
        return k > sorted.Length ? double.PositiveInfinity : sorted[Math.Max(k, 1) - 1];
    }

    /// <summary>
    /// Calibrates a target. Every other molecule decides whether a learned spread makes intervals narrower, and fits it; the
    /// rest, which had no part in that, give the quantile, so that the guarantee holds for either choice.
    /// </summary>
    /// <param name="target">Name of the target.</param>
    /// <param name="features">Molecules with a known value.</param>
    /// <param name="errors">Their absolute errors in scaled units.</param>
    /// <returns>Null where the molecules are too few.</returns>
    public static IntervalEntry? Calibrate(string target, IReadOnlyList<SpreadFeatures> features, IReadOnlyList<double> errors)
    {
        if (errors.Count < FewestMolecules) return null;
        if (errors.Count < FewestForSpread || errors.All(e => e == 0)) return new IntervalEntry(target, Quantile(errors, Coverage), errors.Count, null);
        (SpreadFeatures[] choosing, double[] chosenBy) = Half(0);
        (SpreadFeatures[] calibrating, double[] calibratedBy) = Half(1);
        ErrorSpread? spread = chosenBy.All(e => e == 0) ? null : ErrorSpread.Fit(choosing, chosenBy);
        if (spread is not null)
        {
            double[] spreads = [.. choosing.Select(spread.At)];
            double learned = Quantile(chosenBy.Zip(spreads, (e, s) => e / s), Coverage) * spreads.Average();
            if (!(learned < WorthIt * Quantile(chosenBy, Coverage))) spread = null;
        }

        double quantile = Quantile(spread is null ? calibratedBy : calibratedBy.Zip(calibrating, (e, f) => e / spread.At(f)), Coverage);
        return new IntervalEntry(target, quantile, calibrating.Length, spread);

        (SpreadFeatures[] Features, double[] Errors) Half(int which) =>
            ([.. features.Where((_, i) => i % 2 == which)], [.. errors.Where((_, i) => i % 2 == which)]);
    }
}
