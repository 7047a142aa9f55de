using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The shape of a Llama, under Hugging Face's names; the defaults are Llama 2 7B, as there.</summary>
public sealed record LlamaConfig
{
    /// <summary>Tokens in the vocabulary: vocab_size.</summary>
    public int VocabSize { get; init; } = 32000;
    /// <summary>The longest sequence: max_position_embeddings.</summary>
    public int Positions { get; init; } = 2048;
    /// <summary>Width d of the hidden state: hidden_size.</summary>
    public int Width { get; init; } = 4096;
    /// <summary>Number of layers: num_hidden_layers.</summary>
    public int Layers { get; init; } = 32;
    /// <summary>Attention heads H: num_attention_heads.</summary>
    public int Heads { get; init; } = 32;
    /// <summary>Heads of keys and values, a divisor of H (grouped-query attention): num_key_value_heads.</summary>
    public int KeyValueHeads { get; init; } = 32;
    /// <summary>Width of a head, even: head_dim; null is width / H.</summary>
    public int? HeadWidth { get; init; }
    /// <summary>Width of the MLP: intermediate_size.</summary>
    public int Inner { get; init; } = 11008;
    /// <summary>hidden_act, see <see cref="Activations.Of"/>.</summary>
    public string Activation { get; init; } = "silu";
    /// <summary>Biases in the attention's four projections: attention_bias.</summary>
    public bool AttentionBias { get; init; }
    /// <summary>Biases in the MLP's three projections: mlp_bias.</summary>
    public bool MlpBias { get; init; }
    /// <summary>Dropout of attention weights: attention_dropout.</summary>
    public double AttentionDropout { get; init; }
    /// <summary>rms_norm_eps.</summary>
    public double NormEpsilon { get; init; } = 1e-6;
    /// <summary>Standard deviation of new weights: initializer_range.</summary>
    public double InitializerRange { get; init; } = 0.02;
    /// <summary>rope_theta and rope_scaling.</summary>
    public RotaryConfig Rotary { get; init; } = new();
    /// <summary>The head of the language model is the token table: tie_word_embeddings.</summary>
    public bool TieWordEmbeddings { get; init; }

    internal int HeadWidthOrDefault => HeadWidth ?? Width / Heads;

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="CheckpointException">A value is impossible, or asks for what is not implemented.</exception>
    public static LlamaConfig From(JsonElement json) => From(new ConfigReader(json, "llama")).Checked();

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="CheckpointException">As <see cref="From(JsonElement)"/>, or it is not JSON.</exception>
    public static LlamaConfig From(Stream json) => ConfigReader.Parse(json, From);

    /// <summary>The config.json that Hugging Face reads as the same model.</summary>
    public JsonObject ToJson() => new()
    {
        ["model_type"] = "llama",
        ["architectures"] = new JsonArray("LlamaModel"),
        ["vocab_size"] = VocabSize,
        ["max_position_embeddings"] = Positions,
        ["hidden_size"] = Width,
        ["num_hidden_layers"] = Layers,
        ["num_attention_heads"] = Heads,
        ["num_key_value_heads"] = KeyValueHeads,
        ["head_dim"] = HeadWidthOrDefault,
        ["intermediate_size"] = Inner,
        ["hidden_act"] = Activation,
        ["attention_bias"] = AttentionBias,
        ["mlp_bias"] = MlpBias,
        ["attention_dropout"] = AttentionDropout,
        ["rms_norm_eps"] = NormEpsilon,
        ["initializer_range"] = InitializerRange,
        ["rope_theta"] = Rotary.Theta,
        ["rope_scaling"] = Rotary.ScalingJson(),
        ["tie_word_embeddings"] = TieWordEmbeddings,
    };

    /// <summary>What Llama and Granite name alike.</summary>
    internal static LlamaConfig From(ConfigReader read)
    {
        read.RefusePrunedHeads();
        // pretraining_tp cuts matrix products in pieces whose sum is the same.
        LlamaConfig standard = new();
        int heads = read.Int("num_attention_heads", standard.Heads);
        return new LlamaConfig
        {
            VocabSize = read.Int("vocab_size", standard.VocabSize),
            Positions = read.Int("max_position_embeddings", standard.Positions),
            Width = read.Int("hidden_size", standard.Width),
            Layers = read.Int("num_hidden_layers", standard.Layers),
            Heads = heads,
            KeyValueHeads = read.Int("num_key_value_heads", heads),
            HeadWidth = read.IntOrNull("head_dim"),
            Inner = read.Int("intermediate_size", standard.Inner),
            Activation = read.Text("hidden_act", standard.Activation),
            AttentionBias = read.Flag("attention_bias", standard.AttentionBias),
            MlpBias = read.Flag("mlp_bias", standard.MlpBias),
            AttentionDropout = read.Number("attention_dropout", standard.AttentionDropout),
            NormEpsilon = read.Number("rms_norm_eps", standard.NormEpsilon),
            InitializerRange = read.Number("initializer_range", standard.InitializerRange),
            Rotary = RotaryConfig.From(read),
            TieWordEmbeddings = read.Flag("tie_word_embeddings", standard.TieWordEmbeddings),
        };
    }

    internal LlamaConfig Checked()
    {
        ConfigReader.Require(VocabSize > 0, "vocab_size", VocabSize, "at least 1");
        ConfigReader.Require(Positions > 0, "max_position_embeddings", Positions, "at least 1");
        ConfigReader.Require(Layers > 0, "num_hidden_layers", Layers, "at least 1");
        ConfigReader.Require(Heads > 0, "num_attention_heads", Heads, "at least 1");
        ConfigReader.Require(KeyValueHeads > 0 && Heads % KeyValueHeads == 0, "num_key_value_heads", KeyValueHeads, $"a divisor of num_attention_heads = {Heads}");
        ConfigReader.Require(Width > 0 && (HeadWidth is not null || Width % Heads == 0), "hidden_size", Width, $"a multiple of num_attention_heads = {Heads}");
        ConfigReader.Require(HeadWidthOrDefault > 0 && HeadWidthOrDefault % 2 == 0, "head_dim", HeadWidthOrDefault, "an even number from 2");
        ConfigReader.Require(Inner > 0, "intermediate_size", Inner, "at least 1");
        ConfigReader.Require(AttentionDropout is >= 0 and < 1, "attention_dropout", AttentionDropout, "from 0 to below 1");
        ConfigReader.Require(NormEpsilon > 0, "rms_norm_eps", NormEpsilon, "above 0");
        ConfigReader.Require(InitializerRange > 0, "initializer_range", InitializerRange, "above 0");
        Activations.Of(Activation);
        return this;
    }
}

/// <summary>x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019).</summary>
internal sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter weight;
    private readonly double epsilon;

    public RmsNorm(int width, double epsilon) : base(nameof(RmsNorm))
    {
        this.epsilon = epsilon;
        weight = Initialization.Ones(width);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x) => x * x.square().mean([-1], keepdim: true).add_(epsilon).rsqrt_() * weight; // (.., d)
}

/// <summary>Causal self-attention with rotary positions; several query heads share one head of keys and values.</summary>
internal sealed class LlamaAttention : nn.Module
{
    [ComponentName(Name = "q_proj")]
    private readonly Linear query;
    [ComponentName(Name = "k_proj")]
    private readonly Linear key;
    [ComponentName(Name = "v_proj")]
    private readonly Linear value;
    [ComponentName(Name = "o_proj")]
    private readonly Linear output;
    private readonly int heads;
    private readonly int keyValueHeads;
    private readonly double dropout;
    private readonly double queryFactor;

    public LlamaAttention(LlamaConfig config, double? scale) : base(nameof(LlamaAttention))
    {
        heads = config.Heads;
        keyValueHeads = config.KeyValueHeads;
        dropout = config.AttentionDropout;
        int headWidth = config.HeadWidthOrDefault;
        // The attention core divides by sqrt(d_head); the query makes up for another scale.
        queryFactor = scale is { } other ? other * Math.Sqrt(headWidth) : 1;
        query = new Linear(config.Width, heads * headWidth, config.AttentionBias);
        key = new Linear(config.Width, keyValueHeads * headWidth, config.AttentionBias);
        value = new Linear(config.Width, keyValueHeads * headWidth, config.AttentionBias);
        output = new Linear(heads * headWidth, config.Width, config.AttentionBias);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        foreach (Linear linear in new[] { query, key, value, output })
            Initialization.Normal(linear.weight, std);
    }

    /// <param name="x">(N, L, d)</param>
    /// <param name="mask">Null or (N, 1, L, L).</param>
    /// <param name="rotary">Null: no positions.</param>
    public Tensor Forward(Tensor x, Tensor? mask, Rotation? rotary)
    {
        Tensor q = Attention.Heads(query.forward(x), heads);                             // (N, H, L, d_head)
        Tensor k = Attention.Heads(key.forward(x), keyValueHeads);                       // (N, H_kv, L, d_head)
        Tensor v = Attention.Heads(value.forward(x), keyValueHeads);                     // (N, H_kv, L, d_head)
        if (rotary is not null)
            (q, k) = (rotary.Apply(q), rotary.Apply(k));
        if (queryFactor != 1)
            q = q * queryFactor;
        Tensor mixed = Attention.MultiHead(q, Repeated(k), Repeated(v), mask, causal: mask is null && x.shape[1] > 1, training ? dropout : 0);
        return output.forward(mixed);                                                    // (N, L, d)
    }

    /// <summary>Each head once for every query head that shares it: (N, H_kv, L, d_head) to (N, H, L, d_head).</summary>
    private Tensor Repeated(Tensor x) => keyValueHeads == heads ? x
        : x.unsqueeze(2).expand(-1, -1, heads / keyValueHeads, -1, -1).flatten(1, 2);
}

/// <summary>down(activation(gate(x)) * up(x)) (Shazeer 2020).</summary>
internal sealed class LlamaMlp : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "gate_proj")]
    private readonly Linear gate;
    [ComponentName(Name = "up_proj")]
    private readonly Linear up;
    [ComponentName(Name = "down_proj")]
    private readonly Linear down;
    private readonly Func<Tensor, Tensor> activation;

    public LlamaMlp(LlamaConfig config) : base(nameof(LlamaMlp))
    {
        activation = Activations.Of(config.Activation);
        gate = new Linear(config.Width, config.Inner, config.MlpBias);
        up = new Linear(config.Width, config.Inner, config.MlpBias);
        down = new Linear(config.Inner, config.Width, config.MlpBias);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        foreach (Linear linear in new[] { gate, up, down })
            Initialization.Normal(linear.weight, std);
    }

    public override Tensor forward(Tensor x) => down.forward(activation(gate.forward(x)) * up.forward(x)); // (N, L, d)
}

/// <summary>x + attention(norm(x)), then x + mlp(norm(x)); Granite multiplies both additions.</summary>
internal sealed class LlamaLayer : nn.Module
{
    [ComponentName(Name = "input_layernorm")]
    private readonly RmsNorm attentionNorm;
    [ComponentName(Name = "self_attn")]
    private readonly LlamaAttention attention;
    [ComponentName(Name = "post_attention_layernorm")]
    private readonly RmsNorm mlpNorm;
    [ComponentName(Name = "mlp")]
    private readonly LlamaMlp mlp;
    private readonly double residualFactor;

    /// <param name="config">The shape.</param>
    /// <param name="attentionScale">What scores are multiplied by; null: 1 / sqrt(d_head).</param>
    /// <param name="residualFactor">What attention and MLP are multiplied by before they are added.</param>
    public LlamaLayer(LlamaConfig config, double? attentionScale = null, double residualFactor = 1) : base(nameof(LlamaLayer))
    {
        this.residualFactor = residualFactor;
        attentionNorm = new RmsNorm(config.Width, config.NormEpsilon);
        attention = new LlamaAttention(config, attentionScale);
        mlpNorm = new RmsNorm(config.Width, config.NormEpsilon);
        mlp = new LlamaMlp(config);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        attention.Initialize(std);
        mlp.Initialize(std);
    }

    public Tensor Forward(Tensor x, Tensor? mask, Rotation? rotary)
    {
        x = x + Residual(attention.Forward(attentionNorm.forward(x), mask, rotary));
        return x + Residual(mlp.forward(mlpNorm.forward(x)));                            // (N, L, d)
    }

    private Tensor Residual(Tensor x) => residualFactor == 1 ? x : x * residualFactor;
}

/// <summary>
/// Llama (Touvron et al. 2023) with Hugging Face's tensor names and results: a decoder with rotary positions that reads
/// tokens or, as LLM-Fusion does, ready embeddings.
/// </summary>
public sealed class Llama : LanguageModel
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
    public Llama(LlamaConfig config, bool tokenEmbedding = true, bool languageHead = false) : this(config, tokenEmbedding, languageHead, initialize: true)
    {
    }

    internal Llama(LlamaConfig config, bool tokenEmbedding, bool languageHead, bool initialize) : base(nameof(Llama))
    {
        Config = config.Checked();
        tokens = tokenEmbedding ? Initialization.EmptyEmbedding(config.VocabSize, config.Width) : null;
        layers = new ModuleList<LlamaLayer>([.. Enumerable.Range(0, config.Layers).Select(_ => new LlamaLayer(config))]);
        finalNorm = new RmsNorm(config.Width, config.NormEpsilon);
        head = languageHead && !config.TieWordEmbeddings ? new Linear(config.Width, config.VocabSize, bias: false) : null;
        RegisterComponents();
        if (!initialize)
            return;
        if (tokens is not null)
            Initialization.Normal(tokens.weight!, config.InitializerRange);
        foreach (LlamaLayer layer in layers)
            layer.Initialize(config.InitializerRange);
        if (head is not null)
            Initialization.Normal(head.weight, config.InitializerRange);
    }

    /// <summary>The shape.</summary>
    public LlamaConfig Config { get; }

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <inheritdoc/>
    public override int Layers => Config.Layers;

    /// <inheritdoc/>
    public override int VocabSize => Config.VocabSize;

    /// <inheritdoc/>
    public override int MaximumLength => Config.Positions;

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
    public static Llama Load(string folder, bool tokenEmbedding = true, bool languageHead = false)
    {
        Llama model = new(ConfigReader.ParseFile(Path.Combine(folder, "config.json"), LlamaConfig.From), tokenEmbedding, languageHead, initialize: false);
        Checkpoint.LoadFolder(model, folder, model.CheckpointName);
        return model;
    }

    /// <inheritdoc/>
    public override JsonObject ConfigJson() => Config.ToJson();

    /// <inheritdoc/>
    public override string? CheckpointName(string key) => CheckpointName(key, Config.TieWordEmbeddings, tokens is not null, head is not null);

    /// <inheritdoc/>
    public override Tensor Forward(Tensor? inputIds, Tensor? inputsEmbeds = null, Tensor? attentionMask = null, Tensor? positionIds = null,
        bool addPositions = true)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Embed(inputIds, inputsEmbeds);                                        // (N, L, d)
        (Tensor? mask, Rotation? rotary) = Prepare(x, Config, attentionMask, positionIds, addPositions);
        foreach (LlamaLayer layer in layers)
            x = Through(layer, (input, constants) => layer.Forward(input, constants[0], constants is [_, { } cos, { } sin] ? new Rotation(cos, sin) : null), x, mask, rotary?.Cos, rotary?.Sin);
        return finalNorm.forward(x).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor Logits(Tensor hidden) => nn.functional.linear(hidden, HeadWeight(Config, tokens, head));

    internal Tensor Embed(Tensor? inputIds, Tensor? inputsEmbeds) => Inputs(inputIds, inputsEmbeds, tokens);

    internal override (Tensor Embedded, Tensor AfterFirst) FirstStates(Tensor inputIds, Tensor? attentionMask)
    {
        Tensor x = Embed(inputIds, null);                                                // (N, L, d)
        (Tensor? mask, Rotation? rotary) = Prepare(x, Config, attentionMask, null, addPositions: true);
        return (x, layers[0].Forward(x, mask, rotary));
    }

    /// <summary>The mask and the rotation that all layers share.</summary>
    /// <returns>Null or (N, 1, L, L); null where positions are left out.</returns>
    internal static (Tensor? Mask, Rotation? Rotary) Prepare(Tensor x, LlamaConfig config, Tensor? attentionMask, Tensor? positionIds, bool addPositions)
    {
        if (x.shape[1] > config.Positions)
            throw new ArgumentException($"{x.shape[1]} tokens, max_position_embeddings is {config.Positions}");
        return (attentionMask is null ? null : Attention.CausalMask(attentionMask), addPositions ? Rotation.Of(config, x, positionIds) : null);
    }

    /// <summary>Names without the prefix <c>model.</c>, tied heads as the table they are, old files' rotary buffers left out.</summary>
    internal static string? CheckpointName(string key, bool tied, bool hasTokens, bool hasHead)
    {
        key = key.StartsWith("model.", StringComparison.Ordinal) ? key["model.".Length..] : key;
        if (key.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal))
            return null;
        if (key == "lm_head.weight")
            return tied ? hasTokens ? "embed_tokens.weight" : null : hasHead ? key : null;
        return key == "embed_tokens.weight" && !hasTokens ? null : key;
    }

    internal static Tensor HeadWeight(LlamaConfig config, Embedding? tokens, Linear? head) =>
        config.TieWordEmbeddings && tokens is not null ? tokens.weight!
        : head?.weight ?? throw new InvalidOperationException("no logits: this model was made without its language model's head");
}
