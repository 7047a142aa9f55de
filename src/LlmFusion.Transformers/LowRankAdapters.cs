using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// The low-rank adapters of a language model, and their folder in PEFT's layout: <c>adapter_config.json</c> and
/// <c>adapter_model.safetensors</c> with tensors <c>base_model.model.LAYER.lora_A.weight</c> (r, in) and <c>lora_B</c> (out, r).
/// </summary>
public static class LowRankAdapters
{
    /// <summary>Name of the configuration in an adapter's folder.</summary>
    public const string ConfigFile = "adapter_config.json";

    /// <summary>Name of the weights in an adapter's folder.</summary>
    public const string WeightsFile = "adapter_model.safetensors";

    internal const string DownName = "lora_A", UpName = "lora_B";

    private const string Prefix = "base_model.model.";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Whether a tensor of a model, by its name, is an adapter's.</summary>
    public static bool IsAdapter(string name) => name.EndsWith($".{DownName}.weight", StringComparison.Ordinal) || name.EndsWith($".{UpName}.weight", StringComparison.Ordinal);

    /// <summary>Adds new adapters, whose weights are from torch's generator; the model's results stay the same.</summary>
    /// <param name="model">A model without adapters.</param>
    /// <param name="config">Rank, factor, layers.</param>
    /// <exception cref="CheckpointException">The model has no such layers, or the rank is higher than theirs.</exception>
    public static void Add(LanguageModel model, LowRankConfig config)
    {
        if (model.Adapters is not null)
            throw new InvalidOperationException("the model has adapters already");
        config = config.Checked() with { Targets = config.Targets.Count > 0 ? [.. config.Targets] : model.AdapterTargets };
        (string Name, AdaptableLayer Layer)[] layers = [.. model.named_modules().Where(m => m.module is AdaptableLayer).Select(m => (m.name, (AdaptableLayer)m.module))];
        foreach (string target in config.Targets)
        {
            (string Name, AdaptableLayer Layer)[] found = [.. layers.Where(l => Matches(l.Name, target))];
            if (found.Length == 0)
                throw new CheckpointException($"adapter: {model.GetName()} has no linear layer named {HostileText.Show(target)}, expected {string.Join(", ", layers.Select(l => l.Name.Split('.')[^1]).Distinct())}");
            foreach ((string name, AdaptableLayer layer) in found)
            {
                if (config.Rank > Math.Min(layer.Inputs, layer.Outputs))
                    throw new CheckpointException($"adapter: the rank is {config.Rank}, expected at most {Math.Min(layer.Inputs, layer.Outputs)}, the smaller side of {name}");
                if (layer.Adapter is null)
                    layer.Add(new LowRankAdapter(layer.Inputs, layer.Outputs, config));
            }
        }
        model.Adapters = config;
    }

    /// <summary>Takes the adapters into the weights; the model then has none, and the same results up to rounding.</summary>
    public static void Merge(LanguageModel model)
    {
        foreach ((_, AdaptableLayer layer) in Adapted(model))
            layer.Merge();
        model.Adapters = null;
    }

    /// <summary>The adapters' tensors by their names in the model. They are the model's own: do not dispose them.</summary>
    public static IReadOnlyDictionary<string, Tensor> StateOf(LanguageModel model) => Adapted(model)
        .SelectMany(l => new[] { (Name: $"{l.Name}.{DownName}.weight", Value: l.Layer.Adapter!.Down.weight), (Name: $"{l.Name}.{UpName}.weight", Value: l.Layer.Adapter!.Up.weight) })
        .ToDictionary(t => t.Name, t => (Tensor)t.Value);

    /// <summary>Writes the adapters as PEFT does.</summary>
    /// <param name="model">A model with adapters.</param>
    /// <param name="folder">An existing folder.</param>
    /// <param name="baseModel">What PEFT shall load beneath them; null where it has no name.</param>
    public static void Save(LanguageModel model, string folder, string? baseModel)
    {
        LowRankConfig config = model.Adapters ?? throw new InvalidOperationException("the model has no adapters");
        bool inputsFirst = Adapted(model).First().Layer.InputsFirst;
        File.WriteAllText(Path.Combine(folder, ConfigFile), config.ToJson(baseModel, inputsFirst).ToJsonString(Indented));
        Safetensors.Write(Path.Combine(folder, WeightsFile), StateOf(model).ToDictionary(t => Prefix + t.Key, t => t.Value), new Dictionary<string, string> { ["format"] = "pt" });
    }

    /// <summary>Adds the adapters of a folder in PEFT's layout, strictly.</summary>
    /// <param name="model">The model that they were trained on, without adapters.</param>
    /// <param name="folder">The folder.</param>
    /// <exception cref="CheckpointException">A file is missing or damaged, asks for what is not implemented, or does not fit the model.</exception>
    public static void Load(LanguageModel model, string folder)
    {
        Add(model, ConfigReader.ParseFile(Path.Combine(folder, ConfigFile), LowRankConfig.From));
        Checkpoint.LoadFile(StateOf(model), Path.Combine(folder, WeightsFile), name => name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : name);
    }

    private static IEnumerable<(string Name, AdaptableLayer Layer)> Adapted(LanguageModel model) =>
        model.named_modules().Where(m => m.module is AdaptableLayer { Adapter: not null }).Select(m => (m.name, (AdaptableLayer)m.module));

    /// <summary>As PEFT matches: the whole name, or its end from a dot on.</summary>
    private static bool Matches(string name, string target) => name == target || name.EndsWith("." + target, StringComparison.Ordinal);
}
