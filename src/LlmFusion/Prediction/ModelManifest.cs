using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LlmFusion.Boosting;
using LlmFusion.Embedding;
using LlmFusion.Evaluation;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;

namespace LlmFusion.Prediction;

/// <summary><c>llmfusion.json</c>: everything about a trained model but its weights.</summary>
public sealed record ModelManifest
{
    /// <summary>The newest layout that this program reads.</summary>
    public const int CurrentFormat = 5;

    /// <summary>The oldest layout that it writes, where the folder has nothing that needs a newer one.</summary>
    public const int FirstFormat = 2;

    /// <summary>Layout of the folder.</summary>
    public required int FormatVersion { get; init; }

    /// <summary>Version of the program that wrote it.</summary>
    public required string ProgramVersion { get; init; }

    /// <summary>The modalities in stack order.</summary>
    public required IReadOnlyList<ModalityEntry> Modalities { get; init; }

    /// <summary>Which spelling the sequence modalities read.</summary>
    public required SmilesForm SmilesForm { get; init; }

    /// <summary>Longest token sequence of the encoders that are trained along.</summary>
    public required int MaximumTokens { get; init; }

    /// <summary>The fusing language model's config.json; null in a baseline.</summary>
    public JsonObject? Backbone { get; init; }

    /// <summary>The pretrained model that the language model began as; null for a new one.</summary>
    public BackboneSource? BackboneSource { get; init; }

    /// <summary>The trained model that the run began from; null where it began anew.</summary>
    public InitialEntry? Initial { get; init; }

    /// <summary>The language model's low-rank adapters, where they are saved beside its weights.</summary>
    public AdapterEntry? Adapter { get; init; }

    /// <summary>Set where no network predicts but a baseline.</summary>
    public BaselineEntry? Baseline { get; init; }

    /// <summary>Which positional encodings are added.</summary>
    public required PositionMode Positions { get; init; }

    /// <summary>How the modality encodings are made.</summary>
    public required ModalityEncoding ModalityEncoding { get; init; }

    /// <summary>What the language model reads of the graph, where that is one of the modalities.</summary>
    public GraphTokens GraphTokens { get; init; }

    /// <summary>The targets that are sums over the atoms of molecules with a graph.</summary>
    public IReadOnlyList<string> AtomContributions { get; init; } = [];

    /// <summary>sha256 of <c>model.safetensors</c>; of a baseline over the hashes of its trees.</summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>The properties predicted.</summary>
    public required IReadOnlyList<TargetEntry> Targets { get; init; }

    /// <summary>What the model was trained on.</summary>
    public required DataEntry Data { get; init; }

    /// <summary>How it was trained.</summary>
    public required TrainingEntry Training { get; init; }

    /// <summary>What it was trained with; null in folders of earlier versions.</summary>
    public RunEnvironment? Environment { get; init; }

    /// <summary>Metrics beside the baselines, per split and target.</summary>
    public required Comparison Metrics { get; init; }

    /// <summary>What made it a model to hand on: float16 weights, intervals, domains; null for a model as it was trained.</summary>
    public ReleaseEntry? Release { get; init; }

    /// <summary>The layout that a program must know to read this manifest rightly: 5 with sums over atoms, 4 with float16 weights, graphs or trees, 3 with adapters, trained pretrained encoders, or logarithms.</summary>
    internal int FormatNeeded() => AtomContributions.Count > 0 ? 5
        : Release is not null || Baseline is not null || Modalities.Any(m => m.Modality() == Modality.Graph) ? 4
        : Adapter is not null || Modalities.Any(m => m.Tuned is not null) || Targets.Any(t => t.Scaling == ScalingKind.Log) ? 3 : FirstFormat;

    internal static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // a file, not a web page: + and Å stay readable
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };
}

/// <summary>What predicts in the place of a network.</summary>
/// <param name="Kind">xgboost.</param>
/// <param name="Version">Version of the library that grew the trees.</param>
/// <param name="Targets">The trees of each target, in the order of the manifest's targets.</param>
public sealed record BaselineEntry(string Kind, string Version, IReadOnlyList<BoostedTarget> Targets);

/// <summary>The trees of a target.</summary>
/// <param name="File">XGBoost's JSON, relative to the model folder.</param>
/// <param name="Sha256">Its hash.</param>
/// <param name="Trees">How many of them predict.</param>
/// <param name="Settings">How they were grown.</param>
/// <param name="Trial">The trial of the search that was best on validation.</param>
public sealed record BoostedTarget(string File, string Sha256, int Trees, BoosterSettings Settings, int Trial);

/// <summary>One modality and its encoder.</summary>
public sealed record ModalityEntry
{
    /// <summary>smiles, selfies, text, fingerprint, or as the user named it.</summary>
    public required string Name { get; init; }

    /// <summary>Folder of the encoder, relative to the model's; null where it has none, or is on the model hub.</summary>
    public string? Encoder { get; init; }

    /// <summary>sha256 of the encoder's weights.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Set where the encoder was frozen.</summary>
    public FrozenEntry? Frozen { get; init; }

    /// <summary>Set where the encoder was pretrained and then trained along; its folder is the model's own.</summary>
    public TunedEntry? Tuned { get; init; }

    /// <summary>Radius, size and kind of the fingerprint.</summary>
    public FingerprintOptions? Fingerprint { get; init; }

    /// <summary>The data file's columns that it is made of.</summary>
    public IReadOnlyList<ColumnEntry>? Columns { get; init; }

    /// <summary>Names of the components of the vectors from a file.</summary>
    public IReadOnlyList<string>? Vectors { get; init; }

    /// <summary>The modality.</summary>
    /// <exception cref="ArgumentException">The name does not fit what it is made of.</exception>
    internal Modality Modality() => Columns is not null ? Modalities.Modality.Named(Name, ModalityKind.Columns)
        : Vectors is not null ? Modalities.Modality.Named(Name, ModalityKind.Vectors)
        : Modalities.Modality.Parse(Name);
}

/// <summary>A frozen encoder.</summary>
/// <param name="Model">As the user named it.</param>
/// <param name="Id">Its repository on the model hub; null where its files are in the model folder.</param>
/// <param name="Commit">The repository's commit.</param>
/// <param name="Pooling">How a sequence becomes one vector.</param>
/// <param name="MaximumTokens">Longest sequence.</param>
/// <param name="SubstituteVocabulary">Whether the vocabulary is of the training split, and not the checkpoint's.</param>
/// <param name="FilesSha256">sha256 over config.json and the tokenizer's files.</param>
public sealed record FrozenEntry(string Model, string? Id, string? Commit, PoolingKind Pooling, int MaximumTokens, bool SubstituteVocabulary, string FilesSha256);

/// <summary>A pretrained encoder that was trained along.</summary>
/// <param name="Model">What it began as, as the user named it.</param>
/// <param name="Id">That one's repository on the model hub; null for a folder.</param>
/// <param name="Commit">The repository's commit.</param>
/// <param name="Pooling">How a sequence becomes one vector.</param>
/// <param name="MaximumTokens">Longest sequence.</param>
/// <param name="SubstituteVocabulary">Whether the vocabulary is of the training split, and not the checkpoint's.</param>
public sealed record TunedEntry(string Model, string? Id, string? Commit, PoolingKind Pooling, int MaximumTokens, bool SubstituteVocabulary)
{
    /// <summary>The entry of an encoder that began as this one.</summary>
    internal static TunedEntry Of(FrozenEncoder origin) => new(origin.Name, origin.Folder?.Id, origin.Folder?.Commit, origin.Pooling, origin.MaximumTokens, origin.Substitute is not null);
}

/// <summary>Low-rank adapters in PEFT's layout.</summary>
/// <param name="Folder">Their folder, relative to the model's.</param>
/// <param name="Sha256">sha256 of their weights.</param>
/// <param name="ConfigSha256">sha256 of their configuration.</param>
public sealed record AdapterEntry(string Folder, string Sha256, string ConfigSha256);

/// <summary>A numeric column.</summary>
/// <param name="Name">Its name in the data file.</param>
/// <param name="Mean">Mean of the training split, subtracted.</param>
/// <param name="Deviation">Standard deviation of the training split, divided by.</param>
public sealed record ColumnEntry(string Name, double Mean, double Deviation);

/// <summary>The pretrained model that the fusing language model began as.</summary>
/// <param name="Model">As the user named it.</param>
/// <param name="Id">Its repository on the model hub; null for a folder.</param>
/// <param name="Commit">The repository's commit.</param>
/// <param name="Sha256">sha256 of the pretrained weights.</param>
public sealed record BackboneSource(string Model, string? Id, string? Commit, string Sha256);

/// <summary>The trained model that a run began from.</summary>
/// <param name="Name">Name of its folder.</param>
/// <param name="WeightsSha256">sha256 of its fusion model's weights.</param>
public sealed record InitialEntry(string Name, string WeightsSha256);

/// <summary>One property.</summary>
/// <param name="Name">Column.</param>
/// <param name="Unit">Unit of values and metrics; empty where it has none.</param>
/// <param name="Mean">Mean of the training split, subtracted before training; of the logarithms, where they are taken.</param>
/// <param name="Deviation">Standard deviation of the training split, divided by before training; likewise.</param>
/// <param name="Scaling">How values became what the network learns.</param>
public sealed record TargetEntry(string Name, string Unit, double Mean, double Deviation, ScalingKind Scaling = ScalingKind.Standard)
{
    /// <summary>How the network's output becomes a value in the unit, for who reads the file.</summary>
    public string Inverse => Scaling == ScalingKind.Log ? "exp(output * deviation + mean)" : "output * deviation + mean";
}

/// <summary>What the model was trained on.</summary>
/// <param name="Name">Data set or file, and split.</param>
/// <param name="SplitSha256">Hash of ids, SMILES and parts.</param>
/// <param name="Train">Training rows.</param>
/// <param name="Valid">Validation rows.</param>
/// <param name="Test">Test rows.</param>
public sealed record DataEntry(string Name, string SplitSha256, int Train, int Valid, int Test)
{
    /// <summary>Hash of the split, of what encoders read and of the targets: equal hashes train the same; null in folders of earlier versions.</summary>
    public string? Sha256 { get; init; }
}

/// <summary>How the model was trained.</summary>
/// <param name="Seed">Seed of weights, order and dropout.</param>
/// <param name="BestEpoch">Epoch whose weights these are.</param>
/// <param name="Epochs">Epochs run.</param>
/// <param name="ValidLoss">Validation loss of the best epoch, in scaled units.</param>
/// <param name="Seconds">Training time, validation included.</param>
/// <param name="Parameters">Trained parameters.</param>
/// <param name="Tune">What of the fusion model was trained.</param>
public sealed record TrainingEntry(int Seed, int BestEpoch, int Epochs, double ValidLoss, double Seconds, long Parameters, TuneMode Tune = TuneMode.Full);
