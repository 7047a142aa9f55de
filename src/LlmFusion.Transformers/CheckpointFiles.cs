using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// The weights of a model folder in Hugging Face's layout, open: <c>model.safetensors</c>, else its shards by
/// <c>model.safetensors.index.json</c>, else <c>pytorch_model.bin</c>, else its shards by
/// <c>pytorch_model.bin.index.json</c>. Each file is opened once, and its tensors are read when they are asked for.
/// </summary>
public sealed class CheckpointFiles : IDisposable
{
    private const string IndexSuffix = ".index.json";

    /// <summary>Every shard is a file kept open, of which a process may have about a thousand.</summary>
    private const int MaxShards = 500;

    private const int MessagesShown = 8;

    /// <summary>File names of weights in the order of preference; an index stands for the shards that it lists.</summary>
    internal static IReadOnlyList<string> Preference { get; } = ["model.safetensors", "model.safetensors" + IndexSuffix, "pytorch_model.bin", "pytorch_model.bin" + IndexSuffix];

    private readonly List<WeightsFile> files;
    private readonly Dictionary<string, WeightsFile> fileOf = [];

    private CheckpointFiles(string source, List<WeightsFile> files)
    {
        Source = source;
        this.files = files;
        foreach (WeightsFile file in files)
        {
            foreach (CheckpointEntry entry in file.Entries)
                fileOf.Add(entry.Name, file);
        }
        Tensors = [.. files.SelectMany(file => file.Entries)];
    }

    /// <summary>The path of the file, or of the index.</summary>
    public string Source { get; }

    /// <summary>The tensors of all files.</summary>
    public IReadOnlyList<CheckpointEntry> Tensors { get; }

    /// <summary>What a folder's weights are: names, types, shapes, files. No tensor is read.</summary>
    /// <exception cref="CheckpointException">There are no weights, or they are damaged.</exception>
    public static IReadOnlyList<CheckpointEntry> Entries(string folder)
    {
        using CheckpointFiles files = Open(folder);
        return files.Tensors;
    }

    /// <summary>Names of a folder's weight files, the index among them.</summary>
    /// <exception cref="CheckpointException">There are no weights, or the index is damaged.</exception>
    public static IReadOnlyList<string> Names(string folder)
    {
        (string source, CheckpointIndex? index) = Find(folder);
        return [Path.GetFileName(source), .. index?.Shards ?? []];
    }

    /// <summary>
    /// One hash over a folder's weights: of the file; of shards, that of the text that <c>sha256sum</c> prints for them
    /// in the order of their names. The index has no part in it.
    /// </summary>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    /// <exception cref="CheckpointException">There are no weights, or the index is damaged.</exception>
    public static string Sha256(string folder)
    {
        (string source, CheckpointIndex? index) = Find(folder);
        if (index is null)
            return Hash(source);
        StringBuilder lines = new();
        foreach (string shard in index.Shards)
            lines.Append(Hash(Path.Combine(folder, shard))).Append("  ").Append(shard).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines.ToString())));
    }

    /// <summary>Opens a folder's weights and checks all headers, and that index and shards agree on every tensor.</summary>
    /// <exception cref="CheckpointException">There are no weights, they are damaged, or index and shards disagree.</exception>
    public static CheckpointFiles Open(string folder)
    {
        (string source, CheckpointIndex? index) = Find(folder);
        List<WeightsFile> files = [];
        try
        {
            if (index is null)
            {
                files.Add(WeightsFile.Open(source));
                return new CheckpointFiles(source, files);
            }
            foreach (string shard in index.Shards)
                files.Add(WeightsFile.Open(Path.Combine(folder, shard)));
            CheckAgainst(index, source, files);
            return new CheckpointFiles(source, files);
        }
        catch
        {
            foreach (WeightsFile file in files)
                file.Dispose();
            throw;
        }
    }

    /// <summary>Reads one tensor.</summary>
    /// <param name="name">The name of one of <see cref="Tensors"/>.</param>
    /// <returns>A CPU tensor that owns its memory. It belongs to the caller, or to the scope that is open.</returns>
    /// <exception cref="CheckpointException">Its file became shorter meanwhile.</exception>
    public Tensor Read(string name) => fileOf[name].Read(name);

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (WeightsFile file in files)
            file.Dispose();
    }

    /// <summary>True for the name of a file that lists shards.</summary>
    internal static bool IsIndex(string name) => name.EndsWith(IndexSuffix, StringComparison.Ordinal);

    /// <summary>Reads a list of shards.</summary>
    /// <exception cref="CheckpointException">It is damaged, or names what cannot be a shard beside it.</exception>
    internal static CheckpointIndex ReadIndex(string path) => CheckpointIndex.Read(path, Path.GetExtension(path[..^IndexSuffix.Length]), MaxShards);

    private static (string Source, CheckpointIndex? Index) Find(string folder)
    {
        string found = Preference.FirstOrDefault(name => File.Exists(Path.Combine(folder, name)))
            ?? throw new CheckpointException($"{Path.Combine(folder, Preference[0])}: not found, nor {string.Join(", ", Preference.Skip(1).SkipLast(1))} or {Preference[^1]} beside it: the folder holds no weights");
        string path = Path.Combine(folder, found);
        return (path, IsIndex(found) ? ReadIndex(path) : null);
    }

    private static void CheckAgainst(CheckpointIndex index, string source, List<WeightsFile> files)
    {
        List<string> problems = [];
        HashSet<string> seen = [];
        foreach (WeightsFile file in files)
        {
            string shard = Path.GetFileName(file.Path);
            foreach (CheckpointEntry entry in file.Entries)
            {
                if (index.ShardOf.GetValueOrDefault(entry.Name) == shard)
                    seen.Add(entry.Name);
                else
                    problems.Add($"'{HostileText.Show(entry.Name)}' is in {shard}, the index has it {(index.ShardOf.TryGetValue(entry.Name, out string? other) ? $"in {other}" : "nowhere")}");
            }
        }
        problems.AddRange(index.ShardOf.Where(item => !seen.Contains(item.Key)).OrderBy(item => item.Key, StringComparer.Ordinal)
            .Select(item => $"'{HostileText.Show(item.Key)}' is missing in {item.Value}"));
        if (problems.Count > 0)
            throw new CheckpointException($"{source} does not fit its files: {string.Join("; ", problems.Take(MessagesShown))}"
                + (problems.Count > MessagesShown ? $"; and {problems.Count - MessagesShown} more" : ""));
    }

    private static string Hash(string path)
    {
        using FileStream stream = WeightsFile.OpenStream(path, "a file of weights");
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
