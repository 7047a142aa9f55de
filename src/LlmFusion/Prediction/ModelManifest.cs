using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LlmFusion.Evaluation;
using LlmFusion.Fusion;
using LlmFusion.Modalities;

namespace LlmFusion.Prediction;

/// <summary><c>llmfusion.json</c>: everything about a trained model but its weights.</summary>
public sealed record ModelManifest
{
    /// <summary>The newest layout that this program reads and the one it writes.</summary>
    public const int CurrentFormat = 1;

    /// <summary>Layout of the folder.</summary>
    public required int FormatVersion { get; init; }

    /// <summary>Version of the program that wrote it.</summary>
    public required string ProgramVersion { get; init; }

    /// <summary>The modalities in stack order.</summary>
    public required IReadOnlyList<ModalityEntry> Modalities { get; init; }

    /// <summary>Which spelling the sequence modalities read.</summary>
    public required SmilesForm SmilesForm { get; init; }

    /// <summary>Longest token sequence.</summary>
    public required int MaximumTokens { get; init; }

    /// <summary>The fusing language model's config.json.</summary>
    public required JsonObject Backbone { get; init; }

    /// <summary>Which positional encodings are added.</summary>
    public required PositionMode Positions { get; init; }

    /// <summary>How the modality encodings are made.</summary>
    public required ModalityEncoding ModalityEncoding { get; init; }

    /// <summary>sha256 of <c>model.safetensors</c>.</summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>The properties predicted.</summary>
    public required IReadOnlyList<TargetEntry> Targets { get; init; }

    /// <summary>What the model was trained on.</summary>
    public required DataEntry Data { get; init; }

    /// <summary>How it was trained.</summary>
    public required TrainingEntry Training { get; init; }

    /// <summary>Metrics beside the baselines, per split and target.</summary>
    public required Comparison Metrics { get; init; }

    internal static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };
}

/// <summary>One modality and its encoder.</summary>
public sealed record ModalityEntry
{
    /// <summary>smiles, selfies, text or fingerprint.</summary>
    public required string Name { get; init; }

    /// <summary>Folder of the trained encoder, relative to the model's; null for the fingerprint.</summary>
    public string? Encoder { get; init; }

    /// <summary>sha256 of the encoder's weights.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Radius, size and kind; null for sequences.</summary>
    public FingerprintOptions? Fingerprint { get; init; }
}

/// <summary>One property.</summary>
/// <param name="Name">Column.</param>
/// <param name="Unit">Unit of values and metrics; empty where it has none.</param>
/// <param name="Mean">Mean of the training split, subtracted before training.</param>
/// <param name="Deviation">Standard deviation of the training split, divided by before training.</param>
public sealed record TargetEntry(string Name, string Unit, double Mean, double Deviation);

/// <summary>What the model was trained on.</summary>
/// <param name="Name">Data set or file, and split.</param>
/// <param name="SplitSha256">Hash of ids, SMILES and parts.</param>
/// <param name="Train">Training rows.</param>
/// <param name="Valid">Validation rows.</param>
/// <param name="Test">Test rows.</param>
public sealed record DataEntry(string Name, string SplitSha256, int Train, int Valid, int Test);

/// <summary>How the model was trained.</summary>
/// <param name="Seed">Seed of weights, order and dropout.</param>
/// <param name="BestEpoch">Epoch whose weights these are.</param>
/// <param name="Epochs">Epochs run.</param>
/// <param name="ValidLoss">Validation loss of the best epoch, in scaled units.</param>
/// <param name="Seconds">Training time, validation included.</param>
/// <param name="Parameters">Trained parameters.</param>
public sealed record TrainingEntry(int Seed, int BestEpoch, int Epochs, double ValidLoss, double Seconds, long Parameters);
