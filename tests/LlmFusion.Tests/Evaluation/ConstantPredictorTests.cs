using LlmFusion.Evaluation;
using Xunit;

namespace LlmFusion.Tests.Evaluation;

public class ConstantPredictorTests
{
    [Fact]
    public void It_predicts_the_mean_of_the_known_training_values()
    {
        ConstantPredictor predictor = ConstantPredictor.Fit([[1, float.NaN], [3, 10], [5, 20]]);
        Assert.Equal([3f, 15f], predictor.Means);
        Assert.Equal([[3f, 15f], [3f, 15f]], predictor.Predict(2));
    }

    [Fact]
    public void On_its_own_training_rows_its_R2_is_zero()
    {
        float[][] rows = [[1], [2], [4], [9]];
        Assert.Equal(0.0, Metrics.PerTarget(["y"], rows, ConstantPredictor.Fit(rows).Predict(4))["y"].R2, 1e-12);
    }

    [Fact]
    public void A_target_without_values_is_refused()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => ConstantPredictor.Fit([[1, float.NaN], [2, float.NaN]]));
        Assert.Contains("target 2 of 2 has no value in 2 training rows", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => ConstantPredictor.Fit([]));
        Assert.Throws<ArgumentException>(() => ConstantPredictor.Fit([[1, 2], [1]]));
    }
}
