using System.Diagnostics;
using LlmFusion.Evaluation;
using Xunit;

namespace LlmFusion.Tests.Evaluation;

public class BootstrapTests
{
    [Fact]
    public void The_interval_of_a_mean_error_has_the_width_that_theory_says()
    {
        // Errors are uniform in 0 to 1: their mean has the standard error sqrt(1/12/n), and 95 % lie within 1.96 of them.
        const int n = 2000;
        Random random = new(7);
        float[] truth = [.. Enumerable.Range(0, n).Select(i => (float)i)], predicted = [.. truth.Select(t => t + (float)random.NextDouble())];
        MetricIntervals intervals = Bootstrap.Intervals(truth, predicted, seed: 1)!;
        double mae = Metrics.Of(truth, predicted).Mae, side = 1.96 * Math.Sqrt(1.0 / 12 / n);
        Assert.Equal(mae - side, intervals.Mae.Low, 0.2 * side);
        Assert.Equal(mae + side, intervals.Mae.High, 0.2 * side);
        Assert.Equal(intervals.Mse.High, intervals.Rmse.High * intervals.Rmse.High, 1e-12);
        Assert.InRange(Metrics.Of(truth, predicted).R2, intervals.R2.Low, intervals.R2.High);
    }

    [Fact]
    public void The_same_seed_gives_the_same_interval_and_unknown_rows_do_not_count()
    {
        float[] truth = [1, 2, 4, 7, 11, 16], predicted = [1.5f, 2, 3, 7, 12, 14];
        MetricIntervals first = Bootstrap.Intervals(truth, predicted, 3)!;
        Assert.Equal(first, Bootstrap.Intervals([float.NaN, .. truth], [9, .. predicted], 3));
        Assert.NotEqual(first, Bootstrap.Intervals(truth, predicted, 4));
        Assert.Null(Bootstrap.Intervals([1], [1], 0));
        Assert.Null(Bootstrap.Intervals([1, 2], [1, float.NaN], 0));
        Assert.True(double.IsNaN(Bootstrap.Intervals([1, 1], [1, 2], 0)!.R2.Low)); // a constant target has no R2
    }

    [Fact]
    public void Thirteen_thousand_rows_take_well_under_a_second_or_two()
    {
        Random random = new(1);
        float[] truth = [.. Enumerable.Range(0, 13_389).Select(_ => (float)random.NextDouble())];
        Stopwatch clock = Stopwatch.StartNew();
        Assert.NotNull(Bootstrap.Intervals(truth, [.. truth.Select(t => t / 2)], 0));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"{clock.Elapsed}");
    }
}
