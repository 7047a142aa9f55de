using TorchSharp;

namespace LlmFusion.Evaluation;

/// <summary>
/// Linear regression with a squared penalty, one model for each target:
/// w, b = argmin sum_i (y_i - b - w.x_i)^2 + lambda |w|^2.
/// The intercept b is not penalised and the columns are taken as they are, not standardised.
/// </summary>
/// <remarks>
/// Solved exactly in double precision. With X and y centred by their means over the rows whose target is known,
/// w = (X'X + lambda I)^-1 X'y by Cholesky, b = mean(y) - w.mean(x); a column that is zero in all of them has weight 0.
/// </remarks>
public sealed class RidgeRegression
{
    private readonly Fitted[] _targets;
    private readonly int _width;

    private RidgeRegression(Fitted[] targets, int width)
    {
        _targets = targets;
        _width = width;
    }

    /// <summary>The penalties tried by default: 0.01 to 10,000, two in each decade.</summary>
    public static IReadOnlyList<double> DefaultLambdas { get; } = [.. Enumerable.Range(-4, 13).Select(i => Math.Pow(10, i / 2.0))];

    /// <summary>The penalty of each target.</summary>
    public IReadOnlyList<double> Lambdas => [.. _targets.Select(t => t.Lambda)];

    /// <summary>The intercept b of each target, in its unit.</summary>
    public IReadOnlyList<double> Intercepts => [.. _targets.Select(t => t.Intercept)];

    /// <summary>The weights w of each target: (targets, width), in the target's unit per count.</summary>
    public IReadOnlyList<IReadOnlyList<double>> Weights => [.. _targets.Select(t => t.Weights)];

    /// <summary>Fits with a given penalty.</summary>
    /// <param name="x">Training rows (n, width).</param>
    /// <param name="y">One array of T target values for each row; NaN is missing: that row does not count for that target.</param>
    /// <param name="lambda">The penalty, above 0.</param>
    /// <returns>The fitted model.</returns>
    /// <exception cref="ArgumentException">Numbers of rows or targets do not match, a target has no value, or the penalty is not positive.</exception>
    public static RidgeRegression Fit(SparseRows x, IReadOnlyList<float[]> y, double lambda) =>
        Fit(x, y, [lambda], (_, _) => 0, CancellationToken.None);

    /// <summary>Fits with the penalty that predicts each target best on the validation split, by squared error.</summary>
    /// <param name="x">Training rows (n, width).</param>
    /// <param name="y">One array of T target values for each training row; NaN is missing: that row does not count for that target.</param>
    /// <param name="validX">Validation rows (m, width).</param>
    /// <param name="validY">One array of T target values for each validation row.</param>
    /// <param name="lambdas">The penalties to choose from, above 0; <see cref="DefaultLambdas"/> if null.</param>
    /// <param name="cancellation">Stops between two penalties.</param>
    /// <returns>The fitted model; the validation rows chose the penalty and nothing else.</returns>
    /// <exception cref="ArgumentException">Numbers of rows, columns or targets do not match, a target has no value in a split, or a penalty is not positive.</exception>
    public static RidgeRegression Fit(
        SparseRows x, IReadOnlyList<float[]> y, SparseRows validX, IReadOnlyList<float[]> validY,
        IReadOnlyList<double>? lambdas = null, CancellationToken cancellation = default)
    {
        RequireSameRows(validX, validY, "validation");
        if (validX.Width != x.Width)
            throw new ArgumentException($"Ridge: got validation rows of {validX.Width} columns, expected {x.Width} as in training.", nameof(validX));
        int targets = y.Count == 0 ? 0 : y[0].Length;
        float[][] truth = [.. Enumerable.Range(0, targets).Select(t => Metrics.Column(validY, t, targets))];
        return Fit(x, y, lambdas ?? DefaultLambdas, SquaredError, cancellation);

        double SquaredError(int target, Fitted fitted)
        {
            TargetMetrics metrics = Metrics.Of(truth[target], fitted.Predict(validX));
            return metrics.N > 0
                ? metrics.Mse
                : throw new ArgumentException($"Ridge: target {target + 1} of {targets} has no value in {validX.Count} validation rows, expected at least one.", nameof(validY));
        }
    }

    /// <summary>Predicts every target of every row.</summary>
    /// <param name="x">Rows (n, width).</param>
    /// <returns>One array of T predictions for each row, in the targets' units.</returns>
    /// <exception cref="ArgumentException">The rows have another number of columns than those of training.</exception>
    public float[][] Predict(SparseRows x)
    {
        if (x.Width != _width)
            throw new ArgumentException($"Ridge: got rows of {x.Width} columns, expected {_width} as in training.", nameof(x));
        float[][] columns = [.. _targets.Select(t => t.Predict(x))];
        float[][] rows = new float[x.Count][];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = [.. columns.Select(column => column[i])];
        return rows;
    }

    private static RidgeRegression Fit(
        SparseRows x, IReadOnlyList<float[]> y, IReadOnlyList<double> lambdas, Func<int, Fitted, double> loss, CancellationToken cancellation)
    {
        RequireSameRows(x, y, "training");
        if (x.Count == 0)
            throw new ArgumentException("Ridge: got no training row, expected at least one.", nameof(x));
        if (lambdas.Count == 0)
            throw new ArgumentException("Ridge: got no lambda to choose from, expected at least one.", nameof(lambdas));
        foreach (double lambda in lambdas)
            if (!(lambda > 0 && double.IsFinite(lambda)))
                throw new ArgumentException($"Ridge: got lambda {lambda}, expected a finite number above 0.", nameof(lambdas));

        int targets = y[0].Length;
        float[][] columns = [.. Enumerable.Range(0, targets).Select(t => Metrics.Column(y, t, targets))];
        Fitted[] best = new Fitted[targets];

        // Targets known on the same rows share X'X and its factors.
        foreach (IGrouping<string, int> group in Enumerable.Range(0, targets).GroupBy(t => KnownRows(columns[t])))
        {
            int[] members = [.. group];
            int[] rows = [.. Enumerable.Range(0, x.Count).Where(i => !float.IsNaN(columns[members[0]][i]))];
            if (rows.Length == 0)
                throw new ArgumentException($"Ridge: target {members[0] + 1} of {targets} has no value in {x.Count} training rows, expected at least one.", nameof(y));
            NormalEquations equations = new(x, rows, [.. members.Select(t => columns[t])]);
            double[] least = new double[members.Length];
            Array.Fill(least, double.PositiveInfinity);
            foreach (double lambda in lambdas)
            {
                cancellation.ThrowIfCancellationRequested();
                Fitted[] candidates = equations.Solve(lambda);
                for (int m = 0; m < members.Length; m++)
                {
                    double value = loss(members[m], candidates[m]);
                    if (value < least[m] || best[members[m]] is null)
                        (least[m], best[members[m]]) = (value, candidates[m]);
                }
            }
        }
        return new RidgeRegression(best, x.Width);
    }

    private static void RequireSameRows(SparseRows x, IReadOnlyList<float[]> y, string split)
    {
        if (x.Count != y.Count)
            throw new ArgumentException($"Ridge: got {y.Count} rows of {split} targets, expected {x.Count}, one for each fingerprint.", nameof(y));
    }

    // A key equal for two targets exactly when the same rows of them are known.
    private static string KnownRows(float[] column) =>
        string.Create(column.Length, column, (mask, values) =>
        {
            for (int i = 0; i < mask.Length; i++)
                mask[i] = float.IsNaN(values[i]) ? '0' : '1';
        });

    private sealed record Fitted(double Lambda, double Intercept, double[] Weights)
    {
        public float[] Predict(SparseRows x)
        {
            float[] predicted = new float[x.Count];
            for (int i = 0; i < predicted.Length; i++)
            {
                ReadOnlySpan<int> columns = x.Columns(i);
                ReadOnlySpan<double> values = x.Values(i);
                double sum = Intercept;
                for (int k = 0; k < columns.Length; k++)
                    sum += values[k] * Weights[columns[k]];
                predicted[i] = (float)sum;
            }
            return predicted;
        }
    }

    /// <summary>X'X (d, d) and X'Y (d, T), centred, over the d columns that are not zero in every row.</summary>
    private sealed class NormalEquations
    {
        private readonly int _width;
        private readonly int[] _active;
        private readonly double[] _meanX;
        private readonly double[] _meanY;
        private readonly double[] _gram;
        private readonly double[] _moments;

        public NormalEquations(SparseRows x, int[] rows, float[][] targets)
        {
            _width = x.Width;
            int[] place = new int[x.Width];
            foreach (int i in rows)
                foreach (int column in x.Columns(i))
                    place[column] = 1;
            _active = [.. Enumerable.Range(0, x.Width).Where(c => place[c] == 1)];
            for (int a = 0; a < _active.Length; a++)
                place[_active[a]] = a;

            int d = _active.Length, n = rows.Length, t = targets.Length;
            _meanX = new double[d];
            _meanY = [.. targets.Select(y => rows.Sum(i => (double)y[i]) / n)];
            _gram = new double[d * d];
            _moments = new double[d * t];

            // Only pairs of columns that meet in a row cost anything: about 40 million for all of QM9.
            foreach (int i in rows)
            {
                ReadOnlySpan<int> columns = x.Columns(i);
                ReadOnlySpan<double> values = x.Values(i);
                for (int k = 0; k < columns.Length; k++)
                {
                    int a = place[columns[k]];
                    double value = values[k];
                    _meanX[a] += value;
                    Span<double> gramRow = _gram.AsSpan(a * d, d);
                    for (int j = 0; j < columns.Length; j++)
                        gramRow[place[columns[j]]] += value * values[j];
                    for (int m = 0; m < t; m++)
                        _moments[(a * t) + m] += value * (targets[m][i] - _meanY[m]);
                }
            }

            // Sums of integer counts are exact in double, so centring afterwards loses nothing.
            for (int a = 0; a < d; a++)
                _meanX[a] /= n;
            for (int a = 0; a < d; a++)
                for (int b = 0; b < d; b++)
                    _gram[(a * d) + b] -= n * _meanX[a] * _meanX[b];
        }

        public Fitted[] Solve(double lambda)
        {
            int d = _active.Length, t = _meanY.Length;
            double[] solution = d == 0 ? [] : Cholesky(lambda, d, t);
            Fitted[] fitted = new Fitted[t];
            for (int m = 0; m < t; m++)
            {
                double[] weights = new double[_width];
                double intercept = _meanY[m];
                for (int a = 0; a < d; a++)
                {
                    double weight = solution[(a * t) + m];
                    weights[_active[a]] = weight;
                    intercept -= weight * _meanX[a];
                }
                fitted[m] = new Fitted(lambda, intercept, weights);
            }
            return fitted;
        }

        private double[] Cholesky(double lambda, int d, int t)
        {
            using DisposeScope scope = torch.NewDisposeScope();
            using IDisposable noGradient = torch.no_grad();
            torch.Tensor a = torch.tensor(_gram, [d, d]);                        // (d, d)
            a.diagonal().add_(lambda);
            (torch.Tensor factor, torch.Tensor info) = torch.linalg.cholesky_ex(a);
            if (info.item<int>() != 0)
                throw new ArgumentException($"Ridge: with lambda {lambda} the equations of {d} columns are singular in double precision, expected a larger lambda.", nameof(lambda));
            torch.Tensor weights = torch.tensor(_moments, [d, t]).cholesky_solve(factor);   // (d, T)
            return weights.contiguous().data<double>().ToArray();
        }
    }
}
