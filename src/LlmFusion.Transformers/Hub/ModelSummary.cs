using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmFusion.Transformers.Hub;

/// <summary>What a model folder holds, as far as it shows without loading the weights.</summary>
/// <param name="ModelType">Its architecture, as in config.json; null where that does not say.</param>
/// <param name="Architecture">The class that it was saved from; null where config.json does not say.</param>
/// <param name="Width">Width of the hidden state.</param>
/// <param name="Layers">Number of layers; the encoder's where there is a decoder too.</param>
/// <param name="Heads">Attention heads of a layer.</param>
/// <param name="Positions">The longest sequence that it has positions for.</param>
/// <param name="Vocabulary">Tokens in the vocabulary.</param>
/// <param name="Parameters">Elements of all its tensors; null where there are no weights.</param>
/// <param name="Files">Its files, by name.</param>
public sealed record ModelSummary(
    string? ModelType, string? Architecture, long? Width, long? Layers, long? Heads, long? Positions, long? Vocabulary, long? Parameters, IReadOnlyList<ModelFile> Files)
{
    /// <summary>Reads a folder's config.json and what its weights are; no tensor is read.</summary>
    /// <exception cref="CheckpointException">config.json is missing or no JSON object, or the weights are damaged.</exception>
    public static ModelSummary Of(string folder)
    {
        JsonObject config = ConfigReader.ParseFile(Path.Combine(folder, RepositoryFiles.Config), root => root.ValueKind == JsonValueKind.Object
            ? JsonObject.Create(root.Clone())!
            : throw new CheckpointException($"found {root.ValueKind}, expected a JSON object"));
        ModelFile[] files =
        [
            .. new DirectoryInfo(folder).EnumerateFiles().Where(file => file.Exists)
                .Select(file => new ModelFile(file.Name, (file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file).Length))
                .OrderBy(file => file.Name, StringComparer.Ordinal),
        ];
        long? parameters = CheckpointFiles.Preference.Any(name => File.Exists(Path.Combine(folder, name)))
            ? CheckpointFiles.Entries(folder).Sum(entry => entry.Shape.Aggregate(1L, (a, b) => a * b))
            : null;
        return Of(config) with { Parameters = parameters, Files = files };
    }

    /// <summary>Reads a config.json alone: no parameters, no files.</summary>
    public static ModelSummary Of(JsonObject config)
    {
        string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;
        long? Number(params string[] keys) => keys.Select(key => config[key] is JsonValue value && value.TryGetValue(out long number) ? number : (long?)null).FirstOrDefault(number => number is not null);
        return new ModelSummary(
            Text(config["model_type"]), config["architectures"] is JsonArray { Count: > 0 } classes ? Text(classes[0]) : null,
            Number("hidden_size", "n_embd", "d_model"), Number("encoder_layers", "num_hidden_layers", "n_layer"),
            Number("encoder_attention_heads", "num_attention_heads", "n_head"), Number("max_position_embeddings", "n_positions"), Number("vocab_size"), null, []);
    }
}

/// <summary>A file of a model.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its length.</param>
public sealed record ModelFile(string Name, long Bytes);
