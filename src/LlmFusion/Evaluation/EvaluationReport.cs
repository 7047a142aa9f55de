using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmFusion.Evaluation;

/// <summary>What <c>evaluate --json</c> prints: one model measured on one file.</summary>
/// <param name="Rows">Data rows of the file, refused ones included.</param>
/// <param name="Refused">Rows that could not be read or parsed and so were not predicted.</param>
/// <param name="Targets">The metrics of each target, by name.</param>
public sealed record EvaluationReport(
    [property: JsonPropertyName("rows")] long Rows,
    [property: JsonPropertyName("refused")] long Refused,
    [property: JsonPropertyName("targets")] IReadOnlyDictionary<string, TargetMetrics> Targets)
{
    /// <summary>The report as JSON: <c>{"rows": .., "refused": .., "targets": {"logp": {"n": .., "mae": .., ..}}}</c>.</summary>
    /// <returns>Indented JSON; a metric that is not a finite number is <c>null</c>.</returns>
    public string ToJson() => JsonSerializer.Serialize(this, EvaluationJson.Default.EvaluationReport);
}
