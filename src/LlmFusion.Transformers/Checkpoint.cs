using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>Weights into modules and out of them, by name and strictly.</summary>
public static class Checkpoint
{
    /// <summary>The module's parameters and lasting buffers under their checkpoint names. They are the module's own: do not dispose them.</summary>
    public static IReadOnlyDictionary<string, Tensor> StateOf(nn.Module module) => module.state_dict();

    /// <summary>Loads a safetensors file into a module, strictly.</summary>
    /// <param name="module">Takes the weights.</param>
    /// <param name="path">The file.</param>
    /// <param name="rename">The module's name of a tensor in the file, or null to leave it out; null: names are the same.</param>
    /// <exception cref="CheckpointException">The file is missing or damaged, or its tensors do not fit the module.</exception>
    public static void LoadFile(nn.Module module, string path, Func<string, string?>? rename = null)
    {
        // A scope of its own: the file's tensors go when the module has copied them.
        using DisposeScope scope = NewDisposeScope();
        Load(module, Safetensors.Read(path, name => rename is null || rename(name) is not null), rename, path);
    }

    /// <summary>Loads a folder's weights into a module, strictly.</summary>
    public static void LoadFolder(nn.Module module, string folder, Func<string, string?>? rename = null) =>
        LoadFile(module, Path.Combine(folder, "model.safetensors"), rename);

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
        string source = "the checkpoint")
    {
        IReadOnlyDictionary<string, Tensor> state = StateOf(module);
        Dictionary<string, (string Key, Tensor Value)> found = [];
        List<string> problems = [];
        foreach ((string key, Tensor value) in tensors)
        {
            string? name = rename is null ? key : rename(key);
            if (name is null)
                continue;
            if (!state.TryGetValue(name, out Tensor? target))
                problems.Add($"'{key}' ({Shape(value)}) is not in the model");
            else if (!target.shape.AsSpan().SequenceEqual(value.shape))
                problems.Add($"'{key}' has the shape {Shape(value)}, expected {Shape(target)}");
            else if (target.is_floating_point() != value.is_floating_point())
                problems.Add($"'{key}' holds {value.dtype}, expected {target.dtype}");
            else if (!found.TryAdd(name, (key, value)) && !Same(found[name].Value, value))
                problems.Add($"'{key}' and '{found[name].Key}' are one weight in the model, but differ");
        }
        problems.AddRange(state.Keys.Where(name => !found.ContainsKey(name)).Order(StringComparer.Ordinal)
            .Select(name => $"'{name}' ({Shape(state[name])}) is missing"));
        if (problems.Count > 0)
            throw new CheckpointException($"{source} does not fit the model: {string.Join("; ", problems.Take(8))}"
                + (problems.Count > 8 ? $"; and {problems.Count - 8} more" : ""));

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        foreach ((string name, (_, Tensor value)) in found)
            state[name].copy_(value);
    }

    private static bool Same(Tensor a, Tensor b)
    {
        using DisposeScope scope = NewDisposeScope();
        return a.shape.AsSpan().SequenceEqual(b.shape) && a.to_type(ScalarType.Float64).eq(b.to_type(ScalarType.Float64)).all().item<bool>();
    }

    private static string Shape(Tensor tensor) => $"[{string.Join(", ", tensor.shape)}]";
}
