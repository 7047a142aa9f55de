namespace LlmFusion.Prediction;

/// <summary>What is known of a prediction that may tell how wrong it is.</summary>
/// <param name="Similarity">Tanimoto similarity of the molecule to the nearest training molecule kept.</param>
/// <param name="HeavyAtoms">Its heavy atoms.</param>
/// <param name="Scaled">The predicted value in scaled units.</param>
public readonly record struct SpreadFeatures(double Similarity, int HeavyAtoms, double Scaled)
{
    internal double[] Vector() => [1, 1 - Similarity, Math.Log(Math.Max(1, HeavyAtoms)), Scaled, Scaled * Scaled];
}

/// <summary>
/// A learned estimate of how far a prediction's error reaches: exp of a linear function of <see cref="SpreadFeatures"/>, fitted by
/// least squares to the logarithms of absolute errors. It costs nothing beside the prediction; conformal calibration makes
/// its scale right, and whether it is of use.
/// </summary>
/// <param name="Weights">Weights of the features.</param>
/// <param name="Lowest">The linear function goes no lower, as it did for no molecule it was fitted to.</param>
/// <param name="Highest">And no higher.</param>
public sealed record ErrorSpread(IReadOnlyList<double> Weights, double Lowest, double Highest)
{
    private const double Ridge = 1e-6;

    /// <summary>Fits the estimate.</summary>
    /// <param name="features">Molecules.</param>
    /// <param name="errors">Their absolute errors, not all 0.</param>
    public static ErrorSpread Fit(IReadOnlyList<SpreadFeatures> features, IReadOnlyList<double> errors)
    {
        // The logarithm of an error of zero would rule the fit.
        double least = 0.05 * errors.Average();
        double[][] x = [.. features.Select(f => f.Vector())];
        int width = x[0].Length;
        double[,] gram = new double[width, width + 1];
        for (int n = 0; n < x.Length; n++)
            for (int i = 0; i < width; i++)
            {
                for (int j = 0; j < width; j++) gram[i, j] += x[n][i] * x[n][j] / x.Length;
                gram[i, width] += x[n][i] * Math.Log(Math.Max(errors[n], least)) / x.Length;
            }

        for (int i = 0; i < width; i++) gram[i, i] += Ridge;
        double[] weights = Solve(gram, width), values = [.. x.Select(v => Dot(v, weights))];
        return new ErrorSpread(weights, values.Min(), values.Max());
    }

    /// <summary>The estimate for a molecule; positive.</summary>
    public double At(SpreadFeatures features) => Math.Exp(Math.Clamp(Dot(features.Vector(), Weights), Lowest, Highest));

    /// <summary>Fails where what was read from a file cannot be an estimate.</summary>
    internal void Check()
    {
        if (Weights.Count != default(SpreadFeatures).Vector().Length || !Weights.All(double.IsFinite) || !double.IsFinite(Lowest) || !(Highest >= Lowest) || !(Highest < 700))
            throw new InvalidDataException($"spread: got {Weights.Count} weights and the range {Lowest} to {Highest}, expected {default(SpreadFeatures).Vector().Length} finite weights and a range");
    }

    private static double Dot(double[] features, IReadOnlyList<double> weights)
    {
        double sum = 0;
        for (int i = 0; i < features.Length; i++) sum += features[i] * weights[i];
        return sum;
    }

    /// <summary>Gauss-Jordan elimination of a positive definite system (width, width + 1).</summary>
    private static double[] Solve(double[,] system, int width)
    {
        for (int p = 0; p < width; p++)
            for (int row = 0; row < width; row++)
            {
                if (row == p) continue;
                double factor = system[row, p] / system[p, p];
                for (int c = p; c <= width; c++) system[row, c] -= factor * system[p, c];
            }

        return [.. Enumerable.Range(0, width).Select(i => system[i, width] / system[i, i])];
    }
}
