using System.Text.Json;

namespace LlmFusion.Transformers;

/// <summary>
/// Reads a Hugging Face config.json. A key that is absent takes Hugging Face's default; a key of the wrong kind,
/// or one that asks for something not implemented, is an error that names it. Other keys are left alone.
/// </summary>
internal sealed class ConfigReader
{
    private readonly JsonElement root;
    private readonly string modelType;

    /// <param name="root">The parsed config.json.</param>
    /// <param name="modelType">What its <c>model_type</c> must be.</param>
    public ConfigReader(JsonElement root, string modelType)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new CheckpointException($"config.json: found {root.ValueKind}, expected a JSON object");
        this.root = root;
        this.modelType = modelType;
        if (Find("model_type") is JsonElement found && found.ToString() != modelType)
            throw new CheckpointException($"config.json: model_type is '{found}', expected '{modelType}'");
        if (Find("quantization_config") is not null)
            throw new CheckpointException("config.json: quantization_config: quantized weights are not implemented; take the checkpoint that was quantized");
    }

    private ConfigReader(JsonElement section, string modelType, string name)
    {
        if (section.ValueKind != JsonValueKind.Object)
            throw new CheckpointException($"config.json: {name} is {section.GetRawText()}, expected an object");
        root = section;
        this.modelType = modelType;
    }

    /// <summary>Parses a config.json and hands it to a model's own reader.</summary>
    public static T Parse<T>(Stream stream, Func<JsonElement, T> from)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(stream);
            return from(document.RootElement);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"config.json: not valid JSON ({error.Message})", error);
        }
    }

    /// <summary>Reads a config.json on disk; errors name the file.</summary>
    public static T ParseFile<T>(string path, Func<JsonElement, T> from)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return Parse(stream, from);
        }
        catch (CheckpointException error)
        {
            throw new CheckpointException($"{path}: {error.Message}", error);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: not found; a model folder holds config.json and weights", error);
        }
    }

    public int Int(string key, int otherwise) => IntOrNull(key) ?? otherwise;

    public int? IntOrNull(string key) => Find(key) is not JsonElement value
        ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw Wrong(key, value, "an integer");

    public double Number(string key, double otherwise) => Find(key) is not JsonElement value
        ? otherwise
        : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(key, value, "a number");

    public bool Flag(string key, bool otherwise) => Find(key) is not JsonElement value
        ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(key, value, "true or false");

    public string Text(string key, string otherwise) => Find(key) is not JsonElement value
        ? otherwise
        : value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(key, value, "a string");

    /// <summary>A number that must be given.</summary>
    public double Needed(string key) => Find(key) is null
        ? throw new CheckpointException($"config.json: {key} is missing, expected a number")
        : Number(key, 0);

    /// <summary>An integer that must be given.</summary>
    public int NeededInt(string key) => IntOrNull(key) ?? throw new CheckpointException($"config.json: {key} is missing, expected an integer");

    /// <summary>A section of keys; null where there is none.</summary>
    public ConfigReader? Section(string key) => Find(key) is JsonElement value ? new ConfigReader(value, modelType, key) : null;

    /// <summary>A section without keys.</summary>
    public ConfigReader Empty() => new(JsonSerializer.SerializeToElement(new object()), modelType, "empty");

    /// <summary>Refuses a switch that would change the result and that this implementation does not have.</summary>
    public void Refuse(string key, bool value)
    {
        if (Flag(key, !value) == value)
            throw new CheckpointException($"config.json: {key} = {(value ? "true" : "false")} is not implemented for {modelType}");
    }

    /// <summary>Refuses pruned attention heads: their checkpoints have other shapes.</summary>
    public void RefusePrunedHeads()
    {
        if (Find("pruned_heads") is JsonElement { ValueKind: JsonValueKind.Object } heads && heads.EnumerateObject().Any())
            throw new CheckpointException($"config.json: pruned_heads = {heads} is not implemented for {modelType}");
    }

    /// <summary>A check of a config's own value, worded as the rest.</summary>
    public static void Require(bool holds, string key, object? found, string expected)
    {
        if (!holds)
            throw new CheckpointException($"config: {key} is {found ?? "null"}, expected {expected}");
    }

    private JsonElement? Find(string key) =>
        root.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static CheckpointException Wrong(string key, JsonElement value, string expected) =>
        new($"config.json: {key} is {value.GetRawText()}, expected {expected}");
}
