using System.Text.Json.Serialization;

namespace LlmFusion.Evaluation;

/// <summary>Serialisers of the reports, generated at build time: no reflection at start-up.</summary>
[JsonSourceGenerationOptions(WriteIndented = true)]
[JsonSerializable(typeof(EvaluationReport))]
[JsonSerializable(typeof(Comparison))]
internal sealed partial class EvaluationJson : JsonSerializerContext;
