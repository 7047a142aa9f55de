using LlmFusion.Transformers.Tokenizers;

namespace LlmFusion.Transformers.Hub;

/// <summary>Which of a repository's files a model is made of.</summary>
internal static class RepositoryFiles
{
    public const string Config = "config.json";

    /// <summary>The files to get, without the shards.</summary>
    /// <param name="model">The model, for the message.</param>
    /// <param name="there">All the files of the repository.</param>
    /// <exception cref="HubException">A name is not a safe path, or config.json or the weights are missing.</exception>
    public static IReadOnlyList<string> Choose(string model, IReadOnlyCollection<string> there)
    {
        if (there.FirstOrDefault(name => !RepositoryId.IsSafePath(name)) is { } hostile)
            throw new HubException($"{model}: the hub lists a file \"{RepositoryId.Shown(hostile)}\", which would not lie in the model's folder; nothing was downloaded");
        HashSet<string> names = [.. there];
        if (!names.Contains(Config))
            throw new HubException($"{model}: has no {Config} ({Listed(there)}); it is no model of Hugging Face's transformers");
        string weights = CheckpointFiles.Preference.FirstOrDefault(names.Contains)
            ?? throw new HubException($"{model}: has none of {string.Join(", ", CheckpointFiles.Preference)} ({Listed(there)}); weights in other formats cannot be read");
        return [Config, .. Tokenizer.Files.Where(names.Contains), weights];
    }

    /// <summary>The shards that an index lists, each once: what could not be loaded later is not downloaded either.</summary>
    /// <exception cref="HubException">It is damaged, or names what cannot be a shard beside it.</exception>
    public static IReadOnlyList<string> Shards(string path)
    {
        try
        {
            return CheckpointFiles.ReadIndex(path).Shards;
        }
        catch (CheckpointException error)
        {
            throw new HubException($"{error.Message}; expected a JSON object with weight_map, the shard of each tensor", error);
        }
    }

    /// <summary>What a folder lacks to be a model, as far as it can tell by itself: null if nothing.</summary>
    public static string? Missing(string folder)
    {
        if (!File.Exists(Path.Combine(folder, Config)))
            return Config;
        string? weights = CheckpointFiles.Preference.FirstOrDefault(name => File.Exists(Path.Combine(folder, name)));
        if (weights is null)
            return "model.safetensors or pytorch_model.bin";
        if (!CheckpointFiles.IsIndex(weights))
            return null;
        try
        {
            return Shards(Path.Combine(folder, weights)).FirstOrDefault(shard => !File.Exists(Path.Combine(folder, shard)));
        }
        catch (HubException)
        {
            return $"a readable {weights}";
        }
    }

    private static string Listed(IReadOnlyCollection<string> there) => there.Count == 0
        ? "it is empty"
        : $"it has {string.Join(", ", there.Take(8).Select(RepositoryId.Shown))}{(there.Count > 8 ? $" and {there.Count - 8} more" : "")}";
}
