using System.Collections;
using System.Diagnostics;
using System.Text.Json.Nodes;
using LlmFusion.Baselines;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>Something that happens while a study runs.</summary>
public abstract record StudyEvent
{
    /// <summary>A cell begins, or goes on.</summary>
    /// <param name="Cell">The cell.</param>
    /// <param name="Number">Its number among those that are to be run, from 1.</param>
    /// <param name="Count">How many those are.</param>
    /// <param name="Minutes">About how long all that is left takes.</param>
    public sealed record Begun(StudyCell Cell, int Number, int Count, double Minutes) : StudyEvent;

    /// <summary>What happens in a cell's run.</summary>
    /// <param name="Of">The event.</param>
    public sealed record Within(TrainingEvent Of) : StudyEvent;

    /// <summary>A cell is done.</summary>
    /// <param name="Cell">The cell.</param>
    /// <param name="Result">What it gave.</param>
    public sealed record Done(StudyCell Cell, CellResult Result) : StudyEvent;

    /// <summary>A cell failed; the others are run all the same.</summary>
    /// <param name="Cell">The cell.</param>
    /// <param name="Why">What went wrong.</param>
    public sealed record Failed(StudyCell Cell, string Why) : StudyEvent;
}

/// <summary>Runs a study's cells one after the other and keeps what is done: a cell whose result stands there is not run again, one that was cut off goes on.</summary>
public sealed class StudyRun
{
    private const string Runs = "runs", KeyFile = "cell.key", Chebi20 = "chebi20";

    private readonly string _output;

    /// <param name="study">The study.</param>
    /// <param name="output">Its folder: <c>cells/</c> with the results, <c>runs/</c> with what is under way.</param>
    /// <param name="seeds">How many seeds.</param>
    /// <param name="only">Parts of names of the cells that are run; null: all.</param>
    public StudyRun(Study study, string output, int seeds, IReadOnlyList<string>? only = null)
    {
        Study = study;
        _output = output;
        Cells = study.Cells(seeds, only);
        if (Cells.Count == 0) throw new ArgumentException($"only: got {string.Join(", ", only ?? [])}, which is in no name of a cell of {study.Name}; expected part of one, such as {study.Cells(1)[0].Name}");
    }

    /// <summary>The study.</summary>
    public Study Study { get; }

    /// <summary>The cells that are asked for.</summary>
    public IReadOnlyList<StudyCell> Cells { get; }

    /// <summary>Where a cell's result lies.</summary>
    public string ResultPath(StudyCell cell) => Path.Combine(_output, "cells", cell.Name + ".json");

    /// <summary>A cell's result; null where it has not been run, or is to be run again because its key has changed, or something else of its configuration, such as what holds by default.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public CellResult? ResultOf(StudyCell cell) => CellResult.Read(ResultPath(cell)) is { } result && result.Key == cell.Key() && Agree(result.Config, StudyCell.ToJson(cell.Task)) ? result : null;

    /// <summary>Whether what both configurations have is the same; options that one of them lacks are newer or older than it.</summary>
    private static bool Agree(JsonObject kept, JsonObject asked) =>
        kept.All(own => !asked.TryGetPropertyValue(own.Key, out JsonNode? other) || (own.Value is JsonObject a && other is JsonObject b ? Agree(a, b) : JsonNode.DeepEquals(own.Value, other)));

    /// <summary>About how long some cells take: as long as other seeds of theirs took, else as their rows say.</summary>
    public double MinutesOf(IEnumerable<StudyCell> cells)
    {
        ILookup<(StudyRow, StudyPanel), double> known = Study.Cells(Seeds).Select(cell => (cell, Result: ResultOf(cell))).Where(c => c.Result is not null).ToLookup(c => (c.cell.Row, c.cell.Panel), c => c.Result!.Seconds / 60);
        return cells.Sum(cell => known[(cell.Row, cell.Panel)].DefaultIfEmpty(cell.Row.Minutes).Average());
    }

    /// <summary>Runs what is not done.</summary>
    /// <param name="observe">Receives what happens.</param>
    /// <param name="cancellation">Stops after the step under way; the cell goes on in the next call.</param>
    /// <returns>Whether all cells are done.</returns>
    /// <exception cref="InvalidOperationException">Cells failed; the others were run all the same. Where there was one cell alone, it is that cell's own exception.</exception>
    public bool Run(Action<StudyEvent> observe, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.Combine(_output, "cells"));
        StudyCell[] left = [.. Cells.Where(cell => ResultOf(cell) is null)];
        List<(StudyCell Cell, Exception Why)> failed = [];
        foreach ((int i, StudyCell cell) in left.Index())
        {
            if (cancellation.IsCancellationRequested) return false;
            observe(new StudyEvent.Begun(cell, i + 1, left.Length, MinutesOf(left.Skip(i))));
            try
            {
                if (Run(cell, observe, cancellation) is not { } result) return false;
                observe(new StudyEvent.Done(cell, result));
            }
            catch (Exception e) when (left.Length > 1 && e is not DataSetMissingException)
            {
                failed.Add((cell, e));
                observe(new StudyEvent.Failed(cell, e.Message));
            }
        }

        if (failed.Count > 0) throw new InvalidOperationException($"{failed.Count} of {left.Length} cells failed: {string.Join(", ", failed.Select(f => f.Cell.Name))}; the first because: {failed[0].Why.Message}", failed[0].Why);
        return true;
    }

    private int Seeds => Cells.Max(c => c.Seed) + 1;

    private CellResult? Run(StudyCell cell, Action<StudyEvent> observe, CancellationToken cancellation)
    {
        string folder = Path.Combine(_output, Runs, cell.Name), key = cell.Key(), keyFile = folder + "." + KeyFile;
        using FileStream held = FolderLock.Take(Path.Combine(_output, Runs), cell.Name + ".lock");
        if (ResultOf(cell) is { } others) return others; // another process was faster
        // What another configuration left, and what was cut off before there was anything to go on from.
        bool begun = File.Exists(keyFile) && File.ReadAllText(keyFile) == key && (new TrainingCheckpoint(folder).Exists || File.Exists(Path.Combine(folder, TrainingRun.ConfigFile)));
        if (!begun && Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        AtomicFile.Write(keyFile, key);
        Stopwatch clock = Stopwatch.StartNew();
        Outcome outcome;
        try
        {
            outcome = cell.Task switch
            {
                CellTask.Fusion task => Of(TrainingRun.Run(task.Config with { KeepCheckpoints = true }, folder, resume: begun, Tell, cancellation)),
                CellTask.Boosted task => Of(BaselineRun.Run(task.Config, folder, overwrite: true, Tell, cancellation)),
                CellTask.Ridge task => OfRidge(RidgeBaseline.Run(task.Config, withoutTwins: HasTwins(cell), Tell, cancellation)),
                _ => throw new InvalidOperationException($"{cell.Name}: an unknown task"),
            };
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return null;
        }

        if (cancellation.IsCancellationRequested) return null; // a network that was stopped has a model, but not the one that was asked for
        (string Rows, IReadOnlyDictionary<string, TargetMetrics> Constant)? alone = HasTwins(cell) ? Alone(cell.Task.Run) : null;
        CellResult result = new()
        {
            Cell = cell.Name,
            Key = key,
            Seed = cell.Seed,
            Predictor = cell.Task.Predictor,
            Metrics = outcome.Metrics,
            TestErrors = outcome.TestErrors,
            WithoutStereoTwins = outcome.WithoutStereoTwins,
            TestWithoutTwins = alone?.Rows,
            ConstantWithoutStereoTwins = alone?.Constant,
            Trials = outcome.Trials,
            Trees = outcome.Trees,
            Penalties = outcome.Penalties,
            Curve = outcome.Curve,
            Seconds = Math.Max(outcome.Seconds, clock.Elapsed.TotalSeconds),
            TrainingSeconds = cell.Task is CellTask.Fusion ? outcome.Seconds : null,
            Parameters = outcome.Parameters,
            Data = outcome.Data,
            Environment = outcome.Environment,
            Config = StudyCell.ToJson(cell.Task),
        };
        result.Write(ResultPath(cell));
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        File.Delete(keyFile);
        return result;

        void Tell(TrainingEvent happened) => observe(new StudyEvent.Within(happened));

        Outcome OfRidge((Comparison Metrics, TestErrors? Errors, EvaluationReport? WithoutStereoTwins, DataEntry Data, RidgeRegression Fitted) of) =>
            new(of.Metrics, of.Errors, of.WithoutStereoTwins, [], [], [], 0, of.Fitted.Weights.Sum(w => w.Count + 1), of.Data, RunEnvironment.Current(TorchSharp.torch.CPU)) { Penalties = of.Fitted.Lambdas };

        Outcome Of(TrainingSummary summary) => new(summary.Manifest.Metrics, summary.TestErrors, TwinsOf(cell, folder, cancellation), TrialLog.In(Path.Combine(folder, BaselineRun.TrialsFile)),
            [.. (summary.Manifest.Baseline?.Targets ?? []).Zip(summary.Manifest.Targets, (trees, target) => new ChosenTrees(target.Name, trees.Trial, trees.Trees))], [.. summary.History.Select(h => new CurvePoint(h.TrainLoss, h.ValidLoss))],
            summary.Manifest.Training.Seconds, summary.Manifest.Training.Parameters, summary.Manifest.Data, summary.Manifest.Environment);
    }

    /// <summary>What a run gave, whatever it was.</summary>
    private sealed record Outcome(Comparison Metrics, TestErrors? TestErrors, EvaluationReport? WithoutStereoTwins, IReadOnlyList<Trial> Trials, IReadOnlyList<ChosenTrees> Trees, IReadOnlyList<CurvePoint> Curve, double Seconds, long Parameters, DataEntry Data, RunEnvironment? Environment)
    {
        /// <summary>Of ridge regression, by target.</summary>
        public IReadOnlyList<double> Penalties { get; init; } = [];
    }

    /// <summary>ChEBI-20's splits hold many stereoisomers of each other's molecules (QM9's a dozen).</summary>
    private static bool HasTwins(StudyCell cell) => cell.Task.Run.Data == Chebi20;

    /// <summary>Which test molecules have no twin in the whole training split, however much of it was trained on, and what the training mean errs on them.</summary>
    private static (string Rows, IReadOnlyDictionary<string, TargetMetrics> Constant) Alone(RunConfig config)
    {
        DataSplits splits = RunData.Open(config);
        HashSet<DataRow> alone = new(Evaluator.WithoutStereoTwins(splits.Test, RunData.Open(config with { TrainRows = null }).Train), ReferenceEqualityComparer.Instance);
        byte[] bits = new byte[(splits.Test.Count + 7) / 8];
        new BitArray([.. splits.Test.Select(alone.Contains)]).CopyTo(bits, 0);
        float[][] truth = [.. splits.Test.Where(alone.Contains).Select(row => row.Sample!.Targets)];
        ConstantPredictor constant = ConstantPredictor.Fit([.. splits.Train.Select(row => row.Sample!.Targets)]);
        return (Convert.ToBase64String(bits), Metrics.PerTarget(splits.Targets, truth, constant.Predict(truth.Length), bootstrapSeed: 0));
    }

    private static EvaluationReport? TwinsOf(StudyCell cell, string folder, CancellationToken cancellation)
    {
        if (!HasTwins(cell)) return null;
        using PredictiveModel model = PredictiveModel.Load(folder);
        using EmbeddingStore? store = cell.Task.Run.Store && model.Inputs.Frozen.Count > 0 ? EmbeddingStore.Open() : null;
        return Evaluator.OnDataSet(new Predictor(model, cell.Task.Run.Device, store: store), Chebi20, Parts.Test, cancellation: cancellation).WithoutStereoTwins;
    }
}
