using CsCheck;
using LlmFusion.Evaluation;
using Xunit;

namespace LlmFusion.Tests.Evaluation;

public class RidgeRegressionTests
{
    // Two columns, three rows: (1, 0), (2, 1), (3, 2) has X'X singular after centring; the penalty decides.
    private static readonly SparseRows Line = Rows([1, 0], [2, 1], [3, 2]);

    [Fact]
    public void One_column_by_hand()
    {
        // x = 0..3, y = 1 + 2x: centred Sxx = 5, Sxy = 10; w = 10 / (5 + 5) = 1, b = 4 - 1.5 = 2.5
        RidgeRegression ridge = RidgeRegression.Fit(Rows([0], [1], [2], [3]), [[1], [3], [5], [7]], 5);
        Assert.Equal(1.0, ridge.Weights[0][0], 1e-12);
        Assert.Equal(2.5, ridge.Intercepts[0], 1e-12);
        Assert.Equal([[2.5f], [5.5f]], ridge.Predict(Rows([0], [3])));
    }

    [Fact]
    public void Two_equal_columns_share_the_weight()
    {
        // centred rows (-1, -1), (0, 0), (1, 1), y = -3, 0, 3: w1 = w2 = 6 / (4 + lambda)
        RidgeRegression ridge = RidgeRegression.Fit(Line, [[-3], [0], [3]], 2);
        Assert.Equal(1.0, ridge.Weights[0][0], 1e-12);
        Assert.Equal(1.0, ridge.Weights[0][1], 1e-12);
        Assert.Equal(-3.0, ridge.Intercepts[0], 1e-12);
    }

    [Fact]
    public void An_endless_penalty_leaves_the_mean()
    {
        RidgeRegression ridge = RidgeRegression.Fit(Line, [[1], [5], [6]], 1e15);
        Assert.All(ridge.Predict(Line), row => Assert.Equal(4f, row[0], 1e-5f));
    }

    [Fact]
    public void A_vanishing_penalty_finds_the_linear_law() =>
        Gen.Select(Gen.Int[0, 5].Array[3].Array[12, 30], Gen.Double[-2, 2].Array[4]).Sample((counts, law) =>
        {
            SparseRows x = Rows(counts);
            float[][] y = [.. counts.Select(c => new[] { (float)(law[0] + (law[1] * c[0]) + (law[2] * c[1]) + (law[3] * c[2])) })];
            float[][] predicted = RidgeRegression.Fit(x, y, 1e-9).Predict(x);
            return y.Zip(predicted).All(pair => Math.Abs(pair.First[0] - pair.Second[0]) < 1e-4);
        }, iter: 50);

    [Fact]
    public void The_gradient_of_the_penalised_loss_is_zero() =>
        Gen.Select(Gen.Int[0, 3].Array[4].Array[2, 12], Gen.Double[0.1, 10], Gen.Int[0, 1000]).Sample((counts, lambda, seed) =>
        {
            Random random = new(seed);
            float[][] y = [.. counts.Select(_ => new[] { random.NextSingle() })];
            RidgeRegression ridge = RidgeRegression.Fit(Rows(counts), y, lambda);
            double[] residuals = [.. counts.Select((c, i) => y[i][0] - ridge.Intercepts[0] - c.Select((v, k) => v * ridge.Weights[0][k]).Sum())];
            return Math.Abs(residuals.Sum()) < 1e-9 && Enumerable.Range(0, 4).All(k =>
                Math.Abs(counts.Select((c, i) => c[k] * residuals[i]).Sum() - (lambda * ridge.Weights[0][k])) < 1e-9);
        }, iter: 100);

    [Fact]
    public void A_missing_value_takes_its_row_out_for_that_target_only()
    {
        SparseRows all = Rows([0, 1], [1, 0], [2, 2], [3, 1]), known = Rows([0, 1], [2, 2], [3, 1]);
        RidgeRegression both = RidgeRegression.Fit(all, [[1, 4], [9, float.NaN], [3, 2], [2, 7]], 0.5);
        RidgeRegression first = RidgeRegression.Fit(all, [[1], [9], [3], [2]], 0.5);
        RidgeRegression second = RidgeRegression.Fit(known, [[4], [2], [7]], 0.5);
        Assert.Equal(first.Weights[0], both.Weights[0]);
        Assert.Equal(second.Weights[0], both.Weights[1]);
        Assert.Equal([first.Intercepts[0], second.Intercepts[0]], both.Intercepts);
    }

    [Fact]
    public void Columns_never_seen_in_training_change_nothing()
    {
        RidgeRegression ridge = RidgeRegression.Fit(Rows([0, 0], [1, 0], [2, 0]), [[0], [1], [2]], 1);
        Assert.Equal(0.0, ridge.Weights[0][1]);
        Assert.Equal(ridge.Predict(Rows([1, 0]))[0][0], ridge.Predict(Rows([1, 7]))[0][0]);
    }

    [Fact]
    public void Validation_chooses_the_penalty_of_each_target()
    {
        // The first target is the law itself in both splits, the second is noise that validation contradicts.
        SparseRows x = Rows([0], [1], [2], [3]);
        RidgeRegression ridge = RidgeRegression.Fit(
            x, [[0, 0], [2, 1], [4, 2], [6, 3]],
            x, [[0, 3], [2, 2], [4, 1], [6, 0]], [0.01, 1, 1000], TestContext.Current.CancellationToken);
        Assert.Equal([0.01, 1000], ridge.Lambdas);
    }

    [Fact]
    public void Mistakes_are_refused_with_what_was_found_and_expected()
    {
        Refused(() => RidgeRegression.Fit(Line, [[1], [2]], 1), "got 2 rows of training targets, expected 3");
        Refused(() => RidgeRegression.Fit(Line, [[1], [2], [3]], 0), "got lambda 0");
        Refused(() => RidgeRegression.Fit(Line, [[float.NaN], [float.NaN], [float.NaN]], 1), "target 1 of 1 has no value in 3 training rows");
        Refused(() => RidgeRegression.Fit(Line, [[1], [2], [3]], Rows([1, 1]), [[float.NaN]], cancellation: TestContext.Current.CancellationToken), "has no value in 1 validation rows");
        Refused(() => RidgeRegression.Fit(Line, [[1], [2], [3]], Rows([1]), [[1]], cancellation: TestContext.Current.CancellationToken), "validation rows of 1 columns, expected 2");
        Refused(() => RidgeRegression.Fit(Line, [[1], [2], [3]], 1).Predict(Rows([1])), "rows of 1 columns, expected 2");
        Refused(() => SparseRows.FromCounts([([2], [1])], 2), "got bit 2, expected bits from 0 to 1");
        Refused(() => SparseRows.FromCounts([([1, 1], [1, 1])], 2), "bit 1 twice");
        Refused(() => SparseRows.FromCounts([([1], [1, 2])], 2), "got 2 counts, expected 1");
    }

    private static void Refused(Action action, string message) =>
        Assert.Contains(message, Assert.Throws<ArgumentException>(action).Message, StringComparison.Ordinal);

    private static SparseRows Rows(params int[][] dense) =>
        SparseRows.FromCounts(dense.Select(row =>
        {
            int[] bits = [.. Enumerable.Range(0, row.Length).Where(b => row[b] != 0)];
            return (bits, bits.Select(b => row[b]).ToArray());
        }), dense[0].Length);
}
