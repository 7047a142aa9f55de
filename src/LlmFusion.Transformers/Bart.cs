using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The shape of a BART, under Hugging Face's names; the defaults are BART Large.</summary>
public sealed record BartConfig
{
    /// <summary>Tokens in the vocabulary: vocab_size.</summary>
    public int VocabSize { get; init; } = 50265;
    /// <summary>The longest sequence: max_position_embeddings; the tables have two rows more.</summary>
    public int Positions { get; init; } = 1024;
    /// <summary>Width d of the hidden state: d_model.</summary>
    public int Width { get; init; } = 1024;
    /// <summary>encoder_layers.</summary>
    public int EncoderLayers { get; init; } = 12;
    /// <summary>encoder_attention_heads, a divisor of the width.</summary>
    public int EncoderHeads { get; init; } = 16;
    /// <summary>Width of the encoder's MLP: encoder_ffn_dim.</summary>
    public int EncoderInner { get; init; } = 4096;
    /// <summary>decoder_layers.</summary>
    public int DecoderLayers { get; init; } = 12;
    /// <summary>decoder_attention_heads, a divisor of the width.</summary>
    public int DecoderHeads { get; init; } = 16;
    /// <summary>Width of the decoder's MLP: decoder_ffn_dim.</summary>
    public int DecoderInner { get; init; } = 4096;
    /// <summary>activation_function, see <see cref="Activations.Of"/>.</summary>
    public string Activation { get; init; } = "gelu";
    /// <summary>Dropout after the embeddings and each layer's parts: dropout.</summary>
    public double Dropout { get; init; } = 0.1;
    /// <summary>Dropout of attention weights: attention_dropout.</summary>
    public double AttentionDropout { get; init; }
    /// <summary>Dropout inside the MLP: activation_dropout.</summary>
    public double ActivationDropout { get; init; }
    /// <summary>Chance that training skips a layer: the larger of encoder_layerdrop and decoder_layerdrop. Above 0 the model can be used, not trained.</summary>
    public double LayerDrop { get; init; }
    /// <summary>Token embeddings are multiplied by sqrt(d): scale_embedding.</summary>
    public bool ScaleEmbedding { get; init; }
    /// <summary>Standard deviation of new weights: init_std.</summary>
    public double InitializerRange { get; init; } = 0.02;
    /// <summary>The padding token: pad_token_id.</summary>
    public int PadToken { get; init; } = 1;
    /// <summary>The language model's head is the token table: tie_word_embeddings.</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="CheckpointException">A value is impossible, or asks for what is not implemented.</exception>
    public static BartConfig From(JsonElement json)
    {
        ConfigReader read = new(json, "bart");
        // Switches of BART's first versions; later files leave them out.
        read.Refuse("normalize_before", true);
        read.Refuse("add_final_layer_norm", true);
        read.Refuse("static_position_embeddings", true);
        read.Refuse("normalize_embedding", false);
        BartConfig standard = new();
        return new BartConfig
        {
            VocabSize = read.Int("vocab_size", standard.VocabSize),
            Positions = read.Int("max_position_embeddings", standard.Positions),
            Width = read.Int("d_model", standard.Width),
            EncoderLayers = read.Int("encoder_layers", standard.EncoderLayers),
            EncoderHeads = read.Int("encoder_attention_heads", standard.EncoderHeads),
            EncoderInner = read.Int("encoder_ffn_dim", standard.EncoderInner),
            DecoderLayers = read.Int("decoder_layers", standard.DecoderLayers),
            DecoderHeads = read.Int("decoder_attention_heads", standard.DecoderHeads),
            DecoderInner = read.Int("decoder_ffn_dim", standard.DecoderInner),
            Activation = read.Text("activation_function", standard.Activation),
            Dropout = read.Number("dropout", standard.Dropout),
            AttentionDropout = read.Number("attention_dropout", standard.AttentionDropout),
            ActivationDropout = read.Number("activation_dropout", standard.ActivationDropout),
            LayerDrop = Math.Max(read.Number("encoder_layerdrop", 0), read.Number("decoder_layerdrop", 0)),
            ScaleEmbedding = read.Flag("scale_embedding", standard.ScaleEmbedding),
            InitializerRange = read.Number("init_std", standard.InitializerRange),
            PadToken = read.Int("pad_token_id", standard.PadToken),
            TieWordEmbeddings = read.Flag("tie_word_embeddings", standard.TieWordEmbeddings),
        }.Checked();
    }

    /// <summary>Reads a config.json.</summary>
    /// <exception cref="CheckpointException">As <see cref="From(JsonElement)"/>, or it is not JSON.</exception>
    public static BartConfig From(Stream json) => ConfigReader.Parse(json, From);

    /// <summary>The config.json that Hugging Face reads as the same model.</summary>
    public JsonObject ToJson()
    {
        JsonObject json = new()
        {
            ["model_type"] = "bart",
            ["architectures"] = new JsonArray("BartModel"),
            ["is_encoder_decoder"] = true,
            ["vocab_size"] = VocabSize,
            ["max_position_embeddings"] = Positions,
            ["d_model"] = Width,
            ["encoder_layers"] = EncoderLayers,
            ["encoder_attention_heads"] = EncoderHeads,
            ["encoder_ffn_dim"] = EncoderInner,
            ["decoder_layers"] = DecoderLayers,
            ["decoder_attention_heads"] = DecoderHeads,
            ["decoder_ffn_dim"] = DecoderInner,
            ["activation_function"] = Activation,
            ["dropout"] = Dropout,
            ["attention_dropout"] = AttentionDropout,
            ["activation_dropout"] = ActivationDropout,
            ["scale_embedding"] = ScaleEmbedding,
            ["init_std"] = InitializerRange,
            ["pad_token_id"] = PadToken,
            ["tie_word_embeddings"] = TieWordEmbeddings,
        };
        // transformers takes a number with a decimal point alone here, and 0 where nothing is said.
        if (LayerDrop > 0) (json["encoder_layerdrop"], json["decoder_layerdrop"]) = (LayerDrop, LayerDrop);
        return json;
    }

    internal BartConfig Checked()
    {
        ConfigReader.Require(VocabSize > 0, "vocab_size", VocabSize, "at least 1");
        ConfigReader.Require(Positions > 0, "max_position_embeddings", Positions, "at least 1");
        ConfigReader.Require(EncoderLayers > 0, "encoder_layers", EncoderLayers, "at least 1");
        ConfigReader.Require(DecoderLayers > 0, "decoder_layers", DecoderLayers, "at least 1");
        ConfigReader.Require(EncoderHeads > 0, "encoder_attention_heads", EncoderHeads, "at least 1");
        ConfigReader.Require(DecoderHeads > 0, "decoder_attention_heads", DecoderHeads, "at least 1");
        ConfigReader.Require(Width > 0 && Width % EncoderHeads == 0 && Width % DecoderHeads == 0, "d_model", Width,
            $"a multiple of the heads, {EncoderHeads} in the encoder and {DecoderHeads} in the decoder");
        ConfigReader.Require(EncoderInner > 0, "encoder_ffn_dim", EncoderInner, "at least 1");
        ConfigReader.Require(DecoderInner > 0, "decoder_ffn_dim", DecoderInner, "at least 1");
        ConfigReader.Require(PadToken >= 0 && PadToken < VocabSize, "pad_token_id", PadToken, $"from 0 to below vocab_size = {VocabSize}");
        ConfigReader.Require(Dropout is >= 0 and < 1, "dropout", Dropout, "from 0 to below 1");
        ConfigReader.Require(AttentionDropout is >= 0 and < 1, "attention_dropout", AttentionDropout, "from 0 to below 1");
        ConfigReader.Require(ActivationDropout is >= 0 and < 1, "activation_dropout", ActivationDropout, "from 0 to below 1");
        ConfigReader.Require(LayerDrop is >= 0 and < 1, "encoder_layerdrop", LayerDrop, "from 0 to below 1");
        ConfigReader.Require(InitializerRange > 0, "init_std", InitializerRange, "above 0");
        Activations.Of(Activation);
        return this;
    }
}

/// <summary>Attention of one sequence to another, or to itself.</summary>
internal sealed class BartAttention : nn.Module
{
    [ComponentName(Name = "q_proj")]
    private readonly Linear query;
    [ComponentName(Name = "k_proj")]
    private readonly Linear key;
    [ComponentName(Name = "v_proj")]
    private readonly Linear value;
    [ComponentName(Name = "out_proj")]
    private readonly Linear output;
    private readonly int heads;
    private readonly double dropout;

    public BartAttention(BartConfig config, int heads) : base(nameof(BartAttention))
    {
        this.heads = heads;
        dropout = config.AttentionDropout;
        query = new Linear(config.Width, config.Width);
        key = new Linear(config.Width, config.Width);
        value = new Linear(config.Width, config.Width);
        output = new Linear(config.Width, config.Width);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        foreach (Linear linear in new[] { query, key, value, output })
            Initialization.Normal(linear.weight, std);
    }

    /// <param name="x">(N, L, d), asks.</param>
    /// <param name="seen">(N, S, d), is asked.</param>
    /// <param name="mask">Null, or what broadcasts to (N, 1, L, S).</param>
    /// <param name="causal">No position sees those after it.</param>
    public Tensor Forward(Tensor x, Tensor seen, Tensor? mask, bool causal = false) =>
        output.forward(Attention.MultiHead(Attention.Heads(query.forward(x), heads), Attention.Heads(key.forward(seen), heads),
            Attention.Heads(value.forward(seen), heads), mask, causal, training ? dropout : 0)); // (N, L, d)
}

/// <summary>Learned positions; the first two rows of the table are not used.</summary>
internal sealed class BartPositions : nn.Module
{
    private const int Offset = 2;

    [ComponentName(Name = "weight")]
    private readonly Parameter table;

    public BartPositions(BartConfig config) : base(nameof(BartPositions))
    {
        table = Initialization.Empty(config.Positions + Offset, config.Width);
        RegisterComponents();
    }

    public void Initialize(double std) => Initialization.Normal(table, std);

    /// <summary>(L, d): a view, so that its gradient is a sum over the batch and no scatter.</summary>
    public Tensor First(long length) => length <= table.shape[0] - Offset
        ? table.narrow(0, Offset, length)
        : throw new ArgumentException($"BART: {length} tokens, its position table has room for {table.shape[0] - Offset}");
}

/// <summary>Self-attention, then the MLP, each normalized after its residual connection.</summary>
internal sealed class BartEncoderLayer : nn.Module<Tensor, Tensor?, Tensor>
{
    [ComponentName(Name = "self_attn")]
    private readonly BartAttention attention;
    [ComponentName(Name = "self_attn_layer_norm")]
    private readonly LayerNorm attentionNorm;
    [ComponentName(Name = "fc1")]
    private readonly Linear expand;
    [ComponentName(Name = "fc2")]
    private readonly Linear contract;
    [ComponentName(Name = "final_layer_norm")]
    private readonly LayerNorm finalNorm;
    private readonly Func<Tensor, Tensor> activation;
    private readonly BartConfig config;

    public BartEncoderLayer(BartConfig config) : base(nameof(BartEncoderLayer))
    {
        this.config = config;
        activation = Activations.Of(config.Activation);
        attention = new BartAttention(config, config.EncoderHeads);
        attentionNorm = nn.LayerNorm(config.Width);
        expand = new Linear(config.Width, config.EncoderInner);
        contract = new Linear(config.EncoderInner, config.Width);
        finalNorm = nn.LayerNorm(config.Width);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        attention.Initialize(std);
        Initialization.Normal(expand.weight, std);
        Initialization.Normal(contract.weight, std);
    }

    public override Tensor forward(Tensor x, Tensor? mask)                               // (N, L, d); null or (N, 1, 1, L)
    {
        x = attentionNorm.forward(x + Dropout.Of(attention.Forward(x, x, mask), config.Dropout, training));
        Tensor inner = Dropout.Of(activation(expand.forward(x)), config.ActivationDropout, training);
        return finalNorm.forward(x + Dropout.Of(contract.forward(inner), config.Dropout, training));
    }
}

/// <summary>
/// BART's encoder (Lewis et al. 2020) with Hugging Face's tensor names and results. Alone it has its own token table
/// (<c>embed_tokens</c>); inside a <see cref="Bart"/> it uses the shared one.
/// </summary>
public sealed class BartEncoder : Transformer
{
    [ComponentName(Name = "embed_tokens")]
    private readonly Embedding? tokens;
    [ComponentName(Name = "embed_positions")]
    private readonly BartPositions positions;
    [ComponentName(Name = "layernorm_embedding")]
    private readonly LayerNorm embeddingNorm;
    [ComponentName(Name = "layers")]
    private readonly ModuleList<BartEncoderLayer> layers;

    /// <summary>A new encoder: weights from N(0, init_std^2), biases zero; from torch's generator.</summary>
    /// <param name="config">The shape; what it says of the decoder is not used.</param>
    /// <exception cref="CheckpointException">The config is impossible.</exception>
    public BartEncoder(BartConfig config) : this(config, ownTokens: true, initialize: true)
    {
    }

    internal BartEncoder(BartConfig config, bool ownTokens, bool initialize) : base(nameof(BartEncoder))
    {
        Config = config.Checked();
        tokens = ownTokens ? Initialization.EmptyEmbedding(config.VocabSize, config.Width) : null;
        positions = new BartPositions(config);
        embeddingNorm = nn.LayerNorm(config.Width);
        layers = new ModuleList<BartEncoderLayer>([.. Enumerable.Range(0, config.EncoderLayers).Select(_ => new BartEncoderLayer(config))]);
        RegisterComponents();
        if (initialize)
            Initialize(config.InitializerRange);
    }

    /// <summary>The shape.</summary>
    public BartConfig Config { get; }

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <inheritdoc/>
    public override int Layers => Config.EncoderLayers;

    /// <inheritdoc/>
    public override int VocabSize => Config.VocabSize;

    /// <inheritdoc/>
    public override int MaximumLength => Config.Positions;

    /// <inheritdoc/>
    public override JsonObject ConfigJson() => Config.ToJson();

    /// <summary>Loads the encoder of a Hugging Face folder: config.json and weights. The decoder is not read.</summary>
    /// <exception cref="CheckpointException">A file is missing, damaged, or does not fit.</exception>
    public static BartEncoder Load(string folder)
    {
        BartEncoder encoder = new(ConfigReader.ParseFile(Path.Combine(folder, "config.json"), BartConfig.From), ownTokens: true, initialize: false);
        Checkpoint.LoadFolder(encoder, folder, encoder.CheckpointName);
        return encoder;
    }

    /// <summary>
    /// The name here of a tensor in a whole BART's checkpoint: without <c>model.</c> and <c>encoder.</c>, the shared
    /// token table as its own; null for the decoder and the head.
    /// </summary>
    public override string? CheckpointName(string key)
    {
        key = key.StartsWith("model.", StringComparison.Ordinal) ? key["model.".Length..] : key;
        if (key == "shared.weight")
            return "embed_tokens.weight";
        // The first fairseq conversions had a version in each half.
        if (key.StartsWith("decoder.", StringComparison.Ordinal) || key is "final_logits_bias" or "lm_head.weight" or "encoder.version" || TaskHeads.Contain(key))
            return null;
        return key.StartsWith("encoder.", StringComparison.Ordinal) ? key["encoder.".Length..] : key;
    }

    /// <inheritdoc/>
    public override Tensor Encode(Tensor inputIds, Tensor? attentionMask = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return Forward(inputIds, attentionMask, tokens!).MoveToOuterDisposeScope();
    }

    /// <summary>norm(tokens + positions), before the first layer.</summary>
    internal Tensor Embed(Tensor inputIds, Embedding table)
    {
        if (training && Config.LayerDrop > 0)
            throw new NotSupportedException($"BART: training with encoder_layerdrop or decoder_layerdrop = {Config.LayerDrop} is not implemented");
        Tensor x = table.forward(inputIds);                                              // (N, L, d)
        if (Config.ScaleEmbedding)
            x = x * Math.Sqrt(Config.Width);
        return Dropout.Of(embeddingNorm.forward(x + positions.First(inputIds.shape[1])), Config.Dropout, training);
    }

    internal Tensor Forward(Tensor inputIds, Tensor? attentionMask, Embedding table)
    {
        Tensor x = Embed(inputIds, table);                                               // (N, L, d)
        Tensor? mask = attentionMask is null ? null : Attention.PaddingMask(attentionMask); // (N, 1, 1, L)
        foreach (BartEncoderLayer layer in layers)
            x = layer.forward(x, mask);
        return x;
    }

    internal void Initialize(double std)
    {
        if (tokens is not null)
            Initialization.Normal(tokens, std, Config.PadToken);
        positions.Initialize(std);
        foreach (BartEncoderLayer layer in layers)
            layer.Initialize(std);
    }
}

/// <summary>Causal self-attention, attention to the encoder, then the MLP, each normalized after its residual connection.</summary>
internal sealed class BartDecoderLayer : nn.Module
{
    [ComponentName(Name = "self_attn")]
    private readonly BartAttention attention;
    [ComponentName(Name = "self_attn_layer_norm")]
    private readonly LayerNorm attentionNorm;
    [ComponentName(Name = "encoder_attn")]
    private readonly BartAttention crossAttention;
    [ComponentName(Name = "encoder_attn_layer_norm")]
    private readonly LayerNorm crossAttentionNorm;
    [ComponentName(Name = "fc1")]
    private readonly Linear expand;
    [ComponentName(Name = "fc2")]
    private readonly Linear contract;
    [ComponentName(Name = "final_layer_norm")]
    private readonly LayerNorm finalNorm;
    private readonly Func<Tensor, Tensor> activation;
    private readonly BartConfig config;

    public BartDecoderLayer(BartConfig config) : base(nameof(BartDecoderLayer))
    {
        this.config = config;
        activation = Activations.Of(config.Activation);
        attention = new BartAttention(config, config.DecoderHeads);
        attentionNorm = nn.LayerNorm(config.Width);
        crossAttention = new BartAttention(config, config.DecoderHeads);
        crossAttentionNorm = nn.LayerNorm(config.Width);
        expand = new Linear(config.Width, config.DecoderInner);
        contract = new Linear(config.DecoderInner, config.Width);
        finalNorm = nn.LayerNorm(config.Width);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        attention.Initialize(std);
        crossAttention.Initialize(std);
        Initialization.Normal(expand.weight, std);
        Initialization.Normal(contract.weight, std);
    }

    /// <param name="x">(N, L, d)</param>
    /// <param name="encoded">(N, S, d)</param>
    /// <param name="encodedMask">Null or (N, 1, 1, S).</param>
    public Tensor Forward(Tensor x, Tensor encoded, Tensor? encodedMask)
    {
        x = attentionNorm.forward(x + Dropout.Of(attention.Forward(x, x, null, causal: true), config.Dropout, training));
        x = crossAttentionNorm.forward(x + Dropout.Of(crossAttention.Forward(x, encoded, encodedMask), config.Dropout, training));
        Tensor inner = Dropout.Of(activation(expand.forward(x)), config.ActivationDropout, training);
        return finalNorm.forward(x + Dropout.Of(contract.forward(inner), config.Dropout, training));
    }
}

/// <summary>BART's decoder, over the shared token table.</summary>
internal sealed class BartDecoder : nn.Module
{
    [ComponentName(Name = "embed_positions")]
    private readonly BartPositions positions;
    [ComponentName(Name = "layernorm_embedding")]
    private readonly LayerNorm embeddingNorm;
    [ComponentName(Name = "layers")]
    private readonly ModuleList<BartDecoderLayer> layers;
    private readonly BartConfig config;

    public BartDecoder(BartConfig config) : base(nameof(BartDecoder))
    {
        this.config = config;
        positions = new BartPositions(config);
        embeddingNorm = nn.LayerNorm(config.Width);
        layers = new ModuleList<BartDecoderLayer>([.. Enumerable.Range(0, config.DecoderLayers).Select(_ => new BartDecoderLayer(config))]);
        RegisterComponents();
    }

    public void Initialize(double std)
    {
        positions.Initialize(std);
        foreach (BartDecoderLayer layer in layers)
            layer.Initialize(std);
    }

    public Tensor Forward(Tensor inputIds, Tensor encoded, Tensor? encodedMask, Embedding table)
    {
        Tensor x = table.forward(inputIds);                                              // (N, L, d)
        if (config.ScaleEmbedding)
            x = x * Math.Sqrt(config.Width);
        x = Dropout.Of(embeddingNorm.forward(x + positions.First(inputIds.shape[1])), config.Dropout, training);
        foreach (BartDecoderLayer layer in layers)
            x = layer.Forward(x, encoded, encodedMask);
        return x;
    }
}

/// <summary>BART (Lewis et al. 2020) with Hugging Face's tensor names and results: encoder and decoder over one token table.</summary>
public sealed class Bart : nn.Module
{
    [ComponentName(Name = "shared")]
    private readonly Embedding tokens;
    [ComponentName(Name = "encoder")]
    private readonly BartEncoder encoder;
    [ComponentName(Name = "decoder")]
    private readonly BartDecoder decoder;
    [ComponentName(Name = "final_logits_bias")]
    private readonly Tensor? logitsBias;

    /// <summary>A new model: weights from N(0, init_std^2), biases zero; from torch's generator.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="languageHead">With the constant bias of the language model's head, which <see cref="Logits"/> needs.</param>
    /// <exception cref="CheckpointException">The config is impossible.</exception>
    public Bart(BartConfig config, bool languageHead = false) : this(config, languageHead, initialize: true)
    {
    }

    private Bart(BartConfig config, bool languageHead, bool initialize) : base(nameof(Bart))
    {
        Config = config.Checked();
        tokens = Initialization.EmptyEmbedding(config.VocabSize, config.Width);
        encoder = new BartEncoder(config, ownTokens: false, initialize: false);
        decoder = new BartDecoder(config);
        logitsBias = languageHead ? zeros(1, config.VocabSize).DetachFromDisposeScope() : null;
        RegisterComponents();
        if (!initialize)
            return;
        Initialization.Normal(tokens, config.InitializerRange, config.PadToken);
        encoder.Initialize(config.InitializerRange);
        decoder.Initialize(config.InitializerRange);
    }

    /// <summary>The shape.</summary>
    public BartConfig Config { get; }

    /// <summary>Loads a Hugging Face folder: config.json and weights.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="languageHead">The checkpoint is a language model's, and its head is wanted.</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or does not fit.</exception>
    public static Bart Load(string folder, bool languageHead = false)
    {
        Bart model = new(ConfigReader.ParseFile(Path.Combine(folder, "config.json"), BartConfig.From), languageHead, initialize: false);
        Checkpoint.LoadFolder(model, folder, model.CheckpointName);
        return model;
    }

    /// <summary>
    /// The name here of a tensor in a checkpoint: without the prefix <c>model.</c>, every tied table as the shared
    /// one; null for a head that this model was made without.
    /// </summary>
    public string? CheckpointName(string key)
    {
        key = key.StartsWith("model.", StringComparison.Ordinal) ? key["model.".Length..] : key;
        return key switch
        {
            "encoder.embed_tokens.weight" or "decoder.embed_tokens.weight" => "shared.weight",
            "lm_head.weight" => Config.TieWordEmbeddings ? "shared.weight" : null,
            "final_logits_bias" => logitsBias is null ? null : key,
            "encoder.version" or "decoder.version" => null,
            _ => key,
        };
    }

    /// <summary>The encoder's last hidden state; as <see cref="BartEncoder.Encode"/>.</summary>
    /// <param name="inputIds">(N, L) token ids.</param>
    /// <param name="attentionMask">(N, L): 1 or true is a token, 0 or false padding; null: all are tokens.</param>
    /// <returns>(N, L, d)</returns>
    public Tensor Encode(Tensor inputIds, Tensor? attentionMask = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return encoder.Forward(inputIds, attentionMask, tokens).MoveToOuterDisposeScope();
    }

    /// <summary>The decoder's last hidden state.</summary>
    /// <param name="decoderInputIds">(N, T) token ids, each position seeing itself and those before it.</param>
    /// <param name="encoded">(N, L, d) from <see cref="Encode"/>.</param>
    /// <param name="attentionMask">(N, L), the encoder's.</param>
    /// <returns>(N, T, d)</returns>
    public Tensor Decode(Tensor decoderInputIds, Tensor encoded, Tensor? attentionMask = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? mask = attentionMask is null ? null : Attention.PaddingMask(attentionMask); // (N, 1, 1, L)
        return decoder.Forward(decoderInputIds, encoded, mask, tokens).MoveToOuterDisposeScope();
    }

    /// <summary>The language model's scores: hidden shared^T + final_logits_bias.</summary>
    /// <param name="hidden">(N, T, d) from <see cref="Decode"/>.</param>
    /// <returns>(N, T, vocab_size)</returns>
    /// <exception cref="InvalidOperationException">The model was made without the head, or it is not tied.</exception>
    public Tensor Logits(Tensor hidden) => logitsBias is not null && Config.TieWordEmbeddings
        ? nn.functional.linear(hidden, tokens.weight!, logitsBias.squeeze(0))
        : throw new InvalidOperationException("no logits: this BART has no head tied to its token table");

    internal Tensor EmbedForEncoder(Tensor inputIds) => encoder.Embed(inputIds, tokens);
}
