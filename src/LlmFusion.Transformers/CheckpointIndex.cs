using System.Text.Json;

namespace LlmFusion.Transformers;

/// <summary>The index of a checkpoint in several files (<c>*.index.json</c>): which file, a shard, holds which tensor.</summary>
internal sealed class CheckpointIndex
{
    private CheckpointIndex(Dictionary<string, string> shardOf)
    {
        ShardOf = shardOf;
        Shards = [.. shardOf.Values.Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>The file names of the shards by tensor name.</summary>
    public IReadOnlyDictionary<string, string> ShardOf { get; }

    /// <summary>The shards' file names, sorted.</summary>
    public IReadOnlyList<string> Shards { get; }

    /// <summary>Reads an index.</summary>
    /// <param name="path">The file.</param>
    /// <param name="extension">What its shards' names must end with.</param>
    /// <param name="maxShards">How many there may be.</param>
    /// <exception cref="CheckpointException">It is damaged, or names files that are not beside it.</exception>
    public static CheckpointIndex Read(string path, string extension, int maxShards)
    {
        CheckpointException Damaged(string what, Exception? cause = null) => new($"{path}: not the index of a checkpoint: {what}", cause);

        using FileStream stream = WeightsFile.OpenStream(path, "the index of a checkpoint");
        if (stream.Length > Safetensors.MaxHeaderLength)
            throw Damaged($"{stream.Length} bytes, expected at most {Safetensors.MaxHeaderLength}");
        Dictionary<string, string> shardOf = [];
        try
        {
            using JsonDocument json = JsonDocument.Parse(stream, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 8 });
            if (json.RootElement.ValueKind != JsonValueKind.Object
                || !json.RootElement.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
                throw Damaged("it has no weight_map, expected {\"weight_map\": {\"NAME\": \"FILE\", ..}}");
            // Thousands of tensors name the same few files: one text each.
            Dictionary<string, string> shards = [];
            foreach (JsonProperty item in map.EnumerateObject())
            {
                string? shard = item.Value.ValueKind == JsonValueKind.String ? item.Value.GetString() : null;
                if (shard is null || !IsFileName(shard, extension))
                    throw Damaged($"'{HostileText.Show(item.Name)}' is in {HostileText.Show(item.Value.GetRawText())}, expected the name of a file beside the index that ends with {extension}");
                if (!shards.TryGetValue(shard, out string? known))
                    shards.Add(shard, known = shard);
                shardOf.Add(item.Name, known);
            }
            if (shards.Count > maxShards)
                throw Damaged($"it names {shards.Count} files, expected at most {maxShards}");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw Damaged($"it is not the JSON expected ({HostileText.Show(error.Message)})", error);
        }
        return shardOf.Count > 0 ? new CheckpointIndex(shardOf) : throw Damaged("its weight_map is empty: it lists no shards");
    }

    /// <summary>Only letters that mean nothing to any file system: a name from the network must not lead anywhere else.</summary>
    private static bool IsFileName(string name, string extension) =>
        name.Length <= 255 && name.EndsWith(extension, StringComparison.Ordinal) && !name.StartsWith('.')
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_');
}
