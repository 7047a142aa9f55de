using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The shape of a Granite: a Llama's, and four multipliers.</summary>
public sealed record GraniteConfig
{
    /// <summary>Everything that Granite shares with Llama.</summary>
    public LlamaConfig Llama { get; init; } = new();
    /// <summary>What embeddings are multiplied by: embedding_multiplier.</summary>
    public double EmbeddingMultiplier { get; init; } = 1;
    /// <summary>What attention scores are multiplied by, in the place of 1 / sqrt(d_head): attention_multiplier.</summary>
    public double AttentionMultiplier { get; init; } = 1;
    /// <summary>What attention and MLP are multiplied by before they are added: residual_multiplier.</summary>
    public double ResidualMultiplier { get; init; } = 1;
    /// <summary>What the language model's scores are divided by: logits_scaling.</summary>
    public double LogitsScaling { get; init; } = 1;

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="CheckpointException">A value is impossible, or asks for what is not implemented.</exception>
    public static GraniteConfig From(JsonElement json)
    {
        ConfigReader read = new(json, "granite");
        return new GraniteConfig
        {
            Llama = LlamaConfig.From(read),
            EmbeddingMultiplier = read.Number("embedding_multiplier", 1),
            AttentionMultiplier = read.Number("attention_multiplier", 1),
            ResidualMultiplier = read.Number("residual_multiplier", 1),
            LogitsScaling = read.Number("logits_scaling", 1),
        }.Checked();
    }

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="CheckpointException">As <see cref="From(JsonElement)"/>, or it is not JSON.</exception>
    public static GraniteConfig From(Stream json) => ConfigReader.Parse(json, From);

    /// <summary>The config.json that Hugging Face reads as the same model.</summary>
    public JsonObject ToJson()
    {
        JsonObject json = Llama.ToJson();
        json["model_type"] = "granite";
        json["architectures"] = new JsonArray("GraniteModel");
        json["embedding_multiplier"] = EmbeddingMultiplier;
        json["attention_multiplier"] = AttentionMultiplier;
        json["residual_multiplier"] = ResidualMultiplier;
        json["logits_scaling"] = LogitsScaling;
        return json;
    }

    internal GraniteConfig Checked()
    {
        Llama.Checked();
        ConfigReader.Require(EmbeddingMultiplier != 0 && double.IsFinite(EmbeddingMultiplier), "embedding_multiplier", EmbeddingMultiplier, "a number other than 0");
        ConfigReader.Require(AttentionMultiplier != 0 && double.IsFinite(AttentionMultiplier), "attention_multiplier", AttentionMultiplier, "a number other than 0");
        ConfigReader.Require(ResidualMultiplier != 0 && double.IsFinite(ResidualMultiplier), "residual_multiplier", ResidualMultiplier, "a number other than 0");
        ConfigReader.Require(LogitsScaling != 0 && double.IsFinite(LogitsScaling), "logits_scaling", LogitsScaling, "a number other than 0");
        return this;
    }
}

/// <summary>
/// Granite (IBM 2024) with Hugging Face's tensor names and results: Llama's layers with four multipliers. It reads tokens
/// or, as LLM-Fusion does, ready embeddings, which it multiplies as well.
/// </summary>
public sealed class Granite : LanguageModel
{
    [ComponentName(Name = "embed_tokens")]
    private readonly Embedding? tokens;
    [ComponentName(Name = "layers")]
    private readonly ModuleList<LlamaLayer> layers;
    [ComponentName(Name = "norm")]
    private readonly RmsNorm finalNorm;
    [ComponentName(Name = "lm_head")]
    private readonly Linear? head;

    /// <summary>A new model: weights from N(0, initializer_range^2), biases zero; from torch's generator.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="tokenEmbedding">False leaves the token table out, for a model that only ever reads embeddings.</param>
    /// <param name="languageHead">With the untied head that <see cref="Logits"/> then needs; nothing where the head is tied.</param>
    /// <exception cref="CheckpointException">The config is impossible.</exception>
    public Granite(GraniteConfig config, bool tokenEmbedding = true, bool languageHead = false) : this(config, tokenEmbedding, languageHead, initialize: true)
    {
    }

    internal Granite(GraniteConfig config, bool tokenEmbedding, bool languageHead, bool initialize) : base(nameof(Granite))
    {
        Config = config.Checked();
        LlamaConfig llama = config.Llama;
        tokens = tokenEmbedding ? Initialization.EmptyEmbedding(llama.VocabSize, llama.Width) : null;
        layers = new ModuleList<LlamaLayer>([.. Enumerable.Range(0, llama.Layers)
            .Select(_ => new LlamaLayer(llama, config.AttentionMultiplier, config.ResidualMultiplier))]);
        finalNorm = new RmsNorm(llama.Width, llama.NormEpsilon);
        head = languageHead && !llama.TieWordEmbeddings ? new Linear(llama.Width, llama.VocabSize, bias: false) : null;
        RegisterComponents();
        if (!initialize)
            return;
        if (tokens is not null)
            Initialization.Normal(tokens.weight!, llama.InitializerRange);
        foreach (LlamaLayer layer in layers)
            layer.Initialize(llama.InitializerRange);
        if (head is not null)
            Initialization.Normal(head.weight, llama.InitializerRange);
    }

    /// <summary>The shape.</summary>
    public GraniteConfig Config { get; }

    /// <inheritdoc/>
    public override int Width => Config.Llama.Width;

    /// <inheritdoc/>
    public override int Layers => Config.Llama.Layers;

    /// <inheritdoc/>
    public override int VocabSize => Config.Llama.VocabSize;

    /// <inheritdoc/>
    public override int MaximumLength => Config.Llama.Positions;

    /// <inheritdoc/>
    public override bool HasTokenEmbedding => tokens is not null;

    /// <inheritdoc/>
    public override IReadOnlyList<string> AdapterTargets => ["q_proj", "v_proj"];

    /// <inheritdoc/>
    public override IReadOnlyList<nn.Module> Blocks => [.. layers];

    /// <summary>Loads a Hugging Face folder: config.json and weights.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tokenEmbedding">False leaves the token table out.</param>
    /// <param name="languageHead">With the head that <see cref="Logits"/> needs.</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or does not fit.</exception>
    public static Granite Load(string folder, bool tokenEmbedding = true, bool languageHead = false)
    {
        Granite model = new(ConfigReader.ParseFile(Path.Combine(folder, "config.json"), GraniteConfig.From), tokenEmbedding, languageHead, initialize: false);
        Checkpoint.LoadFolder(model, folder, model.CheckpointName);
        return model;
    }

    /// <inheritdoc/>
    public override JsonObject ConfigJson() => Config.ToJson();

    /// <inheritdoc/>
    public override string? CheckpointName(string key) => Llama.CheckpointName(key, Config.Llama.TieWordEmbeddings, tokens is not null, head is not null);

    /// <inheritdoc/>
    public override Tensor Forward(Tensor? inputIds, Tensor? inputsEmbeds = null, Tensor? attentionMask = null, Tensor? positionIds = null,
        bool addPositions = true)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Embed(inputIds, inputsEmbeds);                                        // (N, L, d)
        (Tensor? mask, Rotation? rotary) = Llama.Prepare(x, Config.Llama, attentionMask, positionIds, addPositions);
        foreach (LlamaLayer layer in layers)
            x = Through(layer, (input, constants) => layer.Forward(input, constants[0], constants is [_, { } cos, { } sin] ? new Rotation(cos, sin) : null), x, mask, rotary?.Cos, rotary?.Sin);
        return finalNorm.forward(x).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor Logits(Tensor hidden) =>
        nn.functional.linear(hidden, Llama.HeadWeight(Config.Llama, tokens, head)) / Config.LogitsScaling;

    internal Tensor Embed(Tensor? inputIds, Tensor? inputsEmbeds) => Inputs(inputIds, inputsEmbeds, tokens) * Config.EmbeddingMultiplier;

    internal override (Tensor Embedded, Tensor AfterFirst) FirstStates(Tensor inputIds, Tensor? attentionMask)
    {
        Tensor x = Embed(inputIds, null);                                                // (N, L, d)
        (Tensor? mask, Rotation? rotary) = Llama.Prepare(x, Config.Llama, attentionMask, null, addPositions: true);
        return (x, layers[0].Forward(x, mask, rotary));
    }
}
