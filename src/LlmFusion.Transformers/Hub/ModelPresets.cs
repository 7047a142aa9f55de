using System.Text.Json.Nodes;

namespace LlmFusion.Transformers.Hub;

/// <summary>A model known by a short name.</summary>
/// <param name="Name">The short name.</param>
/// <param name="Id">The repository on the hub.</param>
/// <param name="ModelType">Its architecture, as in config.json.</param>
/// <param name="Pooling">How it embeds what it reads.</param>
/// <param name="MaximumTokens">The most tokens that it is given as an encoder; null: as many as its positions allow.</param>
/// <param name="About">What it is, in a line.</param>
/// <param name="FormerIds">Names that the repository had before: copies under them are used too.</param>
public sealed record ModelPreset(string Name, string Id, string ModelType, PoolingKind Pooling, int? MaximumTokens, string About, IReadOnlyList<string> FormerIds)
{
    /// <summary>The whole config.json, so that the architecture can be built without the hub; a new copy each time.</summary>
    public JsonObject Config()
    {
        using Stream stream = typeof(ModelPreset).Assembly.GetManifestResourceStream($"Presets.{Name}.json")
            ?? throw new InvalidOperationException($"preset {Name}: its config.json was not built in");
        return JsonNode.Parse(stream)!.AsObject();
    }
}

/// <summary>The models with short names: the paper's encoders and fusion models, and a small Llama and Granite.</summary>
public static class ModelPresets
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ModelPreset> All { get; } =
    [
        new("chemberta", "seyonec/ChemBERTa-zinc-base-v1", "roberta", PoolingKind.ClassToken, null, "SMILES encoder, 768 wide, 6 layers (the paper's)", []),
        new("selfbart", "ibm-research/materials.selfies-ted", "bart", PoolingKind.Mean, 128, "SELFIES encoder SELF-BART, 1024 wide, 12 layers (the paper's)", ["ibm/materials.selfies-ted"]),
        new("gpt2", "openai-community/gpt2", "gpt2", PoolingKind.Mean, null, "GPT-2 Small, 768 wide, 12 layers: text encoder and fusion model (the paper's)", ["gpt2"]),
        new("gpt2-medium", "openai-community/gpt2-medium", "gpt2", PoolingKind.Mean, null, "GPT-2 Medium, 1024 wide, 24 layers", ["gpt2-medium"]),
        new("gpt2-large", "openai-community/gpt2-large", "gpt2", PoolingKind.Mean, null, "GPT-2 Large, 1280 wide, 36 layers: fusion model (the paper's Table 3)", ["gpt2-large"]),
        new("smollm2-135m", "HuggingFaceTB/SmolLM2-135M", "llama", PoolingKind.Mean, null, "a small Llama, 576 wide, 30 layers", []),
        new("granite-3.1-2b", "ibm-granite/granite-3.1-2b-instruct", "granite", PoolingKind.Mean, null, "a small dense Granite, 2048 wide, 40 layers", []),
    ];

    /// <summary>The preset of a name, any case; null if there is none.</summary>
    public static ModelPreset? Find(string name) => All.FirstOrDefault(preset => preset.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}
