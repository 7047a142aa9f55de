using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The shape of a RoBERTa, under Hugging Face's names; the defaults are RoBERTa Base.</summary>
public sealed record RobertaConfig
{
    /// <summary>Tokens in the vocabulary: vocab_size.</summary>
    public int VocabSize { get; init; } = 50265;
    /// <summary>Width d of the hidden state: hidden_size.</summary>
    public int Width { get; init; } = 768;
    /// <summary>Number of layers: num_hidden_layers.</summary>
    public int Layers { get; init; } = 12;
    /// <summary>Attention heads, a divisor of the width: num_attention_heads.</summary>
    public int Heads { get; init; } = 12;
    /// <summary>Width of the MLP: intermediate_size.</summary>
    public int Inner { get; init; } = 3072;
    /// <summary>hidden_act, see <see cref="Activations.Of"/>.</summary>
    public string Activation { get; init; } = "gelu";
    /// <summary>Dropout after the embeddings and each layer's two parts: hidden_dropout_prob.</summary>
    public double HiddenDropout { get; init; } = 0.1;
    /// <summary>Dropout of attention weights: attention_probs_dropout_prob.</summary>
    public double AttentionDropout { get; init; } = 0.1;
    /// <summary>
    /// Rows of the position table: max_position_embeddings. The longest sequence is pad_token_id + 1 shorter, since
    /// positions are counted from there.
    /// </summary>
    public int Positions { get; init; } = 514;
    /// <summary>Rows of the token type table, of which only the first is used: type_vocab_size.</summary>
    public int TokenTypes { get; init; } = 1;
    /// <summary>layer_norm_eps.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-5;
    /// <summary>Standard deviation of new weights: initializer_range.</summary>
    public double InitializerRange { get; init; } = 0.02;
    /// <summary>The padding token: pad_token_id.</summary>
    public int PadToken { get; init; } = 1;
    /// <summary>The masked language model's output table is the token table: tie_word_embeddings.</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>The longest sequence.</summary>
    public int MaxLength => Positions - PadToken - 1;

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="CheckpointException">A value is impossible, or asks for what is not implemented.</exception>
    public static RobertaConfig From(JsonElement json)
    {
        ConfigReader read = new(json, "roberta");
        read.Refuse("is_decoder", true);
        read.Refuse("add_cross_attention", true);
        read.RefusePrunedHeads();
        string positions = read.Text("position_embedding_type", "absolute");
        ConfigReader.Require(positions == "absolute", "position_embedding_type", positions, "absolute (the others are not implemented)");
        RobertaConfig standard = new();
        return new RobertaConfig
        {
            VocabSize = read.Int("vocab_size", standard.VocabSize),
            Width = read.Int("hidden_size", standard.Width),
            Layers = read.Int("num_hidden_layers", standard.Layers),
            Heads = read.Int("num_attention_heads", standard.Heads),
            Inner = read.Int("intermediate_size", standard.Inner),
            Activation = read.Text("hidden_act", standard.Activation),
            HiddenDropout = read.Number("hidden_dropout_prob", standard.HiddenDropout),
            AttentionDropout = read.Number("attention_probs_dropout_prob", standard.AttentionDropout),
            // Hugging Face's own defaults, where a config.json is silent: 512, 2 and 1e-12.
            Positions = read.Int("max_position_embeddings", 512),
            TokenTypes = read.Int("type_vocab_size", 2),
            LayerNormEpsilon = read.Number("layer_norm_eps", 1e-12),
            InitializerRange = read.Number("initializer_range", standard.InitializerRange),
            PadToken = read.Int("pad_token_id", standard.PadToken),
            TieWordEmbeddings = read.Flag("tie_word_embeddings", standard.TieWordEmbeddings),
        }.Checked();
    }

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="CheckpointException">As <see cref="From(JsonElement)"/>, or it is not JSON.</exception>
    public static RobertaConfig From(Stream json) => ConfigReader.Parse(json, From);

    /// <summary>The config.json that Hugging Face reads as the same model.</summary>
    public JsonObject ToJson() => new()
    {
        ["model_type"] = "roberta",
        ["architectures"] = new JsonArray("RobertaModel"),
        ["vocab_size"] = VocabSize,
        ["hidden_size"] = Width,
        ["num_hidden_layers"] = Layers,
        ["num_attention_heads"] = Heads,
        ["intermediate_size"] = Inner,
        ["hidden_act"] = Activation,
        ["hidden_dropout_prob"] = HiddenDropout,
        ["attention_probs_dropout_prob"] = AttentionDropout,
        ["max_position_embeddings"] = Positions,
        ["type_vocab_size"] = TokenTypes,
        ["layer_norm_eps"] = LayerNormEpsilon,
        ["initializer_range"] = InitializerRange,
        ["pad_token_id"] = PadToken,
        ["position_embedding_type"] = "absolute",
        ["tie_word_embeddings"] = TieWordEmbeddings,
    };

    internal RobertaConfig Checked()
    {
        ConfigReader.Require(VocabSize > 0, "vocab_size", VocabSize, "at least 1");
        ConfigReader.Require(Layers > 0, "num_hidden_layers", Layers, "at least 1");
        ConfigReader.Require(Heads > 0, "num_attention_heads", Heads, "at least 1");
        ConfigReader.Require(Width > 0 && Width % Heads == 0, "hidden_size", Width, $"a multiple of num_attention_heads = {Heads}");
        ConfigReader.Require(Inner > 0, "intermediate_size", Inner, "at least 1");
        ConfigReader.Require(PadToken >= 0 && PadToken < VocabSize, "pad_token_id", PadToken, $"from 0 to below vocab_size = {VocabSize}");
        ConfigReader.Require(Positions > PadToken + 1, "max_position_embeddings", Positions, $"above pad_token_id + 1 = {PadToken + 1}");
        ConfigReader.Require(TokenTypes > 0, "type_vocab_size", TokenTypes, "at least 1");
        ConfigReader.Require(HiddenDropout is >= 0 and < 1, "hidden_dropout_prob", HiddenDropout, "from 0 to below 1");
        ConfigReader.Require(AttentionDropout is >= 0 and < 1, "attention_probs_dropout_prob", AttentionDropout, "from 0 to below 1");
        ConfigReader.Require(LayerNormEpsilon > 0, "layer_norm_eps", LayerNormEpsilon, "above 0");
        ConfigReader.Require(InitializerRange > 0, "initializer_range", InitializerRange, "above 0");
        Activations.Of(Activation);
        return this;
    }
}

/// <summary>norm(tokens + positions + token type 0).</summary>
internal sealed class RobertaEmbeddings : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "word_embeddings")]
    private readonly Embedding tokens;
    [ComponentName(Name = "position_embeddings")]
    private readonly Embedding positions;
    [ComponentName(Name = "token_type_embeddings")]
    private readonly Embedding tokenTypes;
    [ComponentName(Name = "LayerNorm")]
    private readonly LayerNorm norm;
    private readonly RobertaConfig config;

    public RobertaEmbeddings(RobertaConfig config) : base(nameof(RobertaEmbeddings))
    {
        this.config = config;
        tokens = Initialization.EmptyEmbedding(config.VocabSize, config.Width);
        positions = Initialization.EmptyEmbedding(config.Positions, config.Width);
        tokenTypes = Initialization.EmptyEmbedding(config.TokenTypes, config.Width);
        norm = nn.LayerNorm(config.Width, config.LayerNormEpsilon);
        RegisterComponents();
    }

    public Tensor TokenTable => tokens.weight!;

    public void Initialize(double std)
    {
        Initialization.Normal(tokens, std, config.PadToken);
        Initialization.Normal(positions, std, config.PadToken);
        Initialization.Normal(tokenTypes.weight!, std);
    }

    public override Tensor forward(Tensor inputIds)                                      // (N, L)
    {
        if (inputIds.shape[1] > config.MaxLength)
            throw new ArgumentException($"RoBERTa: {inputIds.shape[1]} tokens, its position table has room for {config.MaxLength}");
        // Positions count the real tokens, from pad_token_id + 1; padding has position pad_token_id.
        Tensor real = inputIds.ne(config.PadToken).to_type(ScalarType.Int64);            // (N, L)
        Tensor positionIds = real.cumsum(1).mul_(real).add_(config.PadToken);            // (N, L)
        Tensor x = tokens.forward(inputIds) + positions.forward(positionIds) + tokenTypes.weight!.narrow(0, 0, 1);
        return Dropout.Of(norm.forward(x), config.HiddenDropout, training);              // (N, L, d)
    }
}

/// <summary>Queries, keys and values, and their attention.</summary>
internal sealed class RobertaSelfAttention : nn.Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "query")]
    private readonly Linear query;
    [ComponentName(Name = "key")]
    private readonly Linear key;
    [ComponentName(Name = "value")]
    private readonly Linear value;
    private readonly int heads;
    private readonly double dropout;

    public RobertaSelfAttention(RobertaConfig config) : base(nameof(RobertaSelfAttention))
    {
        heads = config.Heads;
        dropout = config.AttentionDropout;
        query = new Linear(config.Width, config.Width);
        key = new Linear(config.Width, config.Width);
        value = new Linear(config.Width, config.Width);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        Initialization.Normal(query.weight, std);
        Initialization.Normal(key.weight, std);
        Initialization.Normal(value.weight, std);
    }

    public override Tensor forward(Tensor x, Tensor? mask) => Of(x, x, mask);            // (N, L, d); null or (N, 1, 1, L)

    /// <summary>
    /// The first token's alone. With one query, neither keys nor values are needed:
    /// q . (W_k x_t) = (W_k^T q) . x_t, and sum_t a_t W_v x_t = W_v sum_t a_t x_t. What a key's bias adds is the same for all
    /// tokens, so the softmax does not see it; the value's bias stays, as the a_t add up to one.
    /// </summary>
    /// <param name="x">(N, L, d)</param>
    /// <param name="mask">Null or (N, 1, 1, L).</param>
    /// <returns>(N, 1, d)</returns>
    public Tensor ClassToken(Tensor x, Tensor? mask)
    {
        Tensor first = x.narrow(1, 0, 1);                                                // (N, 1, d)
        // Dropped weights do not add up to one.
        if (training && dropout > 0)
            return Of(first, x, mask);
        long width = x.shape[2], headWidth = width / heads;
        Tensor q = query.forward(first).view(-1, heads, headWidth).transpose(0, 1) * (1 / Math.Sqrt(headWidth)); // (H, N, d_head)
        Tensor asked = matmul(q, key.weight.view(heads, headWidth, width)).transpose(0, 1); // (N, H, d)
        Tensor scores = matmul(asked, x.transpose(1, 2));                                // (N, H, L)
        if (mask is not null)
            scores = scores + mask.squeeze(2);
        Tensor seen = matmul(scores.softmax(-1), x).transpose(0, 1);                     // (H, N, d)
        Tensor mixed = matmul(seen, value.weight.view(heads, headWidth, width).transpose(1, 2)); // (H, N, d_head)
        return (mixed.transpose(0, 1).flatten(1) + value.bias!).unsqueeze(1);            // (N, 1, d)
    }

    /// <param name="asking">(N, L, d): the tokens whose result is wanted.</param>
    /// <param name="x">(N, S, d): all tokens.</param>
    /// <param name="mask">Null or (N, 1, 1, S).</param>
    private Tensor Of(Tensor asking, Tensor x, Tensor? mask) =>
        Attention.MultiHead(Attention.Heads(query.forward(asking), heads), Attention.Heads(key.forward(x), heads),
            Attention.Heads(value.forward(x), heads), mask, causal: false, training ? dropout : 0); // (N, L, d)
}

/// <summary>norm(dense(x) + residual): how attention and MLP end.</summary>
internal sealed class RobertaOutput : nn.Module<Tensor, Tensor, Tensor>
{
    [ComponentName(Name = "dense")]
    private readonly Linear dense;
    [ComponentName(Name = "LayerNorm")]
    private readonly LayerNorm norm;
    private readonly double dropout;

    public RobertaOutput(RobertaConfig config, int inputs) : base(nameof(RobertaOutput))
    {
        dropout = config.HiddenDropout;
        dense = new Linear(inputs, config.Width);
        norm = nn.LayerNorm(config.Width, config.LayerNormEpsilon);
        RegisterComponents();
    }

    public void Initialize(double std) => Initialization.Normal(dense.weight, std);

    public override Tensor forward(Tensor x, Tensor residual) =>
        norm.forward(Dropout.Of(dense.forward(x), dropout, training) + residual);
}

/// <summary>Self-attention with its residual connection.</summary>
internal sealed class RobertaAttention : nn.Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "self")]
    private readonly RobertaSelfAttention attention;
    [ComponentName(Name = "output")]
    private readonly RobertaOutput output;

    public RobertaAttention(RobertaConfig config) : base(nameof(RobertaAttention))
    {
        attention = new RobertaSelfAttention(config);
        output = new RobertaOutput(config, config.Width);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        attention.Initialize(std);
        output.Initialize(std);
    }

    public override Tensor forward(Tensor x, Tensor? mask) => output.forward(attention.forward(x, mask), x);

    /// <summary>The first token's alone: (N, 1, d).</summary>
    public Tensor ClassToken(Tensor x, Tensor? mask) => output.forward(attention.ClassToken(x, mask), x.narrow(1, 0, 1));
}

/// <summary>activation(dense(x)).</summary>
internal sealed class RobertaIntermediate : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "dense")]
    private readonly Linear dense;
    private readonly Func<Tensor, Tensor> activation;

    public RobertaIntermediate(RobertaConfig config) : base(nameof(RobertaIntermediate))
    {
        activation = Activations.Of(config.Activation);
        dense = new Linear(config.Width, config.Inner);
        RegisterComponents();
    }

    public void Initialize(double std) => Initialization.Normal(dense.weight, std);

    public override Tensor forward(Tensor x) => activation(dense.forward(x));            // (N, L, inner)
}

/// <summary>Attention, then the MLP, each normalized after its residual connection.</summary>
internal sealed class RobertaLayer : nn.Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "attention")]
    private readonly RobertaAttention attention;
    [ComponentName(Name = "intermediate")]
    private readonly RobertaIntermediate intermediate;
    [ComponentName(Name = "output")]
    private readonly RobertaOutput output;

    public RobertaLayer(RobertaConfig config) : base(nameof(RobertaLayer))
    {
        attention = new RobertaAttention(config);
        intermediate = new RobertaIntermediate(config);
        output = new RobertaOutput(config, config.Inner);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        attention.Initialize(std);
        intermediate.Initialize(std);
        output.Initialize(std);
    }

    public override Tensor forward(Tensor x, Tensor? mask)                               // (N, L, d); null or (N, 1, 1, L)
    {
        x = attention.forward(x, mask);
        return output.forward(intermediate.forward(x), x);                               // (N, L, d)
    }

    /// <summary>The first token alone: it sees all, but only its own query and MLP are computed.</summary>
    public Tensor ClassToken(Tensor x, Tensor? mask)
    {
        Tensor first = attention.ClassToken(x, mask);                                    // (N, 1, d)
        return output.forward(intermediate.forward(first), first).squeeze(1);            // (N, d)
    }
}

/// <summary>The stack of layers; it exists for its name in checkpoints.</summary>
internal sealed class RobertaEncoder : nn.Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "layer")]
    private readonly ModuleList<RobertaLayer> layers;

    public RobertaEncoder(RobertaConfig config) : base(nameof(RobertaEncoder))
    {
        layers = new ModuleList<RobertaLayer>([.. Enumerable.Range(0, config.Layers).Select(_ => new RobertaLayer(config))]);
        RegisterComponents();
    }

    public RobertaLayer First => layers[0];

    public void Initialize(double std)
    {
        foreach (RobertaLayer layer in layers)
            layer.Initialize(std);
    }

    public override Tensor forward(Tensor x, Tensor? mask)
    {
        foreach (RobertaLayer layer in layers)
            x = layer.forward(x, mask);
        return x;
    }

    public Tensor ClassToken(Tensor x, Tensor? mask)
    {
        foreach (RobertaLayer layer in layers.SkipLast(1))
            x = layer.forward(x, mask);
        return layers[^1].ClassToken(x, mask);                                           // (N, d)
    }
}

/// <summary>tanh(dense(class token)).</summary>
internal sealed class RobertaPooler : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "dense")]
    private readonly Linear dense;

    public RobertaPooler(RobertaConfig config) : base(nameof(RobertaPooler))
    {
        dense = new Linear(config.Width, config.Width);
        RegisterComponents();
    }

    public void Initialize(double std) => Initialization.Normal(dense.weight, std);

    public override Tensor forward(Tensor hidden) => dense.forward(Pooling.ClassToken(hidden)).tanh(); // (N, d)
}

/// <summary>The head of the masked language model: norm(gelu(dense(x))) table^T + bias, the table tied to the tokens'.</summary>
internal sealed class RobertaLanguageHead : nn.Module<Tensor, Tensor, Tensor>
{
    [ComponentName(Name = "dense")]
    private readonly Linear dense;
    [ComponentName(Name = "layer_norm")]
    private readonly LayerNorm norm;
    [ComponentName(Name = "bias")]
    private readonly Parameter bias;

    public RobertaLanguageHead(RobertaConfig config) : base(nameof(RobertaLanguageHead))
    {
        dense = new Linear(config.Width, config.Width);
        norm = nn.LayerNorm(config.Width, config.LayerNormEpsilon);
        bias = Initialization.Zeros(config.VocabSize);
        RegisterComponents();
    }

    public void Initialize(double std) => Initialization.Normal(dense.weight, std);

    public override Tensor forward(Tensor hidden, Tensor table) =>
        nn.functional.linear(norm.forward(nn.functional.gelu(dense.forward(hidden))), table, bias);
}

/// <summary>RoBERTa (Liu et al. 2019) with Hugging Face's tensor names and results: an encoder of token ids.</summary>
public sealed class Roberta : Transformer
{
    [ComponentName(Name = "embeddings")]
    private readonly RobertaEmbeddings embeddings;
    [ComponentName(Name = "encoder")]
    private readonly RobertaEncoder encoder;
    [ComponentName(Name = "pooler")]
    private readonly RobertaPooler? pooler;
    [ComponentName(Name = "lm_head")]
    private readonly RobertaLanguageHead? languageHead;

    /// <summary>A new model: weights from N(0, initializer_range^2), biases zero; from torch's generator.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="pooler">With tanh(dense(class token)), which <see cref="Pool"/> needs.</param>
    /// <param name="languageHead">With the masked language model's head, which <see cref="Logits"/> needs.</param>
    /// <exception cref="CheckpointException">The config is impossible.</exception>
    public Roberta(RobertaConfig config, bool pooler = false, bool languageHead = false) : this(config, pooler, languageHead, initialize: true)
    {
    }

    internal Roberta(RobertaConfig config, bool withPooler, bool withLanguageHead, bool initialize) : base(nameof(Roberta))
    {
        Config = config.Checked();
        embeddings = new RobertaEmbeddings(config);
        encoder = new RobertaEncoder(config);
        pooler = withPooler ? new RobertaPooler(config) : null;
        languageHead = withLanguageHead ? new RobertaLanguageHead(config) : null;
        RegisterComponents();
        if (!initialize)
            return;
        embeddings.Initialize(config.InitializerRange);
        encoder.Initialize(config.InitializerRange);
        pooler?.Initialize(config.InitializerRange);
        languageHead?.Initialize(config.InitializerRange);
    }

    /// <summary>The shape.</summary>
    public RobertaConfig Config { get; }

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <inheritdoc/>
    public override int Layers => Config.Layers;

    /// <inheritdoc/>
    public override int VocabSize => Config.VocabSize;

    /// <inheritdoc/>
    public override int MaximumLength => Config.MaxLength;

    /// <inheritdoc/>
    public override JsonObject ConfigJson() => Config.ToJson();

    /// <summary>Loads a Hugging Face folder: config.json and weights.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="pooler">The checkpoint has a pooler, and it is wanted.</param>
    /// <param name="languageHead">The checkpoint has the masked language model's head, and it is wanted.</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or does not fit.</exception>
    public static Roberta Load(string folder, bool pooler = false, bool languageHead = false)
    {
        Roberta model = new(ConfigReader.ParseFile(Path.Combine(folder, "config.json"), RobertaConfig.From), pooler, languageHead, initialize: false);
        Checkpoint.LoadFolder(model, folder, model.CheckpointName);
        return model;
    }

    /// <summary>
    /// The name here of a tensor in a checkpoint: without the prefix <c>roberta.</c>, the tied output table as the
    /// token table; null for a head that this model was made without, and for the position numbers of old files.
    /// </summary>
    public override string? CheckpointName(string key)
    {
        key = key.StartsWith("roberta.", StringComparison.Ordinal) ? key["roberta.".Length..] : key;
        if (key == "embeddings.position_ids" || key == "embeddings.token_type_ids" || TaskHeads.Contain(key))
            return null;
        if (key.StartsWith("pooler.", StringComparison.Ordinal))
            return pooler is null ? null : key;
        if (!key.StartsWith("lm_head.", StringComparison.Ordinal))
            return key;
        return languageHead is null ? null : key switch
        {
            "lm_head.decoder.weight" => Config.TieWordEmbeddings ? "embeddings.word_embeddings.weight" : null,
            "lm_head.decoder.bias" => "lm_head.bias",
            _ => key,
        };
    }

    /// <inheritdoc/>
    public override Tensor Encode(Tensor inputIds, Tensor? attentionMask = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = embeddings.forward(inputIds);                                         // (N, L, d)
        Tensor? mask = attentionMask is null ? null : Attention.PaddingMask(attentionMask); // (N, 1, 1, L)
        return encoder.forward(x, mask).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor EncodeClassToken(Tensor inputIds, Tensor? attentionMask = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = embeddings.forward(inputIds);                                         // (N, L, d)
        Tensor? mask = attentionMask is null ? null : Attention.PaddingMask(attentionMask); // (N, 1, 1, L)
        return encoder.ClassToken(x, mask).MoveToOuterDisposeScope();
    }

    /// <summary>What goes into the first layer and what comes out of it, both (N, L, d): a checkpoint's proof looks at them.</summary>
    internal (Tensor Embedded, Tensor AfterFirst) FirstStates(Tensor inputIds, Tensor? attentionMask)
    {
        Tensor x = embeddings.forward(inputIds);                                         // (N, L, d)
        return (x, encoder.First.forward(x, attentionMask is null ? null : Attention.PaddingMask(attentionMask)));
    }

    /// <summary>tanh(dense(class token)).</summary>
    /// <param name="hidden">(N, L, d) from <see cref="Encode"/>.</param>
    /// <returns>(N, d)</returns>
    /// <exception cref="InvalidOperationException">The model was made without a pooler.</exception>
    public Tensor Pool(Tensor hidden)
    {
        using DisposeScope scope = NewDisposeScope();
        return (pooler ?? throw new InvalidOperationException("this RoBERTa was made without a pooler"))
            .forward(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>The masked language model's scores.</summary>
    /// <param name="hidden">(N, L, d) from <see cref="Encode"/>.</param>
    /// <returns>(N, L, vocab_size)</returns>
    /// <exception cref="InvalidOperationException">The model was made without the head, or it is not tied.</exception>
    public Tensor Logits(Tensor hidden)
    {
        if (languageHead is null || !Config.TieWordEmbeddings)
            throw new InvalidOperationException("no logits: this RoBERTa has no head tied to its token table");
        using DisposeScope scope = NewDisposeScope();
        return languageHead.forward(hidden, embeddings.TokenTable).MoveToOuterDisposeScope();
    }
}
