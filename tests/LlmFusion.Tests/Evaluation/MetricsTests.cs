using CsCheck;
using LlmFusion.Evaluation;
using Xunit;

namespace LlmFusion.Tests.Evaluation;

public class MetricsTests
{
    private static readonly Gen<(float Truth, float Predicted)[]> Pairs =
        Gen.Select(Gen.Float[-100, 100], Gen.Float[-100, 100]).Array[2, 50];

    [Fact]
    public void Four_rows_by_hand()
    {
        // errors 1, -1, 0, 2; mean 2.5; SSE 6; SST 5
        TargetMetrics metrics = Metrics.Of([1, 2, 3, 4], [2, 1, 3, 6]);
        Assert.Equal(4, metrics.N);
        Assert.Equal(1.0, metrics.Mae, 1e-15);
        Assert.Equal(1.5, metrics.Mse, 1e-15);
        Assert.Equal(Math.Sqrt(1.5), metrics.Rmse, 1e-15);
        Assert.Equal(-0.2, metrics.R2, 1e-15);
    }

    [Fact]
    public void A_missing_truth_is_skipped_whatever_was_predicted() =>
        Assert.Equal(Metrics.Of([1, 3], [2, 5]), Metrics.Of([float.NaN, 1, float.NaN, 3], [7, 2, float.NaN, 5]));

    [Fact]
    public void Without_a_known_truth_there_is_nothing_to_report()
    {
        Assert.Equal(TargetMetrics.None, Metrics.Of([], []));
        Assert.Equal(TargetMetrics.None, Metrics.Of([float.NaN], [1]));
        Assert.Equal(0, TargetMetrics.None.N);
        Assert.True(double.IsNaN(TargetMetrics.None.Mae) && double.IsNaN(TargetMetrics.None.R2));
    }

    [Fact]
    public void A_failed_prediction_of_a_known_truth_is_not_hidden()
    {
        TargetMetrics metrics = Metrics.Of([1, 2], [1, float.NaN]);
        Assert.Equal(2, metrics.N);
        Assert.True(double.IsNaN(metrics.Mae) && double.IsNaN(metrics.Mse) && double.IsNaN(metrics.Rmse) && double.IsNaN(metrics.R2));
    }

    [Fact]
    public void R2_is_undefined_where_the_truth_does_not_vary()
    {
        Assert.True(double.IsNaN(Metrics.Of([0.1f, 0.1f, 0.1f], [0.1f, 0.1f, 0.1f]).R2));
        Assert.True(double.IsNaN(Metrics.Of([5], [4]).R2));
        Assert.Equal(1.0, Metrics.Of([5], [4]).Mae);
    }

    [Fact]
    public void Different_lengths_are_refused_with_both_numbers()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => Metrics.Of([1, 2], [1]));
        Assert.Contains("got 1 predictions, expected 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_small_spread_far_from_zero_keeps_its_digits()
    {
        float[] truth = [.. Enumerable.Range(0, 1000).Select(i => 1e6f + (i % 2))];
        float[] predicted = [.. truth.Select(t => t + 0.5f)];
        Assert.Equal(0.0, Metrics.Of(truth, predicted).R2, 1e-9);
    }

    [Fact]
    public void The_order_of_rows_does_not_matter() =>
        Pairs.Sample(pairs =>
        {
            TargetMetrics forth = Of(pairs), back = Of([.. pairs.Reverse()]);
            return Close(forth.Mae, back.Mae) && Close(forth.Mse, back.Mse) && Close(forth.R2, back.R2);
        });

    [Fact]
    public void Scaling_by_a_power_of_two_scales_the_errors_and_leaves_R2() =>
        Pairs.Sample(pairs =>
        {
            TargetMetrics one = Of(pairs), four = Of([.. pairs.Select(p => (4 * p.Truth, 4 * p.Predicted))]);
            return Close(four.Mae, 4 * one.Mae) && Close(four.Rmse, 4 * one.Rmse) && Close(four.Mse, 16 * one.Mse) && Close(four.R2, one.R2);
        });

    [Fact]
    public void The_truth_predicts_itself_and_MAE_never_exceeds_RMSE() =>
        Pairs.Sample(pairs =>
        {
            float[] truth = [.. pairs.Select(p => p.Truth)];
            TargetMetrics self = Metrics.Of(truth, truth), metrics = Of(pairs);
            return self.Mae == 0 && self.Mse == 0 && (self.R2 == 1 || double.IsNaN(self.R2))
                && metrics.Mae <= metrics.Rmse * (1 + 1e-12) && Close(metrics.Rmse * metrics.Rmse, metrics.Mse);
        });

    [Fact]
    public void Several_targets_keep_their_order_and_their_own_missing_rows()
    {
        IReadOnlyDictionary<string, TargetMetrics> metrics = Metrics.PerTarget(
            ["qed", "logp"], [[1, float.NaN], [2, 5]], [[1, 9], [4, 6]]);
        Assert.Equal(["qed", "logp"], metrics.Keys);
        Assert.Equal(Metrics.Of([1, 2], [1, 4]), metrics["qed"]);
        Assert.Equal(Metrics.Of([5], [6]), metrics["logp"]);
    }

    private static TargetMetrics Of((float Truth, float Predicted)[] pairs) =>
        Metrics.Of([.. pairs.Select(p => p.Truth)], [.. pairs.Select(p => p.Predicted)]);

    private static bool Close(double a, double b) =>
        (double.IsNaN(a) && double.IsNaN(b)) || Math.Abs(a - b) <= 1e-9 * Math.Max(1, Math.Max(Math.Abs(a), Math.Abs(b)));
}
