using System.Text.Json.Serialization;

namespace LlmFusion.Evaluation;

/// <summary>How a model's prediction intervals did.</summary>
/// <param name="N">Rows with a known value and an interval.</param>
/// <param name="Share">Share of them whose interval holds the value.</param>
/// <param name="MeanWidth">Mean width of the intervals, in the target's unit.</param>
public sealed record IntervalCoverage(
    [property: JsonPropertyName("n")] int N,
    [property: JsonPropertyName("coverage"), JsonConverter(typeof(NumberOrNull))] double Share,
    [property: JsonPropertyName("mean_width"), JsonConverter(typeof(NumberOrNull))] double MeanWidth);

/// <summary>How well one target was predicted; see <see cref="Metrics.Of"/> for the formulas.</summary>
/// <param name="N">Rows counted: those whose true value is known.</param>
/// <param name="Mae">Mean absolute error, in the target's unit.</param>
/// <param name="Rmse">Root of the mean squared error, in the target's unit.</param>
/// <param name="Mse">Mean squared error, in the target's unit squared.</param>
/// <param name="R2">Coefficient of determination; NaN where the true values do not vary.</param>
/// <remarks>In JSON a metric that is not a finite number is <c>null</c>.</remarks>
public sealed record TargetMetrics(
    [property: JsonPropertyName("n")] int N,
    [property: JsonPropertyName("mae"), JsonConverter(typeof(NumberOrNull))] double Mae,
    [property: JsonPropertyName("rmse"), JsonConverter(typeof(NumberOrNull))] double Rmse,
    [property: JsonPropertyName("mse"), JsonConverter(typeof(NumberOrNull))] double Mse,
    [property: JsonPropertyName("r2"), JsonConverter(typeof(NumberOrNull))] double R2)
{
    /// <summary>95 % bootstrap intervals; null where none were computed.</summary>
    [JsonPropertyName("interval95"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MetricIntervals? Intervals { get; init; }

    /// <summary>How the model's own 90 % intervals did; null where there are none.</summary>
    [JsonPropertyName("prediction_interval90"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IntervalCoverage? Coverage { get; init; }

    /// <summary>No row counted: n = 0, every metric NaN.</summary>
    public static TargetMetrics None { get; } = new(0, double.NaN, double.NaN, double.NaN, double.NaN);
}
