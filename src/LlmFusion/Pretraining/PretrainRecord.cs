using System.Text.Json;
using LlmFusion.Chemistry;
using LlmFusion.Training;

namespace LlmFusion.Pretraining;

/// <summary>What was kept out of the corpus, and that nothing of it is in.</summary>
/// <param name="DataSets">Whose validation and test splits are reserved.</param>
/// <param name="Molecules">Different reserved molecules, by canonical SMILES without stereochemistry.</param>
/// <param name="Texts">Different reserved texts.</param>
/// <param name="Sha256">Hash of both.</param>
/// <param name="LeftOut">Rows that the check left out of the corpus.</param>
public sealed record ExclusionCheck(IReadOnlyList<string> DataSets, int Molecules, int Texts, string Sha256, int LeftOut);

/// <summary><c>pretraining.json</c> of an encoder's folder: how it came about.</summary>
public sealed record PretrainRecord
{
    /// <summary>Its name in the folder; written last, so that a folder with it is whole.</summary>
    public const string FileName = "pretraining.json";

    /// <summary>The whole configuration.</summary>
    public required PretrainConfig Config { get; init; }

    /// <summary>Where the corpus came from.</summary>
    public required IReadOnlyList<CorpusSource> Corpus { get; init; }

    /// <summary>Sequences trained on.</summary>
    public required int Sequences { get; init; }

    /// <summary>Sequences held out.</summary>
    public required int HeldOut { get; init; }

    /// <summary>Hash of the corpus.</summary>
    public required string CorpusSha256 { get; init; }

    /// <summary>The check that nothing is in it that measures models.</summary>
    public required ExclusionCheck Exclusion { get; init; }

    /// <summary>Descriptors learned.</summary>
    public required IReadOnlyList<string> Descriptors { get; init; }

    /// <summary>Tokens in the vocabulary.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Numbers of the encoder.</summary>
    public required long Parameters { get; init; }

    /// <summary>sha256 of its weights.</summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>sha256 of the float32 weights that were rounded to float16; null for those as they were trained.</summary>
    public string? RoundedFromSha256 { get; init; }

    /// <summary>Minutes of training, validation included.</summary>
    public required double Minutes { get; init; }

    /// <summary>Epochs, the last of which may be cut short by <see cref="PretrainConfig.Minutes"/>.</summary>
    public required IReadOnlyList<EpochRecord> Epochs { get; init; }

    /// <summary>Losses of the encoder as written.</summary>
    public required HeldOutLosses Losses { get; init; }

    /// <summary>What it was computed with.</summary>
    public required RunEnvironment Environment { get; init; }

    /// <summary>The record as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, RunConfig.Json);
}
