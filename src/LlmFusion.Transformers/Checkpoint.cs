using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>Weights into modules and out of them, by name and strictly.</summary>
public static class Checkpoint
{
    /// <summary>The module's parameters and lasting buffers under their checkpoint names. They are the module's own: do not dispose them.</summary>
    public static IReadOnlyDictionary<string, Tensor> StateOf(nn.Module module) => module.state_dict();

    /// <summary>
    /// Loads the weights of a model folder in Hugging Face's layout into a module, strictly: <c>model.safetensors</c>,
    /// its shards, <c>pytorch_model.bin</c> or its shards, the first that is there. One tensor at a time is in memory
    /// beside the module.
    /// </summary>
    /// <param name="module">Takes the weights; they are converted to its dtype and device.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="rename">The module's name of a tensor in the files, or null to leave it out; null: names are the same.</param>
    /// <exception cref="CheckpointException">There are no weights, they are damaged or hostile, or they do not fit the module, which is then unchanged.</exception>
    public static void LoadFolder(nn.Module module, string folder, Func<string, string?>? rename = null)
    {
        using CheckpointFiles files = CheckpointFiles.Open(folder);
        Load(StateOf(module), files.Tensors, files.Read, rename, files.Source);
    }

    /// <summary>Loads one file into a module, strictly: <c>.bin</c> is PyTorch's format, anything else safetensors.</summary>
    /// <param name="module">Takes the weights; they are converted to its dtype and device.</param>
    /// <param name="path">The file.</param>
    /// <param name="rename">The module's name of a tensor in the file, or null to leave it out; null: names are the same.</param>
    /// <exception cref="CheckpointException">The file is missing, damaged or hostile, or its tensors do not fit the module, which is then unchanged.</exception>
    public static void LoadFile(nn.Module module, string path, Func<string, string?>? rename = null)
    {
        LoadFile(StateOf(module), path, rename);
    }

    /// <summary>As <see cref="LoadFile(nn.Module, string, Func{string, string?})"/>, into some of a module's tensors by their names.</summary>
    internal static void LoadFile(IReadOnlyDictionary<string, Tensor> state, string path, Func<string, string?>? rename = null)
    {
        using WeightsFile file = WeightsFile.Open(path);
        Load(state, file.Entries, file.Read, rename, path);
    }

    /// <summary>
    /// Copies tensors into a module. Every one of the module's must be there with its shape, and nothing else; a
    /// name's several tensors (tied weights stored twice) must be equal.
    /// </summary>
    /// <param name="module">Takes the weights; they are converted to its dtype and device.</param>
    /// <param name="tensors">Names and values; they stay the caller's.</param>
    /// <param name="rename">The module's name of a tensor, or null to leave it out; null: names are the same.</param>
    /// <param name="source">Where they come from, for the message.</param>
    /// <exception cref="CheckpointException">Missing, extra or misshapen tensors, all named; the module is then unchanged.</exception>
    public static void Load(nn.Module module, IReadOnlyDictionary<string, Tensor> tensors, Func<string, string?>? rename = null,
        string source = "the checkpoint") =>
        Load(StateOf(module), tensors.Select(item => new CheckpointEntry(item.Key, item.Value.dtype, item.Value.shape, source)),
            name => tensors[name], rename, source);

    /// <summary>Names, types and shapes first, then weights stored twice, and only when all fit the values, one by one.</summary>
    private static void Load(IReadOnlyDictionary<string, Tensor> state, IEnumerable<CheckpointEntry> entries, Func<string, Tensor> read, Func<string, string?>? rename, string source)
    {
        Dictionary<string, string> keyOf = [];
        List<(string Key, string First)> twice = [];
        List<string> problems = [];
        foreach (CheckpointEntry entry in entries)
        {
            string? name = rename is null ? entry.Name : rename(entry.Name);
            string key = HostileText.Show(entry.Name);
            if (name is null)
                continue;
            if (!state.TryGetValue(name, out Tensor? target))
                problems.Add($"'{key}' ({HostileText.Show(entry.Shape)}) is not in the model");
            else if (!target.shape.AsSpan().SequenceEqual([.. entry.Shape]))
                problems.Add($"'{key}' has the shape {HostileText.Show(entry.Shape)}, expected {HostileText.Show(target.shape)}");
            else if (is_floating_point(target.dtype) != is_floating_point(entry.DataType))
                problems.Add($"'{key}' holds {entry.DataType}, expected {target.dtype}");
            else if (!keyOf.TryAdd(name, entry.Name))
                twice.Add((entry.Name, keyOf[name]));
        }
        problems.AddRange(state.Keys.Where(name => !keyOf.ContainsKey(name)).Order(StringComparer.Ordinal)
            .Select(name => $"'{name}' ({HostileText.Show(state[name].shape)}) is missing"));
        // Values are compared only where their names and shapes fit.
        if (problems.Count == 0)
        {
            problems.AddRange(twice.Where(pair => !Same(read, pair.Key, pair.First))
                .Select(pair => $"'{HostileText.Show(pair.Key)}' and '{HostileText.Show(pair.First)}' are one weight in the model, but differ"));
        }
        if (problems.Count > 0)
            throw new CheckpointException($"{source} does not fit the model: {string.Join("; ", problems.Take(8))}"
                + (problems.Count > 8 ? $"; and {problems.Count - 8} more" : ""));

        using IDisposable noGrad = no_grad();
        foreach ((string name, string key) in keyOf)
        {
            using DisposeScope scope = NewDisposeScope();
            state[name].copy_(read(key));
        }
    }

    private static bool Same(Func<string, Tensor> read, string key, string other)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor a = read(key), b = read(other);
        if (a.dtype != b.dtype)
            (a, b) = (a.to_type(ScalarType.Float64), b.to_type(ScalarType.Float64));
        return a.eq(b).all().item<bool>();
    }
}
