using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The shape of a <see cref="MeanMlp"/>.</summary>
public sealed record MeanMlpConfig
{
    /// <summary>model_type in config.json.</summary>
    public const string ModelType = "mean_mlp";

    /// <summary>Width d.</summary>
    public int Width { get; init; } = 768;
    /// <summary>Layers.</summary>
    public int Layers { get; init; } = 12;
    /// <summary>Width inside a layer; six times the width gives a layer the weights of a GPT-2's.</summary>
    public int Inner { get; init; } = 6 * 768;
    /// <summary>Dropout after each layer.</summary>
    public double Dropout { get; init; } = 0.1;
    /// <summary>Number of tokens L that are concatenated in the place of their mean, each at its position; 0: the mean.</summary>
    public int Concatenated { get; init; }

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="CheckpointException">It is another model's, or a value is impossible.</exception>
    public static MeanMlpConfig From(JsonElement json)
    {
        ConfigReader read = new(json, ModelType);
        return new MeanMlpConfig
        {
            Width = read.NeededInt("n_embd"),
            Layers = read.NeededInt("n_layer"),
            Inner = read.NeededInt("n_inner"),
            Dropout = read.Number("resid_pdrop", 0),
            Concatenated = read.Int("n_concatenated", 0),
        }.Checked();
    }

    /// <summary>The config.json that <see cref="From"/> reads.</summary>
    public JsonObject ToJson() => new()
    {
        ["model_type"] = ModelType,
        ["n_embd"] = Width,
        ["n_layer"] = Layers,
        ["n_inner"] = Inner,
        ["resid_pdrop"] = Dropout,
        ["n_concatenated"] = Concatenated,
    };

    internal MeanMlpConfig Checked()
    {
        ConfigReader.Require(Width > 0, "n_embd", Width, "at least 1");
        ConfigReader.Require(Layers > 0, "n_layer", Layers, "at least 1");
        ConfigReader.Require(Inner > 0, "n_inner", Inner, "at least 1");
        ConfigReader.Require(Concatenated is >= 0 and <= 1024, "n_concatenated", Concatenated, "0 to 1024");
        ConfigReader.Require(Dropout is >= 0 and < 1, "resid_pdrop", Dropout, "from 0 to below 1");
        return this;
    }
}

/// <summary>x + W_2 GELU(W_1 norm(x)).</summary>
internal sealed class MeanMlpBlock : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "ln")]
    private readonly LayerNorm norm;
    [ComponentName(Name = "c_fc")]
    private readonly Conv1D expand;
    [ComponentName(Name = "c_proj")]
    private readonly Conv1D contract;
    private readonly Func<Tensor, Tensor> activation = Activations.Of("gelu_new");
    private readonly double dropout;

    public MeanMlpBlock(MeanMlpConfig config) : base(nameof(MeanMlpBlock))
    {
        dropout = config.Dropout;
        norm = nn.LayerNorm(config.Width);
        expand = new Conv1D(config.Width, config.Inner);
        contract = new Conv1D(config.Inner, config.Width);
        RegisterComponents();
    }

    public void Initialize(double std, double residualStd)
    {
        Initialization.Normal(expand.weight, std);
        Initialization.Normal(contract.weight, residualStd);
    }

    public override Tensor forward(Tensor x) =>
        x + Dropout.Of(contract.forward(activation(expand.forward(norm.forward(x)))), dropout, training); // (N, d)
}

/// <summary>
/// What a fusing language model is measured against: the mean over the tokens, through an MLP with as many weights. It stands in the
/// language model's place, and gives every token the same state.
/// <code>
/// f = mean over the tokens that are there        f = f + W_2 GELU(W_1 norm(f)) in each layer
/// f = W_0 [t_1 .. t_L]                           or, by option, of their concatenation, zeros for those that are not there
/// </code>
/// </summary>
public sealed class MeanMlp : LanguageModel
{
    private const double InitializerRange = 0.02; // GPT-2's

    [ComponentName(Name = "h")]
    private readonly ModuleList<MeanMlpBlock> blocks;
    [ComponentName(Name = "ln_f")]
    private readonly LayerNorm finalNorm;
    [ComponentName(Name = "c_in")]
    private readonly Conv1D? join;

    /// <summary>A new model, its weights as a GPT-2's begin; from torch's generator.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="initialize">False where weights are loaded next.</param>
    /// <exception cref="CheckpointException">The config is impossible.</exception>
    public MeanMlp(MeanMlpConfig config, bool initialize = true) : base(nameof(MeanMlp))
    {
        Config = config.Checked();
        blocks = new ModuleList<MeanMlpBlock>([.. Enumerable.Range(0, config.Layers).Select(_ => new MeanMlpBlock(config))]);
        finalNorm = nn.LayerNorm(config.Width);
        if (config.Concatenated > 0) join = new Conv1D((long)config.Concatenated * config.Width, config.Width);
        RegisterComponents();
        if (!initialize) return;
        if (join is not null) Initialization.Normal(join.weight, 1 / Math.Sqrt((double)config.Concatenated * config.Width));
        foreach (MeanMlpBlock block in blocks) block.Initialize(InitializerRange, InitializerRange / Math.Sqrt(2 * config.Layers));
    }

    /// <summary>The shape.</summary>
    public MeanMlpConfig Config { get; }

    /// <inheritdoc/>
    public override int Width => Config.Width;

    /// <inheritdoc/>
    public override int Layers => Config.Layers;

    /// <summary>1: it reads no tokens.</summary>
    public override int VocabSize => 1;

    /// <summary>Any where it takes the mean, which has no positions; else as many as it concatenates.</summary>
    public override int MaximumLength => Config.Concatenated > 0 ? Config.Concatenated : int.MaxValue;

    /// <inheritdoc/>
    public override bool HasTokenEmbedding => false;

    /// <summary>No: a row is one sequence, whose mean is taken.</summary>
    public override bool TakesSharedRows => false;

    /// <inheritdoc/>
    public override IReadOnlyList<string> AdapterTargets => ["c_fc"];

    /// <inheritdoc/>
    public override IReadOnlyList<nn.Module> Blocks => [.. blocks];

    /// <inheritdoc/>
    public override JsonObject ConfigJson() => Config.ToJson();

    /// <inheritdoc/>
    public override string? CheckpointName(string key) => key;

    /// <summary>The fused state at every position; positions matter where tokens are concatenated, and must be the same for all rows.</summary>
    /// <inheritdoc/>
    public override Tensor Forward(Tensor? inputIds, Tensor? inputsEmbeds = null, Tensor? attentionMask = null, Tensor? positionIds = null, bool addPositions = true)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = Inputs(inputIds, inputsEmbeds, table: null);                     // (N, L, d)
        Tensor x = join is null ? Pooling.MaskedMean(tokens, attentionMask) : join.forward(Concatenation(tokens, attentionMask, positionIds)); // (N, d)
        foreach (MeanMlpBlock block in blocks) x = Through(block, (input, _) => block.forward(input), x);
        return finalNorm.forward(x).unsqueeze(1).expand(tokens.shape).MoveToOuterDisposeScope();
    }

    /// <summary>Each token at its place, zeros for those that are not there: (N, L d).</summary>
    private Tensor Concatenation(Tensor tokens, Tensor? mask, Tensor? positions)
    {
        if (mask is not null) tokens = tokens * mask.unsqueeze(2);                       // (N, L', d)
        if (positions is null && tokens.shape[1] != Config.Concatenated)
            throw new ArgumentException($"concatenation: got {tokens.shape[1]} tokens without positions, expected {Config.Concatenated}");
        if (positions is not null)
            tokens = zeros(tokens.shape[0], Config.Concatenated, Config.Width, device: tokens.device).index_copy(1, positions[0], tokens);
        return tokens.flatten(1);
    }

    /// <inheritdoc/>
    public override Tensor Logits(Tensor hidden) => throw new InvalidOperationException("no logits: a mean with an MLP knows no tokens");

    internal override (Tensor Embedded, Tensor AfterFirst) FirstStates(Tensor inputIds, Tensor? attentionMask)
    {
        Tensor x = Inputs(inputIds, null, table: null);
        return (x, x);
    }
}
