using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LlmFusion.Baselines;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>An epoch of a cell's learning curve, in scaled units.</summary>
/// <param name="TrainLoss">Mean over the epoch's steps.</param>
/// <param name="ValidLoss">After the epoch.</param>
public sealed record CurvePoint(double TrainLoss, double ValidLoss);

/// <summary>The trees of a target.</summary>
/// <param name="Target">The target.</param>
/// <param name="Trial">Number of the trial whose settings grew them.</param>
/// <param name="Used">How many of them predict.</param>
public sealed record ChosenTrees(string Target, int Trial, int Used);

/// <summary>What a cell's run gave, as it is kept: a repeat needs nothing else.</summary>
public sealed record CellResult
{
    /// <summary>Name of the cell.</summary>
    public required string Cell { get; init; }

    /// <summary><see cref="StudyCell.Key"/> of what was run.</summary>
    public required string Key { get; init; }

    /// <summary>Seed of weights and order.</summary>
    public required int Seed { get; init; }

    /// <summary>Name of the predictor in the metrics.</summary>
    public required string Predictor { get; init; }

    /// <summary>Metrics on all splits with 95 % bootstrap intervals, beside those of the training mean.</summary>
    public required Comparison Metrics { get; init; }

    /// <summary>On the test molecules that do not stand in training if stereochemistry is ignored; null for data other than ChEBI-20.</summary>
    public EvaluationReport? WithoutStereoTwins { get; init; }

    /// <summary>Which molecules of the test split these are: a bit for each, in base64; null for data other than ChEBI-20, and in results of earlier versions.</summary>
    public string? TestWithoutTwins { get; init; }

    /// <summary>What the training mean errs on these, by target; null for data other than ChEBI-20, and in results of earlier versions.</summary>
    public IReadOnlyDictionary<string, TargetMetrics>? ConstantWithoutStereoTwins { get; init; }

    /// <summary>The errors of each test molecule; null in results of earlier versions.</summary>
    public TestErrors? TestErrors { get; init; }

    /// <summary>The search for the settings of boosted trees, trial by trial; empty for what was not searched.</summary>
    public IReadOnlyList<Trial> Trials { get; init; } = [];

    /// <summary>The trial that was chosen for each target, and how many of its trees predict; empty for what has no trees.</summary>
    public IReadOnlyList<ChosenTrees> Trees { get; init; } = [];

    /// <summary>The penalty that was chosen for each target, in the order of the targets; empty for what is not ridge regression.</summary>
    public IReadOnlyList<double> Penalties { get; init; } = [];

    /// <summary>The learning curve.</summary>
    public required IReadOnlyList<CurvePoint> Curve { get; init; }

    /// <summary>Seconds from data to metrics; of a run that was resumed at least those of all its training.</summary>
    public required double Seconds { get; init; }

    /// <summary>Seconds of these in which a network was trained; null for others, and in results of earlier versions.</summary>
    public double? TrainingSeconds { get; init; }

    /// <summary>Trained parameters; 0 for trees.</summary>
    public required long Parameters { get; init; }

    /// <summary>The data, with hashes.</summary>
    public required DataEntry Data { get; init; }

    /// <summary>What it was computed with.</summary>
    public required RunEnvironment? Environment { get; init; }

    /// <summary>The whole configuration.</summary>
    public required JsonObject Config { get; init; }

    private static readonly JsonSerializerOptions Json = new(RunConfig.Json) { WriteIndented = true, RespectNullableAnnotations = true };

    /// <summary>Writes it; the file is replaced atomically.</summary>
    public void Write(string path) => AtomicFile.Write(path, JsonSerializer.Serialize(this, Json));

    /// <summary>Reads it; null where there is none.</summary>
    /// <exception cref="InvalidDataException">The file is none of a cell's result.</exception>
    public static CellResult? Read(string path)
    {
        if (!File.Exists(path)) return null;
        try
        {
            CellResult result = JsonSerializer.Deserialize<CellResult>(File.ReadAllText(path), Json) ?? throw new JsonException("it is null");
            result.Check();
            return result;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}: is no result of a cell ({e.Message}); remove it and the cell is run again", e);
        }
    }

    /// <summary>The errors of molecules must be there for each target, of as many molecules as the mask of twins has.</summary>
    private void Check()
    {
        string[] targets = [.. Metrics.Rows.Where(r => r.Split == Parts.Test && r.Predictor == Predictor).Select(r => r.Target)];
        if (targets.Length == 0) throw new JsonException($"no test metrics of {Predictor}");
        if (TestErrors is null) return;
        int[] counts = [.. targets.Select(target => Decoded(TestErrors.ByTarget.GetValueOrDefault(target), $"test_errors of {target}", 2)).Distinct()];
        if (counts.Length != 1) throw new JsonException($"test_errors of {string.Join(" and ", counts)} molecules, expected as many for each target");
        if (TestWithoutTwins is { } mask && Decoded(mask, "test_without_twins", 1) is var bytes && bytes != (counts[0] + 7) / 8) throw new JsonException($"test_without_twins of {bytes} bytes, expected {(counts[0] + 7) / 8}, a bit for each molecule");
    }

    /// <summary>How many numbers there are in base64.</summary>
    private static int Decoded(string? text, string what, int size)
    {
        byte[] bytes = new byte[text?.Length ?? 0];
        return text is not null && Convert.TryFromBase64String(text, bytes, out int length) && length % size == 0 ? length / size : throw new JsonException($"{what}: expected base64 of numbers of {8 * size} bits");
    }
}
