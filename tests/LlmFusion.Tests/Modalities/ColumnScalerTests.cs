using LlmFusion.Modalities;
using Xunit;

namespace LlmFusion.Tests.Modalities;

public sealed class ColumnScalerTests
{
    [Fact]
    public void Each_column_gets_mean_zero_and_deviation_one()
    {
        float[][] rows = [[1, 1e6f], [2, 2e6f], [6, 3e6f]];
        ColumnScaler scaler = ColumnScaler.Fit(rows, 2);
        Assert.Equal(3, scaler.Means[0]);
        Assert.Equal(Math.Sqrt(14 / 3.0), scaler.Deviations[0], 1e-12);
        float[][] scaled = [.. rows.Select(scaler.Scale)];
        for (int c = 0; c < 2; c++)
        {
            Assert.Equal(0, scaled.Average(r => r[c]), 1e-6f);
            Assert.Equal(1, scaled.Average(r => r[c] * r[c]), 1e-5f);
        }
    }

    [Fact]
    public void A_constant_column_is_only_centred_and_no_row_leaves_values_as_they_are()
    {
        Assert.Equal([0f, 2f], ColumnScaler.Fit([.. Enumerable.Repeat(new[] { 0.1f, 7f }, 3)], 2).Scale([0.1f, 9f]));
        Assert.Equal([0.5f], ColumnScaler.Fit([], 1).Scale([0.5f]));
    }
}
