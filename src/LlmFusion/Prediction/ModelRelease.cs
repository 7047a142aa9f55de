using System.Text.Json;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;

namespace LlmFusion.Prediction;

/// <summary>How a trained model is made ready to be handed on.</summary>
public sealed record ReleaseOptions
{
    /// <summary>Built-in data sets that the model was trained on; empty: the data of its configuration.</summary>
    public IReadOnlyList<string> Data { get; init; } = [];

    /// <summary>Name of the model, for its card.</summary>
    public required string Name { get; init; }

    /// <summary>Markdown for the model's card: what whoever releases it has to say.</summary>
    public string Notes { get; init; } = "";

    /// <summary>Where frozen encoders are found.</summary>
    public ModelSources Sources { get; init; } = new();

    /// <summary><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</summary>
    public string Device { get; init; } = "auto";
}

/// <summary>
/// Makes a model that can be handed on out of a trained one: weights rounded to float16, and, measured after the rounding, conformal
/// intervals from the half of validation that training left alone, what the training molecules are like, and test metrics.
/// </summary>
public static class ModelRelease
{
    private const string TestPart = Parts.Test, AlonePart = "test without stereo twins";

    /// <summary>The least share of a test split that stereo twins must be for the others to be measured alone too: below it nothing changes.</summary>
    private const double LeastTwins = 0.01;

    /// <summary>Data that the model was trained on, which of its targets it has, and the test molecules without a stereo twin in its own training split, of which joint training may have left some out.</summary>
    private sealed record Source(string Name, DataSplits Splits, IReadOnlyList<DataRow> Calibration, IReadOnlyList<string> Targets, IReadOnlyList<DataRow> WithoutTwins);

    /// <summary>Writes a released model.</summary>
    /// <param name="folder">The output folder of a training run.</param>
    /// <param name="output">A folder that does not exist yet, or is empty. It appears when it is whole.</param>
    /// <param name="options">Data, name, device.</param>
    /// <param name="progress">Called with what is being done.</param>
    /// <param name="cancellation">Stops between chunks of rows.</param>
    /// <returns>The manifest as written.</returns>
    /// <exception cref="ModelFolderException">The trained model cannot be used, or is a released one already.</exception>
    /// <exception cref="IOException">The output folder is not empty, or cannot be written.</exception>
    public static ModelManifest Write(string folder, string output, ReleaseOptions options, Action<string>? progress = null, CancellationToken cancellation = default)
    {
        output = Path.GetFullPath(output).TrimEnd(Path.DirectorySeparatorChar);
        if (File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
            throw new IOException($"{output}: is there already, expected a new or an empty folder");
        ModelManifest trained = TrainedModel.ReadManifest(folder);
        if (trained.Release is not null) throw new ModelFolderException(folder, "is a released model already, expected the output folder of a training run");
        RunConfig config = RunConfig.Load(Path.Combine(folder, TrainingRun.ConfigFile));
        // Data sets that were joined for training have a domain each.
        IReadOnlyList<Source> sources = SourcesOf(trained, config, options.Data.Count > 0 ? options.Data : config.DataNames());
        string part = output + ".part";
        if (Directory.Exists(part)) Directory.Delete(part, recursive: true);
        progress?.Invoke("rounding the weights");
        ModelManifest manifest = CopyRounded(folder, part, trained, config);

        progress?.Invoke("describing the training molecules");
        TrainingDomain[] domains = [.. sources.Select(s => TrainingDomain.Fit(s.Name, s.Targets, s.Splits.Train, s.Calibration, TrainingDomain.MostFingerprints / sources.Count))];
        TrainingDomain.Save(Path.Combine(part, TrainingDomain.File), domains);
        ReleaseEntry release = new()
        {
            Coverage = ConformalCalibration.Coverage,
            CalibrationFraction = config.CalibrationFraction > 0 ? config.CalibrationFraction : CalibrationSplit.DefaultFraction,
            HeldOut = config.CalibrationFraction > 0,
            RoundedFromSha256 = trained.WeightsSha256,
            Intervals = [],
            Domains = [.. domains.Select(d => d.Entry)],
            DomainSha256 = ModelFiles.Sha256(Path.Combine(part, TrainingDomain.File)),
            Test = [],
        };
        IReadOnlyList<IReadOnlyList<Modality>> sets = SetsOf(trained);
        manifest = Rewrite(part, manifest, release);
        using (TrainedModel model = TrainedModel.Load(part, options.Sources))
            release = release with { Intervals = [.. sets.Select(set => Calibrate(model, set, sources, options.Device, progress, cancellation))] };
        manifest = Rewrite(part, manifest, release);
        using (TrainedModel model = TrainedModel.Load(part, options.Sources))
            release = release with { Test = [.. sources.SelectMany(source => Measure(model, sets, source, options.Device, progress, cancellation))] };
        manifest = Rewrite(part, manifest with { Metrics = Beside(manifest, release, sources) }, release);
        AtomicFile.Write(Path.Combine(part, ReleaseCard.FileName), ReleaseCard.Of(options.Name, manifest, config, options.Notes));
        if (Directory.Exists(output)) Directory.Delete(output);
        Directory.Move(part, output);
        return manifest;
    }

    /// <summary>The sets of modalities that are calibrated and measured: all, those that follow from a SMILES, these without the graph, and each of them alone.</summary>
    internal static IReadOnlyList<IReadOnlyList<Modality>> SetsOf(ModelManifest manifest)
    {
        Modality[] all = [.. manifest.Modalities.Select(m => m.Modality())], computed = [.. all.Where(m => m.IsComputed)];
        List<IReadOnlyList<Modality>> sets = [all];
        if (computed.Length > 0 && computed.Length < all.Length) sets.Add(computed);
        if (computed.Contains(Modality.Graph) && computed.Length > 2) sets.Add([.. computed.Where(m => m != Modality.Graph)]);
        if (computed.Length > 1) sets.AddRange(computed.Select(m => new[] { m }));
        return sets;
    }

    private static IReadOnlyList<Source> SourcesOf(ModelManifest manifest, RunConfig config, IReadOnlyList<string> names)
    {
        bool several = names.Count > 1;
        if (several && config.TrainRows is not null) throw new ArgumentException($"train_rows: got {config.TrainRows} of several data sets, of which it is not known how many are whose; expected all rows");
        IReadOnlyList<DataSplits> data = names.SequenceEqual(config.DataNames()) && !several ? [RunData.Open(config with { CalibrationFraction = 0 })]
            : [.. names.Select(name => Catalog.Open(name, new CatalogOptions { Targets = [.. Catalog.Find(name).Targets.Where(t => manifest.Targets.Any(m => m.Name == t))] }))];
        // Without the exclusion another set's training molecules may be twins too, and were trained on.
        IReadOnlyList<DataRow>[] own = [.. data.Select(d => Evaluator.WithoutStereoTwins(d.Test, config.ExcludeHeldOut ? d.Train : [.. data.SelectMany(other => other.Train)]))];
        if (several && config.ExcludeHeldOut) data = JointData.WithoutHeldOut(data);
        double fraction = config.CalibrationFraction > 0 ? config.CalibrationFraction : CalibrationSplit.DefaultFraction;
        return [.. data.Zip(own, (d, alone) => new Source(d.Name, d, CalibrationSplit.Of(d.Valid, fraction).Calibration, d.Targets, alone))];
    }

    /// <summary>Every file that the model needs, its weights in float16, and the manifest with their new hashes.</summary>
    private static ModelManifest CopyRounded(string folder, string output, ModelManifest manifest, RunConfig config)
    {
        Directory.CreateDirectory(output);
        // Where the first model lay on this machine is of no use to others; the manifest has its name and hash.
        AtomicFile.Write(Path.Combine(output, TrainingRun.ConfigFile), (config with { InitModel = Path.GetFileName(config.InitModel?.TrimEnd('/')) }).ToYaml());
        HalfPrecision.Copy(Path.Combine(folder, TrainedModel.WeightsFile), Path.Combine(output, TrainedModel.WeightsFile));
        ModalityEntry[] modalities = [.. manifest.Modalities.Select(entry => entry.Encoder is null ? entry : entry with { Sha256 = CopyFolder(entry.Encoder, entry.Sha256) })];
        AdapterEntry? adapter = manifest.Adapter is { } a ? a with { Sha256 = CopyFolder(a.Folder, a.Sha256)! } : null;
        return manifest with { Modalities = modalities, Adapter = adapter, WeightsSha256 = ModelFiles.Sha256(Path.Combine(output, TrainedModel.WeightsFile)) };

        string? CopyFolder(string relative, string? sha256)
        {
            string from = ModelFiles.Inside(folder, relative), to = ModelFiles.Inside(output, relative);
            Directory.CreateDirectory(to);
            foreach (string file in Directory.GetFiles(from))
            {
                string target = Path.Combine(to, Path.GetFileName(file));
                if (Path.GetExtension(file) != ".safetensors")
                {
                    AtomicFile.Copy(file, target);
                    continue;
                }

                HalfPrecision.Copy(file, target);
                sha256 = ModelFiles.Sha256(target);
            }

            return sha256;
        }
    }

    private static ModelManifest Rewrite(string folder, ModelManifest manifest, ReleaseEntry release)
    {
        manifest = manifest with { Release = release };
        manifest = manifest with { FormatVersion = manifest.FormatNeeded() };
        AtomicFile.Write(Path.Combine(folder, TrainedModel.ManifestFile), JsonSerializer.Serialize(manifest, ModelManifest.Json));
        return manifest;
    }

    private static IntervalSet Calibrate(TrainedModel model, IReadOnlyList<Modality> set, IReadOnlyList<Source> sources, string device, Action<string>? progress, CancellationToken cancellation)
    {
        progress?.Invoke($"calibrating intervals from {string.Join(", ", set)}");
        Predictor predictor = new(model, device, modalities: set);
        Dictionary<string, (List<SpreadFeatures> Features, List<double> Errors)> known = model.Manifest!.Targets.ToDictionary(t => t.Name, _ => (new List<SpreadFeatures>(), new List<double>()));
        foreach (Source source in sources)
        {
            foreach (RowPrediction prediction in predictor.Predict(source.Calibration, cancellation))
            {
                if (prediction.Values is not { } values || !IsFrom(prediction, set)) continue;
                for (int t = 0; t < source.Targets.Count; t++)
                {
                    float truth = prediction.Row.Sample!.Targets[t];
                    if (float.IsNaN(truth)) continue;
                    int place = predictor.Targets.Index().First(target => target.Item.Name == source.Targets[t]).Index;
                    known[source.Targets[t]].Features.Add(predictor.FeaturesOf(prediction, place));
                    known[source.Targets[t]].Errors.Add(Math.Abs(model.Scaler.Scale(truth, place) - model.Scaler.Scale(values[place], place)));
                }
            }
        }

        return new IntervalSet([.. set.Select(m => m.Name)], [.. known.Select(k => ConformalCalibration.Calibrate(k.Key, k.Value.Features, k.Value.Errors)).OfType<IntervalEntry>()]);
    }

    /// <summary>Whether a molecule was predicted from all of a set's modalities: of these alone the intervals of the set are meant.</summary>
    private static bool IsFrom(RowPrediction prediction, IReadOnlyList<Modality> set) => prediction.Given is { } given && given.SequenceEqual(set.Select(m => m.Name));

    private static IEnumerable<ReleaseMetrics> Measure(TrainedModel model, IReadOnlyList<IReadOnlyList<Modality>> sets, Source source, string device, Action<string>? progress, CancellationToken cancellation)
    {
        if (source.Splits.Test.Count == 0) yield break;
        HashSet<DataRow> alone = new(source.WithoutTwins, ReferenceEqualityComparer.Instance);
        foreach (IReadOnlyList<Modality> set in sets)
        {
            progress?.Invoke($"measuring on {source.Name} from {string.Join(", ", set)}");
            Predictor predictor = new(model, device, modalities: set);
            // A molecule without its text counts with those modalities that follow from a SMILES.
            RowPrediction[] predictions = [.. predictor.Predict(source.Splits.Test, cancellation).Where(p => p.Values is null || IsFrom(p, set))];
            if (predictions.All(p => p.Values is null)) continue;
            foreach ((string part, IEnumerable<RowPrediction> rows) in new[] { (TestPart, predictions), (AlonePart, predictions.Where(p => alone.Contains(p.Row))) })
            {
                if (part == AlonePart && source.Splits.Test.Count - alone.Count < LeastTwins * source.Splits.Test.Count) continue;
                foreach ((string target, TargetMetrics metrics) in Evaluator.Report(predictor, source.Targets, rows).Targets)
                    yield return new ReleaseMetrics(source.Name, part, [.. set.Select(m => m.Name)], target, metrics);
            }
        }
    }

    /// <summary>The test metrics beside the constant predictor, as every manifest has them; training and validation metrics of before the rounding are left out.</summary>
    private static Comparison Beside(ModelManifest manifest, ReleaseEntry release, IReadOnlyList<Source> sources)
    {
        List<ComparisonRow> rows = [];
        foreach (Source source in sources)
        {
            float[][] truth = [.. source.Splits.Test.Select(r => r.Sample!.Targets)];
            string[] units = [.. source.Targets.Select(target => manifest.Targets.First(t => t.Name == target).Unit)];
            IReadOnlyList<string>? first = release.Test.FirstOrDefault(r => r.Data == source.Name)?.Modalities;
            if (first is null) continue;
            rows.AddRange(release.Test.Where(r => r.Data == source.Name && r.Part == TestPart && r.Modalities.SequenceEqual(first))
                .Select((r, t) => new ComparisonRow(TestPart, r.Target, units[t], Comparison.Model, r.Metrics)));
            ConstantPredictor constant = ConstantPredictor.Fit([.. source.Splits.Train.Select(r => r.Sample!.Targets)]);
            rows.AddRange(Comparison.Empty.With(TestPart, Comparison.Constant, source.Targets, units, truth, constant.Predict(truth.Length)).Rows);
        }

        return new Comparison(rows);
    }
}
