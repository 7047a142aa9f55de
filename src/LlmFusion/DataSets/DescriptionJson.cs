using System.Text.Json.Serialization;
using LlmFusion.Evaluation;

namespace LlmFusion.DataSets;

/// <summary>Serialiser of what is told about data, generated at build time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, Converters = [typeof(NumberOrNull)])]
[JsonSerializable(typeof(DataDescription))]
[JsonSerializable(typeof(DataSetState))]
[JsonSerializable(typeof(IReadOnlyList<DataSetState>))]
internal sealed partial class DescriptionJson : JsonSerializerContext;
