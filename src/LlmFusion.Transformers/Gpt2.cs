using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The shape of a GPT-2, under Hugging Face's names; the defaults are GPT-2 Small.</summary>
public sealed record Gpt2Config
{
    /// <summary>Tokens in the vocabulary: vocab_size.</summary>
    public int VocabSize { get; init; } = 50257;
    /// <summary>The longest sequence: n_positions.</summary>
    public int Positions { get; init; } = 1024;
    /// <summary>Width d of the hidden state: n_embd.</summary>
    public int Width { get; init; } = 768;
    /// <summary>Number of blocks: n_layer.</summary>
    public int Layers { get; init; } = 12;
    /// <summary>Attention heads, a divisor of the width: n_head.</summary>
    public int Heads { get; init; } = 12;
    /// <summary>Width of the MLP: n_inner; null is four times the width.</summary>
    public int? Inner { get; init; }
    /// <summary>activation_function, see <see cref="Activations.Of"/>.</summary>
    public string Activation { get; init; } = "gelu_new";
    /// <summary>Dropout after each block's two parts: resid_pdrop.</summary>
    public double ResidualDropout { get; init; } = 0.1;
    /// <summary>Dropout after the embeddings: embd_pdrop.</summary>
    public double EmbeddingDropout { get; init; } = 0.1;
    /// <summary>Dropout of attention weights: attn_pdrop.</summary>
    public double AttentionDropout { get; init; } = 0.1;
    /// <summary>layer_norm_epsilon.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-5;
    /// <summary>Standard deviation of new weights: initializer_range.</summary>
    public double InitializerRange { get; init; } = 0.02;
    /// <summary>Scores are divided by sqrt(d_head): scale_attn_weights.</summary>
    public bool ScaleAttention { get; init; } = true;
    /// <summary>Scores of block i are divided by i + 1 as well: scale_attn_by_inverse_layer_idx.</summary>
    public bool ScaleAttentionByInverseLayer { get; init; }
    /// <summary>The head of the language model is the token table: tie_word_embeddings.</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="CheckpointException">A value is impossible, or asks for what is not implemented.</exception>
    public static Gpt2Config From(JsonElement json)
    {
        ConfigReader read = new(json, "gpt2");
        read.Refuse("add_cross_attention", true);
        read.RefusePrunedHeads();
        // reorder_and_upcast_attn changes half precision only; here everything is float32.
        Gpt2Config standard = new();
        return new Gpt2Config
        {
            VocabSize = read.Int("vocab_size", standard.VocabSize),
            Positions = read.Int("n_positions", standard.Positions),
            Width = read.Int("n_embd", standard.Width),
            Layers = read.Int("n_layer", standard.Layers),
            Heads = read.Int("n_head", standard.Heads),
            Inner = read.IntOrNull("n_inner"),
            Activation = read.Text("activation_function", standard.Activation),
            ResidualDropout = read.Number("resid_pdrop", standard.ResidualDropout),
            EmbeddingDropout = read.Number("embd_pdrop", standard.EmbeddingDropout),
            AttentionDropout = read.Number("attn_pdrop", standard.AttentionDropout),
            LayerNormEpsilon = read.Number("layer_norm_epsilon", standard.LayerNormEpsilon),
            InitializerRange = read.Number("initializer_range", standard.InitializerRange),
            ScaleAttention = read.Flag("scale_attn_weights", standard.ScaleAttention),
            ScaleAttentionByInverseLayer = read.Flag("scale_attn_by_inverse_layer_idx", standard.ScaleAttentionByInverseLayer),
            TieWordEmbeddings = read.Flag("tie_word_embeddings", standard.TieWordEmbeddings),
        }.Checked();
    }

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="CheckpointException">As <see cref="From(JsonElement)"/>, or it is not JSON.</exception>
    public static Gpt2Config From(Stream json) => ConfigReader.Parse(json, From);

    /// <summary>The config.json that Hugging Face reads as the same model.</summary>
    public JsonObject ToJson() => new()
    {
        ["model_type"] = "gpt2",
        ["architectures"] = new JsonArray("GPT2Model"),
        ["vocab_size"] = VocabSize,
        ["n_positions"] = Positions,
        ["n_embd"] = Width,
        ["n_layer"] = Layers,
        ["n_head"] = Heads,
        ["n_inner"] = Inner,
        ["activation_function"] = Activation,
        ["resid_pdrop"] = ResidualDropout,
        ["embd_pdrop"] = EmbeddingDropout,
        ["attn_pdrop"] = AttentionDropout,
        ["layer_norm_epsilon"] = LayerNormEpsilon,
        ["initializer_range"] = InitializerRange,
        ["scale_attn_weights"] = ScaleAttention,
        ["scale_attn_by_inverse_layer_idx"] = ScaleAttentionByInverseLayer,
        ["tie_word_embeddings"] = TieWordEmbeddings,
    };

    internal Gpt2Config Checked()
    {
        ConfigReader.Require(VocabSize > 0, "vocab_size", VocabSize, "at least 1");
        ConfigReader.Require(Positions > 0, "n_positions", Positions, "at least 1");
        ConfigReader.Require(Layers > 0, "n_layer", Layers, "at least 1");
        ConfigReader.Require(Heads > 0, "n_head", Heads, "at least 1");
        ConfigReader.Require(Width > 0 && Width % Heads == 0, "n_embd", Width, $"a multiple of n_head = {Heads}");
        ConfigReader.Require(Inner is null or > 0, "n_inner", Inner, "null or at least 1");
        ConfigReader.Require(ResidualDropout is >= 0 and < 1, "resid_pdrop", ResidualDropout, "from 0 to below 1");
        ConfigReader.Require(EmbeddingDropout is >= 0 and < 1, "embd_pdrop", EmbeddingDropout, "from 0 to below 1");
        ConfigReader.Require(AttentionDropout is >= 0 and < 1, "attn_pdrop", AttentionDropout, "from 0 to below 1");
        ConfigReader.Require(LayerNormEpsilon > 0, "layer_norm_epsilon", LayerNormEpsilon, "above 0");
        ConfigReader.Require(InitializerRange > 0, "initializer_range", InitializerRange, "above 0");
        Activations.Of(Activation);
        return this;
    }
}

/// <summary>y = x W + b, with W (in, out): GPT-2 stores its weights the other way round.</summary>
internal sealed class Conv1D : AdaptableLayer
{
    public readonly Parameter weight;
    public readonly Parameter bias;
    private readonly long outputs;

    public Conv1D(long inputs, long outputs) : base(nameof(Conv1D))
    {
        this.outputs = outputs;
        weight = Initialization.Empty(inputs, outputs);
        bias = Initialization.Zeros(outputs);
        RegisterComponents();
    }

    public override Parameter Weight => weight;

    public override bool InputsFirst => true;

    public override Tensor forward(Tensor input) => Adapted(input, Product(input));      // (.., out)

    private Tensor Product(Tensor input)
    {
        if ((OpenBlas.Linear(input, weight, bias, transposed: false) ?? BFloat16Products.Linear(input, weight, bias, transposed: false)) is { } product)
            return product;                                                              // (.., out)
        long[] shape = input.shape;                                                      // (.., in)
        Tensor rows = input.view(-1, shape[^1]);                                         // (rows, in)
        shape[^1] = outputs;
        return addmm(bias, rows, weight, 1, 1).view(shape);                              // (.., out)
    }
}

/// <summary>Causal self-attention.</summary>
internal sealed class Gpt2Attention : nn.Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "c_attn")]
    private readonly Conv1D queryKeyValue;
    [ComponentName(Name = "c_proj")]
    private readonly Conv1D output;
    private readonly int heads;
    private readonly double attentionDropout;
    private readonly double residualDropout;
    private readonly double queryFactor;

    public Gpt2Attention(Gpt2Config config, int layer) : base(nameof(Gpt2Attention))
    {
        heads = config.Heads;
        attentionDropout = config.AttentionDropout;
        residualDropout = config.ResidualDropout;
        // The attention core divides by sqrt(d_head); the query makes up for what the config has otherwise.
        queryFactor = (config.ScaleAttention ? 1 : Math.Sqrt(config.Width / config.Heads))
            / (config.ScaleAttentionByInverseLayer ? layer + 1 : 1);
        queryKeyValue = new Conv1D(config.Width, 3 * config.Width);
        output = new Conv1D(config.Width, config.Width);
        RegisterComponents();
    }

    public void Initialize(double std, double residualStd)
    {
        Initialization.Normal(queryKeyValue.weight, std);
        Initialization.Normal(output.weight, residualStd);
    }

    public override Tensor forward(Tensor x, Tensor? mask)                               // (N, L, d); null or (N, 1, L, L)
    {
        long length = x.shape[1];
        Tensor[] qkv = queryKeyValue.forward(x)                                          // (N, L, 3 d)
            .view(-1, length, 3, heads, x.shape[2] / heads).permute(2, 0, 3, 1, 4).unbind(0); // 3 x (N, H, L, d_head)
        Tensor query = queryFactor == 1 ? qkv[0] : qkv[0] * queryFactor;
        Tensor mixed = Attention.MultiHead(query, qkv[1], qkv[2], mask, causal: mask is null && length > 1,
            training ? attentionDropout : 0);                                            // (N, L, d)
        return Dropout.Of(output.forward(mixed), residualDropout, training);
    }
}

/// <summary>c_proj(activation(c_fc(x))).</summary>
internal sealed class Gpt2Mlp : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "c_fc")]
    private readonly Conv1D expand;
    [ComponentName(Name = "c_proj")]
    private readonly Conv1D contract;
    private readonly Func<Tensor, Tensor> activation;
    private readonly double dropout;

    public Gpt2Mlp(Gpt2Config config) : base(nameof(Gpt2Mlp))
    {
        int inner = config.Inner ?? 4 * config.Width;
        activation = Activations.Of(config.Activation);
        dropout = config.ResidualDropout;
        expand = new Conv1D(config.Width, inner);
        contract = new Conv1D(inner, config.Width);
        RegisterComponents();
    }

    public void Initialize(double std, double residualStd)
    {
        Initialization.Normal(expand.weight, std);
        Initialization.Normal(contract.weight, residualStd);
    }

    public override Tensor forward(Tensor x) =>
        Dropout.Of(contract.forward(activation(expand.forward(x))), dropout, training);  // (N, L, d)
}

/// <summary>x + attention(norm(x)), then x + mlp(norm(x)).</summary>
internal sealed class Gpt2Block : nn.Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "ln_1")]
    private readonly LayerNorm attentionNorm;
    [ComponentName(Name = "attn")]
    private readonly Gpt2Attention attention;
    [ComponentName(Name = "ln_2")]
    private readonly LayerNorm mlpNorm;
    [ComponentName(Name = "mlp")]
    private readonly Gpt2Mlp mlp;

    public Gpt2Block(Gpt2Config config, int layer) : base(nameof(Gpt2Block))
    {
        attentionNorm = nn.LayerNorm(config.Width, config.LayerNormEpsilon);
        attention = new Gpt2Attention(config, layer);
        mlpNorm = nn.LayerNorm(config.Width, config.LayerNormEpsilon);
        mlp = new Gpt2Mlp(config);
        RegisterComponents();
    }

    public void Initialize(double std, double residualStd)
    {
        attention.Initialize(std, residualStd);
        mlp.Initialize(std, residualStd);
    }

    public override Tensor forward(Tensor x, Tensor? mask)
    {
        x = x + attention.forward(attentionNorm.forward(x), mask);
        return x + mlp.forward(mlpNorm.forward(x));                                      // (N, L, d)
    }
}

/// <summary>
/// GPT-2 (Radford et al. 2019) with Hugging Face's tensor names and results: a decoder that reads tokens or, as
/// LLM-Fusion does, ready embeddings.
/// </summary>
public sealed class Gpt2 : LanguageModel
{
    [ComponentName(Name = "wte")]
    private readonly Embedding? tokens;
    [ComponentName(Name = "wpe")]
    private readonly Embedding positions;
    [ComponentName(Name = "h")]
    private readonly ModuleList<Gpt2Block> blocks;
    [ComponentName(Name = "ln_f")]
    private readonly LayerNorm finalNorm;

    /// <summary>
    /// A new model: weights from N(0, initializer_range^2), those that end a residual branch divided by
    /// sqrt(2 layers), biases zero; from torch's generator.
    /// </summary>
    /// <param name="config">The shape.</param>
    /// <param name="tokenEmbedding">False leaves the token table (wte) out, for a model that only ever reads embeddings.</param>
    /// <exception cref="CheckpointException">The config is impossible.</exception>
    public Gpt2(Gpt2Config config, bool tokenEmbedding = true) : this(config, tokenEmbedding, initialize: true)
    {
    }

    internal Gpt2(Gpt2Config config, bool tokenEmbedding, bool initialize) : base(nameof(Gpt2))
    {
        Config = config.Checked();
        tokens = tokenEmbedding ? Initialization.EmptyEmbedding(config.VocabSize, config.Width) : null;
        positions = Initialization.EmptyEmbedding(config.Positions, config.Width);
        blocks = new ModuleList<Gpt2Block>([.. Enumerable.Range(0, config.Layers).Select(layer => new Gpt2Block(config, layer))]);
        finalNorm = nn.LayerNorm(config.Width, config.LayerNormEpsilon);
        RegisterComponents();
        if (initialize)
            Initialize();
    }

    /// <summary>The shape.</summary>
    public Gpt2Config Config { get; }

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
    public override IReadOnlyList<string> AdapterTargets => ["c_attn"];

    /// <inheritdoc/>
    public override IReadOnlyList<nn.Module> Blocks => [.. blocks];

    /// <inheritdoc/>
    public override JsonObject ConfigJson() => Config.ToJson();

    /// <summary>Loads a Hugging Face folder: config.json and weights.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tokenEmbedding">False leaves the token table out.</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or does not fit.</exception>
    public static Gpt2 Load(string folder, bool tokenEmbedding = true)
    {
        Gpt2 model = new(ConfigReader.ParseFile(Path.Combine(folder, "config.json"), Gpt2Config.From), tokenEmbedding, initialize: false);
        Checkpoint.LoadFolder(model, folder, model.CheckpointName);
        return model;
    }

    /// <summary>
    /// The name here of a tensor in a checkpoint: without the prefix <c>transformer.</c>, the tied head as the table
    /// it is; null for what holds no weights (the causal masks of old files).
    /// </summary>
    public override string? CheckpointName(string key)
    {
        key = key.StartsWith("transformer.", StringComparison.Ordinal) ? key["transformer.".Length..] : key;
        if (key.EndsWith(".attn.bias", StringComparison.Ordinal) || key.EndsWith(".attn.masked_bias", StringComparison.Ordinal))
            return null;
        if (key == "lm_head.weight")
            return Config.TieWordEmbeddings && HasTokenEmbedding ? "wte.weight" : null;
        return key == "wte.weight" && !HasTokenEmbedding ? null : key;
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor? inputIds, Tensor? inputsEmbeds = null, Tensor? attentionMask = null, Tensor? positionIds = null,
        bool addPositions = true)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = Embed(inputIds, inputsEmbeds, positionIds, addPositions);             // (N, L, d)
        Tensor? mask = attentionMask is null ? null : Attention.CausalMask(attentionMask); // (N, 1, L, L)
        foreach (Gpt2Block block in blocks)
            x = Through(block, (input, constants) => block.forward(input, constants[0]), x, mask);
        return finalNorm.forward(x).MoveToOuterDisposeScope();
    }

    /// <summary>The scores of the next token, with the tied head: hidden wte^T.</summary>
    /// <inheritdoc/>
    public override Tensor Logits(Tensor hidden) => tokens is not null && Config.TieWordEmbeddings
        ? BFloat16Products.Linear(hidden, tokens.weight!, bias: null, transposed: true) ?? nn.functional.linear(hidden, tokens.weight!)
        : throw new InvalidOperationException("no logits: this GPT-2 has no head tied to a token table");

    internal override (Tensor Embedded, Tensor AfterFirst) FirstStates(Tensor inputIds, Tensor? attentionMask)
    {
        Tensor x = Embed(inputIds, null, null, addPositions: true);                      // (N, L, d)
        return (x, blocks[0].forward(x, attentionMask is null ? null : Attention.CausalMask(attentionMask)));
    }

    /// <summary>tokens (or embeddings) + positions, before the first block.</summary>
    internal Tensor Embed(Tensor? inputIds, Tensor? inputsEmbeds, Tensor? positionIds, bool addPositions)
    {
        Tensor x = Inputs(inputIds, inputsEmbeds, tokens);                               // (N, L, d)
        if (addPositions)
            x = x + PositionsOf(x.shape[1], positionIds);
        return Dropout.Of(x, Config.EmbeddingDropout, training);                         // (N, L, d)
    }

    private Tensor PositionsOf(long length, Tensor? positionIds)
    {
        if (positionIds is not null)
            return positions.forward(positionIds);                                       // (N, L, d)
        if (length > Config.Positions)
            throw new ArgumentException($"GPT-2: {length} tokens, its position table has {Config.Positions}");
        // A view, so that its gradient is a sum over the batch and no scatter.
        return positions.weight!.narrow(0, 0, length);                                   // (L, d)
    }

    private void Initialize()
    {
        double std = Config.InitializerRange;
        double residualStd = std / Math.Sqrt(2 * Config.Layers);
        if (tokens is not null)
            Initialization.Normal(tokens.weight!, std);
        Initialization.Normal(positions.weight!, std);
        foreach (Gpt2Block block in blocks)
            block.Initialize(std, residualStd);
    }
}
