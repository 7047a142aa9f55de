using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmFusion.Evaluation;

/// <summary>One line of a <see cref="Comparison"/>: one predictor, measured for one target on one split.</summary>
/// <param name="Split">The split measured on: <c>train</c>, <c>valid</c>, <c>test</c>, or a named part of one.</param>
/// <param name="Target">The target's name.</param>
/// <param name="Unit">The target's unit; empty where it has none or none is known.</param>
/// <param name="Predictor">Who predicted, for example <see cref="Comparison.Constant"/>.</param>
/// <param name="Metrics">The metrics, in <paramref name="Unit"/>.</param>
public sealed record ComparisonRow(
    [property: JsonPropertyName("split")] string Split,
    [property: JsonPropertyName("target")] string Target,
    [property: JsonPropertyName("unit")] string Unit,
    [property: JsonPropertyName("predictor")] string Predictor,
    [property: JsonPropertyName("metrics")] TargetMetrics Metrics);

/// <summary>The model beside its baselines, for every split and target.</summary>
/// <param name="Rows">The lines, in the order in which they are shown.</param>
public sealed record Comparison([property: JsonPropertyName("rows")] IReadOnlyList<ComparisonRow> Rows)
{
    /// <summary>Name of the fusion model as a predictor.</summary>
    public const string Model = "fusion";

    /// <summary>Name of the <see cref="ConstantPredictor"/>.</summary>
    public const string Constant = "constant";

    /// <summary>Name of boosted trees as a predictor.</summary>
    public const string Boosted = "xgboost";

    /// <summary>Name of the <see cref="RidgeRegression"/> on fingerprints.</summary>
    public const string Ridge = "ridge";

    /// <summary>A comparison without lines.</summary>
    public static Comparison Empty { get; } = new([]);

    /// <summary>This comparison with one more predictor, measured on one split.</summary>
    /// <param name="split">The split's name.</param>
    /// <param name="predictor">The predictor's name.</param>
    /// <param name="targets">The targets' names, in the order of the columns (T).</param>
    /// <param name="units">The targets' units, in the same order; empty where there is none.</param>
    /// <param name="truth">One array of T true values for each row; NaN where none is known.</param>
    /// <param name="predicted">One array of T predictions for each row.</param>
    /// <param name="bootstrapSeed">Seed of the metrics' 95 % intervals; null for none.</param>
    /// <returns>The longer comparison.</returns>
    /// <exception cref="ArgumentException">Numbers of rows, targets or units do not match.</exception>
    public Comparison With(
        string split, string predictor, IReadOnlyList<string> targets, IReadOnlyList<string> units,
        IReadOnlyList<float[]> truth, IReadOnlyList<float[]> predicted, int? bootstrapSeed = null)
    {
        if (units.Count != targets.Count)
            throw new ArgumentException($"Comparison on {split}: got {units.Count} units, expected {targets.Count}, one for each target.", nameof(units));
        IReadOnlyDictionary<string, TargetMetrics> metrics = Metrics.PerTarget(targets, truth, predicted, bootstrapSeed);
        return new Comparison([.. Rows, .. targets.Select((target, t) => new ComparisonRow(split, target, units[t], predictor, metrics[target]))]);
    }

    /// <summary>The metrics of one predictor for one target on one split.</summary>
    /// <param name="split">The split's name.</param>
    /// <param name="target">The target's name.</param>
    /// <param name="predictor">The predictor's name.</param>
    /// <returns>The metrics, or null where the comparison has no such line.</returns>
    public TargetMetrics? Find(string split, string target, string predictor) =>
        Rows.FirstOrDefault(row => row.Split == split && row.Target == target && row.Predictor == predictor)?.Metrics;

    /// <summary>The comparison as JSON: <c>{"rows": [{"split": .., "target": .., "unit": .., "predictor": .., "metrics": {..}}]}</c>.</summary>
    /// <returns>Indented JSON; a metric that is not a finite number is <c>null</c>.</returns>
    public string ToJson() => JsonSerializer.Serialize(this, EvaluationJson.Default.Comparison);
}
