using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using LlmFusion.Boosting;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Evaluation;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Training;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.Baselines;

/// <summary>A trial is done.</summary>
/// <param name="Trial">The trial.</param>
/// <param name="Trials">How many there are for its target.</param>
/// <param name="Best">Whether it is the best of its target so far.</param>
public sealed record TrialDone(Trial Trial, int Trials, bool Best) : TrainingEvent;

/// <summary>
/// The paper's baseline (P18): boosted trees on one modality's embedding or on the concatenation of several, settings by random search on the validation
/// split alone, the best grown again on all training rows. Modalities are read, and encoders run, as for a fusion model.
/// </summary>
public static class BaselineRun
{
    /// <summary>Name of the file of trials in a model folder.</summary>
    public const string TrialsFile = "trials.jsonl";

    /// <summary>To be raised where settings are drawn, or rows chosen, in another way, or from other ranges by default: trials and cells of the old way then stand beside none of the new.</summary>
    internal const int SearchVersion = 3;

    private static readonly string[] Own = [TrialsFile, TrainingRun.ConfigFile, PredictiveModel.ManifestFile, BoostedModel.Trees, "encoders", "README.md", FolderLock.FileName];

    /// <summary>Runs search and final fit, and writes the model folder.</summary>
    /// <param name="config">What to do.</param>
    /// <param name="output">The model folder. One with trials of the same search goes on behind them.</param>
    /// <param name="overwrite">Replace a finished model in it.</param>
    /// <param name="observe">Receives what happens.</param>
    /// <param name="cancellation">Stops between two trees; trials that are done stay.</param>
    /// <param name="hub">Where pretrained encoders come from; null: as Hugging Face's variables say.</param>
    /// <exception cref="ArgumentException">The configuration is impossible.</exception>
    /// <exception cref="InvalidDataException">The folder holds something else, or nothing is left of training or validation.</exception>
    /// <exception cref="DataSetMissingException">The data is not on this machine.</exception>
    /// <exception cref="BadRowsException">Rows cannot be used, and they were not to be skipped.</exception>
    /// <exception cref="HubException">A pretrained encoder does not come.</exception>
    /// <exception cref="BoostingException">XGBoost refuses something.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static TrainingSummary Run(BaselineConfig config, string output, bool overwrite, Action<TrainingEvent> observe, CancellationToken cancellation, ModelHub? hub = null)
    {
        Stopwatch clock = Stopwatch.StartNew();
        RunConfig run = config.Run with { Modalities = config.Run.Modalities ?? [Modality.Fingerprint.Name] };
        config = config with { Run = run };
        config.Check();
        run.Check();
        foreach (Modality modality in run.StackOrder())
            if (modality == Modality.Graph || (modality.IsSequence && !run.Encoders.ContainsKey(modality.Name)))
                throw new ArgumentException($"modality {modality}: got no pretrained encoder, expected {(modality == Modality.Graph ? "other modalities: that of the graph is trained along" : $"--encoder {modality}=MODEL")}");
        if (run.EncoderChoices().FirstOrDefault(c => c.Value.Train) is { Key: { } trained }) throw new ArgumentException($"encoder of {trained}: got train, expected a frozen one: trees pass no gradients on");
        using FileStream held = Prepare(output, overwrite);

        RunEncoders encoders = new(run, initial: null, hub, observe, cancellation);
        Dictionary<Modality, FrozenEncoder> pretrained = encoders.OpenPretrained();
        DataSplits splits = RunData.Open(run);
        run = run with { Targets = [.. splits.Targets] };
        RunRows data = RunRows.Prepare(run, splits, initial: null, observe, cancellation);
        if (data.Refused.Count > 0) observe(new RunNote($"{data.Refused.Count} rows left out, the first: {data.Refused[0].Message}"));
        File.Delete(Path.Combine(output, PredictiveModel.ManifestFile)); // not before: a misspelt target leaves the model that stands there
        AtomicFile.Write(Path.Combine(output, TrainingRun.ConfigFile), run.ToYaml());
        using EmbeddingStore? store = run.Store && pretrained.Count > 0 ? EmbeddingStore.Open() : null;
        TargetScaler scaler = TargetScaler.Fit([.. data.Prepared[Parts.Train].Rows.Select(row => row.Sample!.Targets)], splits.Targets, [.. splits.Targets.Select(run.ScalingOf)]);
        List<Booster> boosters = [];
        using BoostedModel model = new(encoders.Inputs(data.Representation, data.Prepared[Parts.Train].Representations, pretrained), scaler, boosters); // from here on what is made is its
        model.Inputs.Use(store, TorchSharp.torch.CPU);
        Dictionary<string, SplitInputs> inputs = data.Encode(model.Inputs, observe, cancellation);
        string[] units = [.. splits.Targets.Select((t, i) => run.Units.GetValueOrDefault(t) ?? splits.Units[i])];

        string dataSha256 = data.Sha256(splits, model.Inputs);
        TrialLog log = new(Path.Combine(output, TrialsFile), KeyOf(config with { Run = run }, dataSha256));
        double before = log.Trials.Sum(trial => trial.Seconds);
        List<Trial> chosen = [];
        foreach ((int t, string target) in splits.Targets.Index())
        {
            Trial best = Search(config, t, target, log, inputs, model.Inputs, scaler, observe, cancellation);
            using FeatureMatrix train = Rows(inputs[Parts.Train], t, target, model.Inputs, scaler), valid = Rows(inputs[Parts.Valid], t, target, model.Inputs, scaler);
            // On more rows more trees may be worth it: early stopping decides.
            BoosterSettings final = config.SearchRows < inputs[Parts.Train].Rows.Count ? best.Settings with { Estimators = Math.Max(best.Settings.Estimators, config.FinalEstimators) } : best.Settings;
            using Booster grown = Booster.Train(final, train, valid, cancellation: cancellation);
            boosters.Add(Booster.Load(grown.Save())); // as one that was loaded it holds no more the histograms of growing, which can be gigabytes
            chosen.Add(best);
        }

        (Comparison metrics, TestErrors? errors) = Measure(model, run, inputs, splits, units);
        ModelManifest manifest = model.Save(output, chosen, (entries, baseline, sha256) => new ModelManifest
        {
            FormatVersion = ModelManifest.FirstFormat,
            ProgramVersion = typeof(BaselineRun).Assembly.GetName().Version!.ToString(3),
            Modalities = entries,
            SmilesForm = run.SmilesForm,
            MaximumTokens = run.MaximumTokens,
            Baseline = baseline,
            Positions = run.Positions,
            ModalityEncoding = run.ModalityEncoding,
            WeightsSha256 = sha256,
            Targets = [.. splits.Targets.Select((name, t) => new TargetEntry(name, units[t], scaler.Means[t], scaler.Deviations[t], scaler.Kinds[t]))],
            Data = new DataEntry(splits.Name, splits.Sha256, inputs[Parts.Train].Rows.Count, inputs[Parts.Valid].Rows.Count, splits.Test.Count) { Sha256 = dataSha256 },
            Environment = RunEnvironment.Current(TorchSharp.torch.CPU) with { Xgboost = Booster.LibraryVersion },
            Training = new TrainingEntry(run.Seed, 0, config.Trials, chosen.Average(trial => trial.Metric), before + clock.Elapsed.TotalSeconds, 0, run.Tune),
            Metrics = metrics,
        });
        AtomicFile.Write(Path.Combine(output, "README.md"), BaselineCard.Of(manifest, config, [.. boosters.Select(trees => FeatureRows.SharesOfGain(trees, model.Inputs))]));
        return new TrainingSummary(manifest, StopReason.Completed, output, [], []) { TestErrors = errors };
    }

    /// <summary>A model that is finished is not replaced by accident, nor a folder of something else, nor one in which another process works.</summary>
    private static FileStream Prepare(string output, bool overwrite)
    {
        if (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Select(path => Path.GetFileName(path)!).FirstOrDefault(name => !Own.Contains(name.Replace(".part", "", StringComparison.Ordinal)) && !TrialLog.IsKept(name)) is { } other)
            throw new InvalidDataException($"{output}: holds {other}, which is no part of a baseline; give another folder with -o");
        if (File.Exists(Path.Combine(output, PredictiveModel.ManifestFile)) && !overwrite) throw new InvalidDataException($"{output}: holds a finished baseline; give another folder with -o, or --overwrite");
        return FolderLock.Take(output);
    }

    private static Trial Search(BaselineConfig config, int t, string target, TrialLog log, IReadOnlyDictionary<string, SplitInputs> inputs, InputEncoder encoder, TargetScaler scaler,
        Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        if (Enumerable.Range(0, config.Trials).Any(k => log.Find(target, k) is null))
        {
            using FeatureMatrix train = Rows(Fewer(inputs[Parts.Train], config), t, target, encoder, scaler), valid = Rows(inputs[Parts.Valid], t, target, encoder, scaler);
            for (int k = 0; k < config.Trials; k++)
            {
                if (log.Find(target, k) is not null) continue;
                Stopwatch clock = Stopwatch.StartNew();
                BoosterSettings settings = config.Settings(t, k);
                double least = double.PositiveInfinity;
                using Booster booster = Booster.Train(settings, train, valid, round => least = round.Valid[^1] < least ? round.Valid[^1] : least, cancellation);
                Trial trial = new(target, k, settings, least, booster.RoundsUsed, clock.Elapsed.TotalSeconds);
                log.Add(trial);
                observe(new TrialDone(trial, config.Trials, log.Best(target, config.Trials) == trial));
            }
        }

        return log.Best(target, config.Trials) is { Metric: < double.PositiveInfinity } best ? best
            : throw new InvalidDataException($"target {target}: no setting gave a finite {config.Metric} on the validation split; its values may be too large for single precision (--target-scaling)");
    }

    /// <summary>The molecules whose target is known, with the target in scaled units.</summary>
    private static FeatureMatrix Rows(SplitInputs split, int target, string name, InputEncoder encoder, TargetScaler scaler)
    {
        int[] known = [.. Enumerable.Range(0, split.Rows.Count).Where(n => !float.IsNaN(split.Targets[n][target]))];
        if (known.Length == 0) throw new InvalidDataException($"target {name}: no value in the training or the validation split, expected at least one in each");
        return FeatureRows.Of([.. known.Select(n => split.Inputs[n])], encoder).WithLabels([.. known.Select(n => scaler.Scale(split.Targets[n][target], target))]);
    }

    private static SplitInputs Fewer(SplitInputs train, BaselineConfig config)
    {
        if (config.SearchRows is not { } count || count >= train.Rows.Count) return train;
        // Each row has a number of its own: where a modality cannot read some rows, the others' part stays the same.
        int[] taken = [.. Enumerable.Range(0, train.Rows.Count).OrderBy(i => new SeededShuffle(unchecked(((ulong)config.Run.SplitSeed << 32) + (ulong)train.Rows[i].Number)).Next()).Take(count).Order()];
        return new SplitInputs([.. taken.Select(i => train.Rows[i])], [.. taken.Select(i => train.Inputs[i])], [.. taken.Select(i => train.Targets[i])]);
    }

    private static (Comparison Metrics, TestErrors? Errors) Measure(BoostedModel model, RunConfig run, IReadOnlyDictionary<string, SplitInputs> inputs, DataSplits splits, IReadOnlyList<string> units)
    {
        IReadOnlyList<string> targets = splits.Targets;
        ConstantPredictor constant = ConstantPredictor.Fit(inputs[Parts.Train].Targets);
        Comparison metrics = Comparison.Empty;
        TestErrors? errors = null;
        foreach (string part in Parts.All)
        {
            if (!inputs.TryGetValue(part, out SplitInputs? split) || split.Rows.Count == 0) continue;
            float[][] predicted = model.Predict(split.Inputs, split.Rows.Count, TorchSharp.torch.CPU);
            metrics = metrics.With(part, Comparison.Boosted, targets, units, split.Targets, predicted, run.Seed)
                .With(part, Comparison.Constant, targets, units, split.Targets, constant.Predict(split.Rows.Count), run.Seed);
            if (part == Parts.Test) errors = TestErrors.Of(targets, splits.Test, split.Rows, predicted);
        }

        return (metrics, errors);
    }

    /// <summary>What decides a trial's result: data with targets and texts, encoders, the library, settings of the search; not how many trials there are, nor how the best is grown on all rows.</summary>
    private static string KeyOf(BaselineConfig config, string data) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        $"{SearchVersion} {data}\n{Booster.LibraryVersion}\n{JsonSerializer.Serialize(config with { Trials = 1, Threads = 0, FinalEstimators = 1 }, RunConfig.Json)}")));
}
