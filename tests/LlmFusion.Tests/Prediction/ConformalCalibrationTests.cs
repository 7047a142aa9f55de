using LlmFusion.Prediction;
using Xunit;

namespace LlmFusion.Tests.Prediction;

public class ConformalCalibrationTests
{
    [Theory]
    [InlineData(9, 0.9, 9)]
    [InlineData(10, 0.9, 10)]
    [InlineData(19, 0.9, 18)]
    [InlineData(99, 0.9, 90)]
    [InlineData(3, 0.5, 2)]
    public void The_quantile_is_the_score_of_rank_ceil_of_n_plus_1_times_the_coverage(int n, double coverage, double rank) =>
        Assert.Equal(rank, ConformalCalibration.Quantile(Enumerable.Range(1, n).Reverse().Select(i => (double)i), coverage));

    [Fact]
    public void Too_few_scores_have_no_finite_quantile_and_too_few_molecules_no_interval()
    {
        Assert.Equal(double.PositiveInfinity, ConformalCalibration.Quantile([1, 2, 3], 0.9));
        Assert.Null(ConformalCalibration.Calibrate("y", new SpreadFeatures[19], new double[19]));
        Assert.Equal(20, ConformalCalibration.Calibrate("y", new SpreadFeatures[20], [.. Enumerable.Range(1, 20).Select(i => (double)i)])!.Molecules);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_molecules_like_those_calibrated_on_nine_in_ten_are_within(bool uneven)
    {
        (SpreadFeatures[] features, double[] errors) = Molecules(4000, seed: 1, uneven);
        (SpreadFeatures[] others, double[] theirs) = Molecules(20_000, seed: 2, uneven);
        IntervalEntry entry = ConformalCalibration.Calibrate("y", features, errors)!;
        double within = others.Zip(theirs, (f, e) => e <= entry.Quantile * (entry.Spread?.At(f) ?? 1)).Count(w => w) / (double)theirs.Length;
        Assert.InRange(within, 0.88, 0.92);
        Assert.Equal(2000, entry.Molecules);
    }

    [Fact]
    public void A_spread_is_learned_where_it_makes_intervals_narrower_and_not_elsewhere()
    {
        (SpreadFeatures[] features, double[] errors) = Molecules(2000, seed: 3, uneven: true);
        IntervalEntry entry = ConformalCalibration.Calibrate("y", features, errors)!;
        Assert.NotNull(entry.Spread);
        double learned = 2 * entry.Quantile * features.Average(entry.Spread.At), constant = 2 * ConformalCalibration.Quantile(errors, 0.9);
        Assert.True(learned < 0.85 * constant, $"{learned} against {constant}");
        (features, errors) = Molecules(2000, seed: 4, uneven: false);
        Assert.Null(ConformalCalibration.Calibrate("y", features, errors)!.Spread);
    }

    [Fact]
    public void Equal_errors_and_features_out_of_the_fitted_range_stay_finite()
    {
        IntervalEntry entry = ConformalCalibration.Calibrate("y", new SpreadFeatures[400], [.. Enumerable.Repeat(0.0, 400)])!;
        Assert.Equal((0.0, null), (entry.Quantile, entry.Spread));
        (SpreadFeatures[] features, double[] errors) = Molecules(400, seed: 5, uneven: true);
        ErrorSpread spread = ErrorSpread.Fit(features, errors);
        Assert.Equal(Math.Exp(spread.Highest), spread.At(new SpreadFeatures(0, 1_000_000, 1e6)), 1e-9 * Math.Exp(spread.Highest));
    }

    /// <summary>Normal errors; uneven ones grow fivefold as the similarity falls from 1 to 0.</summary>
    private static (SpreadFeatures[] Features, double[] Errors) Molecules(int count, int seed, bool uneven)
    {
        Random random = new(seed);
        SpreadFeatures[] features = [.. Enumerable.Range(0, count).Select(_ => new SpreadFeatures(random.NextDouble(), random.Next(1, 30), (2 * random.NextDouble()) - 1))];
        return (features, [.. features.Select(f => (uneven ? Math.Exp(2 * (1 - f.Similarity)) : 1)
            * Math.Abs(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))]);
    }
}
