namespace LlmFusion.Evaluation;

/// <summary>Predicts every target by its mean over the training rows: what any model has to beat.</summary>
public sealed class ConstantPredictor
{
    private readonly float[] _means;

    private ConstantPredictor(float[] means) => _means = means;

    /// <summary>The training mean of each target, in its unit.</summary>
    public IReadOnlyList<float> Means => _means;

    /// <summary>Takes the mean of each target.</summary>
    /// <param name="targets">One array of T values for each training row; NaN is missing and skipped.</param>
    /// <returns>The predictor.</returns>
    /// <exception cref="ArgumentException">There is no row, rows differ in length, or a target has no value at all.</exception>
    public static ConstantPredictor Fit(IReadOnlyList<float[]> targets)
    {
        if (targets.Count == 0)
            throw new ArgumentException("Constant predictor: got no training row, expected at least one.", nameof(targets));
        float[] means = new float[targets[0].Length];
        for (int t = 0; t < means.Length; t++)
        {
            double sum = 0;
            int n = 0;
            foreach (float value in Metrics.Column(targets, t, means.Length))
                if (!float.IsNaN(value))
                {
                    sum += value;
                    n++;
                }
            if (n == 0)
                throw new ArgumentException($"Constant predictor: target {t + 1} of {means.Length} has no value in {targets.Count} training rows, expected at least one.", nameof(targets));
            means[t] = (float)(sum / n);
        }
        return new ConstantPredictor(means);
    }

    /// <summary>The same prediction for every row.</summary>
    /// <param name="rows">The number of rows to predict.</param>
    /// <returns>One array of T values for each row.</returns>
    public float[][] Predict(int rows)
    {
        float[][] predicted = new float[rows][];
        for (int i = 0; i < rows; i++)
            predicted[i] = (float[])_means.Clone();
        return predicted;
    }
}
