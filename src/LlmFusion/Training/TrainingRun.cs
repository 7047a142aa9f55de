using System.Diagnostics;
using System.Globalization;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Distributed;
using LlmFusion.Embedding;
using LlmFusion.Evaluation;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;
using LlmFusion.Transformers.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>What a finished run hands to its caller.</summary>
/// <param name="Manifest">The manifest as written.</param>
/// <param name="Reason">Why training ended.</param>
/// <param name="Folder">The model folder.</param>
/// <param name="Plots">PNG files written.</param>
/// <param name="History">The epochs, of all legs of the run.</param>
public sealed record TrainingSummary(ModelManifest Manifest, StopReason Reason, string Folder, IReadOnlyList<string> Plots, IReadOnlyList<EpochRecord> History)
{
    /// <summary>The errors of each test molecule; null where the test split was not opened.</summary>
    public TestErrors? TestErrors { get; init; }
}

/// <summary>A run from data to model folder: read, represent, train, evaluate, write.</summary>
public static class TrainingRun
{
    /// <summary>Most training rows on which training metrics are computed; the count stands in the metrics.</summary>
    private const int TrainingRowsEvaluated = 10_000;

    /// <summary>Name of the complete configuration in a model folder.</summary>
    public const string ConfigFile = "config.yaml";

    /// <summary>Name of the report in a model folder.</summary>
    public const string ReportFile = "report.html";

    /// <summary>Runs a configuration in this process alone; see <see cref="RunTogether"/>.</summary>
    public static TrainingSummary Run(RunConfig config, string output, bool resume, Action<TrainingEvent> observe, CancellationToken cancellation, ModelHub? hub = null,
        bool overwrite = false, bool acceptChanges = false) =>
        RunTogether(config, output, resume, ProcessGroup.Alone, observe, cancellation, hub, overwrite, acceptChanges)!;

    /// <summary>Runs a configuration.</summary>
    /// <param name="config">What to do.</param>
    /// <param name="output">The model folder; created where it is missing, refused where it already holds a model.</param>
    /// <param name="resume">Go on from the folder's last checkpoint.</param>
    /// <param name="group">The processes that train together. All prepare the same data, and the first writes.</param>
    /// <param name="observe">Receives what happens.</param>
    /// <param name="cancellation">Stops after the step under way, which is kept in a checkpoint; the best model so far is written.</param>
    /// <param name="hub">Where pretrained models come from; null: as Hugging Face's variables say.</param>
    /// <param name="overwrite">Replace an earlier run in the folder, once the data of this one is read.</param>
    /// <param name="acceptChanges">Resume though settings of the optimisation differ from the checkpoint's.</param>
    /// <exception cref="BadRowsException">The data holds rows that cannot be used, and they were not to be skipped.</exception>
    /// <exception cref="RunStoppedException">The user stopped it before there was a model to write.</exception>
    /// <exception cref="TrainingDivergedException">A loss, a gradient or a weight is not finite; the last good checkpoint is kept.</exception>
    /// <returns>The summary; null in all processes of a group but the first.</returns>
    public static TrainingSummary? RunTogether(RunConfig config, string output, bool resume, ProcessGroup group, Action<TrainingEvent> observe, CancellationToken cancellation,
        ModelHub? hub = null, bool overwrite = false, bool acceptChanges = false)
    {
        Stopwatch clock = Stopwatch.StartNew();
        using InitialModel? initial = config.InitModel is { } folderOfInitial ? InitialModel.Open(folderOfInitial, hub) : null;
        if (initial is not null) config = initial.Configure(config);
        config = config with { Modalities = config.Modalities ?? [.. RunConfig.DefaultModalities] };
        config.Check();
        Device device = ComputeDevice.Resolve(config.Device, group.LocalRank);
        using RunFolder? folder = group.IsFirst ? RunFolder.Open(output, resume, overwrite) : null; // the others only read
        TrainingCheckpoint checkpoint = folder?.Checkpoint ?? new TrainingCheckpoint(output);
        TrainingState? resumed = resume && checkpoint.Exists ? checkpoint.ReadState() : null;
        config = group.FirstRankFirst(new RunEncoders(config, initial, hub, observe, cancellation).Pinned);
        RunEncoders encoders = new(config, initial, hub, observe, cancellation);
        Dictionary<Modality, FrozenEncoder> pretrained = encoders.OpenPretrained();
        DataSplits splits = RunData.Open(config);
        config = config with { Targets = [.. splits.Targets] };
        _ = (Objective.Of(config), config.PlacesOfContributions()); // of what is no target, before anything is computed
        RunEnvironment environment = RunEnvironment.Current(device);
        List<string> notes = [];
        if (config.Bf16 && ComputeDevice.NoteOnBFloat16(device) is { } slow) notes.Add(slow);
        if (splits.HeldOut.Count > 0)
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"{splits.HeldOut.Count:N0} training rows are left out: their molecules, stereochemistry aside, stand in the validation or test split of one of the data sets"));
        if (resumed is not null)
        {
            notes.AddRange(ResumeRules.Check(resumed.Config, config, acceptChanges));
            if (environment.DifferencesFrom(resumed.Environment) is { Count: > 0 } other)
                notes.Add($"{string.Join(", ", other)}: the model may differ in its last bits from that of an uninterrupted run");
        }

        RunRows data = RunRows.Prepare(config, splits, initial, observe, cancellation);

        group.Wait(); // until every process has found the folder as it was
        if (folder is not null)
        {
            folder.Clear();
            AtomicFile.Write(Path.Combine(output, ConfigFile), config.ToYaml());
        }

        manual_seed(~config.Seed); // random encoders begin with other numbers than the model
        using EmbeddingStore? store = config.Store && (config.FreezeEncoders || pretrained.Count + (initial?.Inputs.Frozen.Count ?? 0) > 0) ? EmbeddingStore.Open() : null;
        using InputEncoder encoder = encoders.Inputs(data.Representation, data.Prepared[Parts.Train].Representations, pretrained);
        encoder.Use(store, device);
        Dictionary<string, SplitInputs> EncodeAll() => data.Encode(encoder, observe, cancellation);
        Dictionary<string, SplitInputs> inputs = store is null ? EncodeAll() : group.FirstRankFirst(EncodeAll);
        TargetScaler scaler = TargetScaler.Fit(inputs[Parts.Train].Targets, splits.Targets, [.. splits.Targets.Select(config.ScalingOf)]);
        if (inputs[Parts.Train].Rows.All(r => r.Sample!.Weight == 0)) throw new InvalidDataException($"{splits.Name}: all weights of the train split are 0, expected at least one above");
        manual_seed(config.Seed); // here: whether an encoder had to be loaded, or the store had all, must not change the model
        (LanguageModel llm, BackboneSource? backbone) = encoders.Backbone(data.Representation.Modalities.Count);
        if (config.Tune == TuneMode.Lora) LowRankAdapters.Add(llm, config.Lora());
        llm.CheckpointActivations = config.CheckpointActivations;
        if (config.CheckpointActivations) Allocator.ReturnLargeBlocks();
        using TrainedModel model = TrainedModel.New(config, encoder, llm, scaler, encoders.InitialEncoders(encoder.Tokenizers.Keys));
        string[] units = [.. splits.Targets.Select((t, i) => config.Units.GetValueOrDefault(t) ?? splits.Units[i])];
        if (initial is not null) notes.Add(initial.Give(model, splits.Targets, units, config.NewEncoders));
        if (config is { AtomContributions.Count: > 0, ModalityDropout: 0, SingleModality: 0 } && config.StackOrder().Count > 1 && !config.ModalityDropouts.ContainsKey(Modality.Graph.Name))
            notes.Add($"{string.Join(", ", config.AtomContributions)}: sums over atoms, and training leaves no graph out: molecules without one will be given the training mean (--modality-dropout or --single-modality teaches more)");
        string dataSha256 = data.Sha256(splits, encoder, initial);
        model.Network.to(device); // first: what is moved may be another object, and state is resumed where its parameter lies
        using AdamW optimizer = new(Tuning.Apply(model.Network, config));
        using WeightAverage? average = config.EmaDecay > 0 ? new WeightAverage(optimizer.Groups.SelectMany(g => g.Parameters), config.EmaDecay) : null;
        checkpoint.Parts = [CheckpointPart.Of(model.Network), CheckpointPart.Of(optimizer), .. average is null ? (IEnumerable<CheckpointPart>)[] : [CheckpointPart.Of(average)]];
        if (resumed is not null && resumed.DataSha256 != dataSha256)
            throw new InvalidDataException($"{output}: the checkpoint belongs to other data, vectors or frozen encoders (hash {resumed.DataSha256}), got {dataSha256}: a run resumes with what it began with");
        if (resumed is not null) checkpoint.Load(resumed);

        IReadOnlyList<PartParameters> parameters = Tuning.Count(model.Network, encoder.Frozen);
        using RunLogs? logs = group.IsFirst ? new(output, config.Targets, resumed) : null;
        void Tell(TrainingEvent happened)
        {
            logs?.Write(happened);
            observe(happened);
        }

        foreach (string note in notes) Tell(new RunNote(note));
        Tell(new RunStarted(splits.Name, inputs[Parts.Train].Rows.Count, inputs[Parts.Valid].Rows.Count, inputs.GetValueOrDefault(Parts.Test)?.Rows.Count ?? 0,
            data.Refused, Missing(inputs, data.Representation.Modalities), encoder.Truncated, encoder.Embeddings, parameters, (resumed?.Epoch ?? 0) + 1, resumed?.Step ?? 0));
        TrainingState begin = (resumed ?? new TrainingState { DataSha256 = dataSha256, Config = [], Environment = environment }) with { Config = ResumeRules.ToJson(config), Environment = environment };
        (TrainingState state, StopReason reason) = Train(new Trainer(config, Tell, group) { Time = TimeLeft(config, clock) }, model, inputs, checkpoint, begin, optimizer, average, logs, cancellation);
        if (state.Best == 0)
        {
            logs?.Ended(state, reason, null);
            throw new RunStoppedException($"stopped before the first epoch was done, so there is no model yet; go on with: ./llmfusion train --resume {output}", reason);
        }

        if (!group.IsFirst) return null;
        checkpoint.LoadBest(model.Network, state.Best);
        if (config.LoraMerge) LowRankAdapters.Merge(model.Network.Fusion.Llm);
        if (reason == StopReason.TimeOver) inputs.Remove(Parts.Test); // it is opened once, when the run is done
        (Comparison metrics, TestErrors? errors, IReadOnlyList<string> plots) = Evaluate(model, config, device, inputs, splits, units, state, output);
        ModelManifest manifest = model.Save(output, (entries, sha256) => new ModelManifest
        {
            FormatVersion = ModelManifest.FirstFormat,
            ProgramVersion = typeof(TrainingRun).Assembly.GetName().Version!.ToString(3),
            Modalities = entries,
            SmilesForm = config.SmilesForm,
            MaximumTokens = config.MaximumTokens,
            Backbone = model.Network.Fusion.Llm.ConfigJson(),
            BackboneSource = backbone,
            Initial = initial?.Entry,
            Positions = config.Positions,
            ModalityEncoding = config.ModalityEncoding,
            GraphTokens = config.GraphTokens,
            AtomContributions = config.AtomContributions,
            WeightsSha256 = sha256,
            Targets = [.. splits.Targets.Select((t, i) => new TargetEntry(t, units[i], scaler.Means[i], scaler.Deviations[i], scaler.Kinds[i]))],
            Data = new DataEntry(splits.Name, splits.Sha256, inputs[Parts.Train].Rows.Count, inputs[Parts.Valid].Rows.Count, splits.Test.Count) { Sha256 = dataSha256 },
            Environment = environment,
            Training = new TrainingEntry(config.Seed, state.Best, state.Epoch, state.BestLoss, state.History.Sum(h => h.Seconds), parameters.Sum(p => p.Trained), config.Tune),
            Metrics = metrics,
        });
        AtomicFile.Write(Path.Combine(output, "README.md"), ModelCard.Of(manifest, config));
        AtomicFile.Write(Path.Combine(output, ReportFile), RunReport.Of(manifest, config, state, reason, parameters, [.. plots.OrderBy(p => !p.EndsWith("learning-curve.png", StringComparison.Ordinal)).Select(p => Path.ChangeExtension(p, ".svg"))]));
        logs!.Ended(state, reason, metrics);
        if (reason is StopReason.Completed or StopReason.EarlyStopping && !config.KeepCheckpoints) checkpoint.Delete();
        return new TrainingSummary(manifest, reason, output, plots, state.History) { TestErrors = errors };
    }

    /// <summary>Of the minutes that the run was given; null where it has no limit.</summary>
    private static TimeSpan? TimeLeft(RunConfig config, Stopwatch clock) => config.Minutes > 0 ? TimeSpan.FromMinutes(config.Minutes) - clock.Elapsed : null;

    private static (TrainingState State, StopReason Reason) Train(Trainer trainer, TrainedModel model, IReadOnlyDictionary<string, SplitInputs> inputs,
        TrainingCheckpoint checkpoint, TrainingState begin, AdamW optimizer, WeightAverage? average, RunLogs? logs, CancellationToken cancellation)
    {
        try
        {
            return trainer.Train(model, inputs[Parts.Train], inputs[Parts.Valid], checkpoint, begin, optimizer, cancellation, average);
        }
        catch (TrainingDivergedException e)
        {
            logs?.Diverged(e);
            throw;
        }
    }

    private static Dictionary<string, int> Missing(IReadOnlyDictionary<string, SplitInputs> inputs, IReadOnlyList<Modality> modalities) =>
        modalities.Index().ToDictionary(m => m.Item.Name, m => inputs.Values.Sum(s => s.Inputs.Count(i => i.ByModality[m.Index] is null)));

    private static (Comparison Metrics, TestErrors? Errors, IReadOnlyList<string> Plots) Evaluate(TrainedModel model, RunConfig config, Device device, IReadOnlyDictionary<string, SplitInputs> inputs,
        DataSplits splits, IReadOnlyList<string> units, TrainingState state, string output)
    {
        IReadOnlyList<string> targets = splits.Targets;
        ConstantPredictor constant = ConstantPredictor.Fit(inputs[Parts.Train].Targets);
        RidgeRegression? ridge = config.RidgeBaseline ? FitRidge(inputs) : null;
        Comparison metrics = Comparison.Empty;
        TestErrors? errors = null;
        List<string> plots = [];
        string plotFolder = Path.Combine(output, "plots");
        Directory.CreateDirectory(plotFolder);
        foreach (string part in Parts.All)
        {
            if (!inputs.TryGetValue(part, out SplitInputs? split) || split.Rows.Count == 0) continue;
            if (part == Parts.Train) split = Sample(split, config.Seed);
            float[][] predicted = model.Predict(split.Inputs, config.BatchSize * 4, device);
            metrics = metrics.With(part, Comparison.Model, targets, units, split.Targets, predicted, config.Seed)
                .With(part, Comparison.Constant, targets, units, split.Targets, constant.Predict(split.Rows.Count), config.Seed);
            if (ridge is not null) metrics = metrics.With(part, Comparison.Ridge, targets, units, split.Targets, ridge.Predict(Counts(split)), config.Seed);
            if (part == Parts.Test) errors = TestErrors.Of(targets, splits.Test, split.Rows, predicted);
            bool last = part == (inputs.ContainsKey(Parts.Test) && inputs[Parts.Test].Rows.Count > 0 ? Parts.Test : Parts.Valid);
            if (!last) continue;
            for (int t = 0; t < targets.Count; t++)
            {
                string path = Path.Combine(plotFolder, $"parity-{FileName(targets[t])}");
                Plots.Parity([.. split.Targets.Select(v => v[t])], [.. predicted.Select(v => v[t])], $"{targets[t]}, {part} split", units[t],
                    metrics.Find(part, targets[t], Comparison.Model)!, path);
                plots.Add(path + ".png");
            }
        }

        string curve = Path.Combine(plotFolder, "learning-curve");
        Plots.LearningCurve([.. state.History.Select(h => (double)h.Epoch)], [.. state.History.Select(h => h.TrainLoss)], [.. state.History.Select(h => h.ValidLoss)],
            [.. state.History.Select(h => h.LearningRate)], state.Best, curve);
        plots.Add(curve + ".png");
        return (metrics, errors, plots);
    }

    /// <summary>A fixed random part of a large training split: its metrics only show how far the model has memorised.</summary>
    private static SplitInputs Sample(SplitInputs split, int seed)
    {
        if (split.Rows.Count <= TrainingRowsEvaluated) return split;
        int[] order = [.. Enumerable.Range(0, split.Rows.Count)];
        new Random(seed).Shuffle(order);
        int[] taken = [.. order.Take(TrainingRowsEvaluated).Order()];
        return new SplitInputs([.. taken.Select(i => split.Rows[i])], [.. taken.Select(i => split.Inputs[i])], [.. taken.Select(i => split.Targets[i])]);
    }

    private static RidgeRegression FitRidge(IReadOnlyDictionary<string, SplitInputs> inputs) =>
        RidgeRegression.Fit(Counts(inputs[Parts.Train]), inputs[Parts.Train].Targets, Counts(inputs[Parts.Valid]), inputs[Parts.Valid].Targets);

    private static SparseRows Counts(SplitInputs split)
    {
        const int size = 2048;
        MorganCounts[] counts = [.. MoleculeBatch.Select(split.Rows, row =>
        {
            using Molecule molecule = Molecule.Parse(row.Sample!.Smiles);
            return molecule.MorganCounts(2, size);
        })];
        return SparseRows.FromCounts(counts.Select(c => (c.Bits, c.Counts)), size);
    }

    private static string FileName(string target) => string.Concat(target.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' ? c : '_'));
}
