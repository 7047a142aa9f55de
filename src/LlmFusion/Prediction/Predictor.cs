using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Prediction;

/// <summary>Between which values a property lies, with the coverage that the model was calibrated for.</summary>
/// <param name="Lower">Lower end, in the target's unit.</param>
/// <param name="Upper">Upper end.</param>
public readonly record struct PredictionInterval(float Lower, float Upper);

/// <summary>A molecule is unlike the training molecules of a data set.</summary>
/// <param name="Data">The data set.</param>
/// <param name="Targets">The targets learned from it.</param>
/// <param name="Reason">In what the molecule is unlike.</param>
public sealed record OutsideDomain(string Data, IReadOnlyList<string> Targets, string Reason);

/// <summary>One row's prediction, in the row's place.</summary>
/// <param name="Row">The row of the file.</param>
/// <param name="Values">One value per target in its unit; null where the row was refused.</param>
/// <param name="Error">Why the row was refused; null where it was predicted.</param>
public sealed record RowPrediction(DataRow Row, float[]? Values, RowError? Error)
{
    /// <summary>One interval per target, null for a target without; null where the row was refused, or the model has none for its modalities.</summary>
    public PredictionInterval?[]? Intervals { get; init; }

    /// <summary>How far several models differ, one sample standard deviation per target in its unit; null where one model predicted, or the row was refused.</summary>
    public float[]? Deviations { get; init; }

    /// <summary>The data sets whose training molecules it is unlike; null where the row was refused, or the model does not know.</summary>
    public IReadOnlyList<OutsideDomain>? Outside { get; init; }

    /// <summary>Names of the modalities that were given for it, in stack order; null where the row was refused.</summary>
    internal IReadOnlyList<string>? Given { get; init; }

    /// <summary>How like the training molecules it is; null where the row was refused, or the model does not know.</summary>
    internal Likeness? Likeness { get; init; }
}

/// <summary>How like the training molecules a molecule is.</summary>
/// <param name="Facts">The molecule.</param>
/// <param name="Similarities">Its similarity to the nearest molecule of each domain.</param>
internal sealed record Likeness(MoleculeFacts Facts, double[] Similarities);

/// <summary>How many rows were written.</summary>
/// <param name="Rows">All rows.</param>
/// <param name="Refused">Rows without a prediction.</param>
public sealed record PredictionSummary(long Rows, long Refused);

/// <summary>
/// Predicts the rows of a file as a stream, in order, whatever the file's size; with several models the mean of their predictions
/// (deep ensembles, Lakshminarayanan et al. 2017), without the intervals, which are calibrated for each alone.
/// </summary>
public sealed class Predictor
{
    private const int ChunkSize = 2048; // rows in memory at once; within a chunk rows of like length share a batch

    private const string ErrorColumn = "error", DomainColumn = "domain", InsideDomain = "ok";

    private readonly IReadOnlyList<PredictiveModel> _models;
    private readonly ReleaseEntry? _release;
    private readonly IReadOnlyList<TrainingDomain> _domains;
    private readonly RepresentationOptions _representation;
    private readonly int[][] _domainsOf; // by target
    private readonly Device _device;
    private readonly int _batchSize;

    /// <param name="model">A loaded model; stays the caller's.</param>
    /// <param name="device"><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</param>
    /// <param name="batchSize">Molecules per forward pass.</param>
    /// <param name="store">Where embeddings of frozen encoders are kept; null: nowhere. Stays the caller's.</param>
    /// <param name="modalities">Those of the model's modalities that molecules are given by, the others count as missing; null: all.</param>
    /// <exception cref="ArgumentException">The model has not all of the modalities.</exception>
    public Predictor(PredictiveModel model, string device = "auto", int batchSize = 128, EmbeddingStore? store = null, IReadOnlyList<Modality>? modalities = null)
        : this([model], device, batchSize, store, modalities)
    {
    }

    /// <param name="models">Loaded models of the same representations and targets, at least one; they stay the caller's.</param>
    /// <param name="device"><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</param>
    /// <param name="batchSize">Molecules per forward pass.</param>
    /// <param name="store">Where embeddings of frozen encoders are kept; null: nowhere. Stays the caller's.</param>
    /// <param name="modalities">Those of the models' modalities that molecules are given by, the others count as missing; null: all.</param>
    /// <exception cref="ArgumentException">The models differ in what they read or predict, or have not all of the modalities.</exception>
    public Predictor(IReadOnlyList<PredictiveModel> models, string device = "auto", int batchSize = 128, EmbeddingStore? store = null, IReadOnlyList<Modality>? modalities = null)
    {
        _models = models.Count > 0 ? models : throw new ArgumentException("models: got none, expected at least one");
        RequireAlike();
        _release = models.Count == 1 ? models[0].Manifest!.Release : null;
        _domains = [.. models.DistinctBy(m => m.Manifest!.Release?.DomainSha256).SelectMany(m => m.Domains)];
        _device = ComputeDevice.Resolve(device);
        _batchSize = batchSize;
        RepresentationOptions representation = models[0].Inputs.Representation;
        IReadOnlyList<Modality> known = representation.Modalities;
        if (modalities?.FirstOrDefault(m => !known.Contains(m)) is { } unknown)
            throw new ArgumentException($"modality {unknown}: the model has none of that name, expected some of {string.Join(", ", known)}");
        _representation = representation.Only(modalities ?? known) with { Facts = _domains.Count > 0 };
        _domainsOf = [.. Targets.Select(t => DomainsOf(_domains, t.Name))];
        foreach (PredictiveModel model in models)
        {
            model.MoveTo(_device);
            model.Inputs.Use(store, _device);
        }
    }

    /// <summary>The properties predicted.</summary>
    public IReadOnlyList<TargetEntry> Targets => _models[0].Manifest!.Targets;

    /// <summary>The modalities that molecules are given by, in stack order.</summary>
    public IReadOnlyList<Modality> Modalities => _representation.Modalities;

    private TargetScaler Scaler => _models[0].Scaler;

    /// <summary>
    /// Writes a file's columns, one column per target (and its interval's ends, and whether the molecule is like those trained on,
    /// where the model knows; with several models how far they differ), and <c>error</c>; every row in its place, a bad one with its reason.
    /// </summary>
    /// <param name="file">The molecules.</param>
    /// <param name="output">Table to write, by its extension; <c>-</c> is CSV on stdout.</param>
    /// <param name="progress">Called with the number of rows done.</param>
    /// <param name="cancellation">Stops between chunks; nothing is written then.</param>
    public PredictionSummary PredictFile(DataFile file, string output, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        bool intervals = _release is not null, domain = _domains.Count > 0, deviations = _models.Count > 1;
        HashSet<string> used = [.. file.Columns];
        string[] targets = [.. Targets.SelectMany(t => new[] { t.Name }.Concat(intervals ? [$"{t.Name}_lower", $"{t.Name}_upper"] : deviations ? [$"{t.Name}_deviation"] : [])).Select(name => Unused(name, used))];
        TableWriter.RequireOther(output, file.Path);
        RequireKeys(file.Layout);
        // Scripts read `error`: a column of that name in the input gives way.
        using TableWriter writer = TableWriter.Open(output, [.. file.Columns.Select(c => new OutputColumn(c == ErrorColumn ? Unused("error_input", used) : c)),
            .. targets.Select(t => new OutputColumn(t, ColumnKind.Real)),
            .. domain ? new[] { new OutputColumn(Unused(DomainColumn, used)) } : [], new OutputColumn(ErrorColumn)]);
        long refused = 0;
        foreach (RowPrediction prediction in Predict(file.Rows(), cancellation))
        {
            if (prediction.Error is not null) refused++;
            writer.Write([.. Enumerable.Range(0, file.Columns.Count).Select(c => (object?)prediction.Row.Field(c)),
                .. Enumerable.Range(0, Targets.Count).SelectMany(t => Cells(prediction, t)),
                .. domain ? new object?[] { DomainText(prediction) } : [], prediction.Error?.Message]);
            progress?.Invoke(writer.Rows);
        }

        writer.Commit();
        return new PredictionSummary(writer.Rows, refused);

        IEnumerable<object?> Cells(RowPrediction prediction, int t) => intervals ? [prediction.Values?[t], prediction.Intervals?[t]?.Lower, prediction.Intervals?[t]?.Upper]
            : deviations ? [prediction.Values?[t], prediction.Deviations?[t]] : [prediction.Values?[t]];
    }

    /// <summary>Fails where vectors are found by an identifier that a file does not have.</summary>
    /// <exception cref="DataFileException">It has no column of identifiers.</exception>
    public void RequireKeys(TableLayout layout)
    {
        foreach (VectorTable table in _representation.Vectors.Values) table.RequireKeyIn(layout);
    }

    /// <summary>The predictions in the order of <paramref name="rows"/>; a row that cannot be predicted keeps its place with the reason.</summary>
    public IEnumerable<RowPrediction> Predict(IEnumerable<DataRow> rows, CancellationToken cancellation = default)
    {
        // Parsing runs ahead on all cores while the network works on a chunk.
        IEnumerable<(DataRow Row, Representations? Of, RowError? Error, Likeness? Likeness)> represented = MoleculeBatch.Select(rows, Represent, ct: cancellation);
        foreach ((DataRow Row, Representations? Of, RowError? Error, Likeness? Likeness)[] chunk in represented.Chunk(ChunkSize))
        {
            cancellation.ThrowIfCancellationRequested();
            Representations[] read = [.. chunk.Where(r => r.Of is not null).Select(r => r.Of!)];
            MoleculeInputs[][] inputs = [.. _models.Select(model => model.Inputs.Encode(read, cancellation: cancellation))];
            bool[] empty = [.. Enumerable.Range(0, read.Length).Select(i => inputs.Any(own => own[i].IsEmpty))];
            float[][][] values = [.. _models.Zip(inputs, (model, own) => model.Predict([.. own.Where((_, i) => !empty[i])], _batchSize, _device))]; // by model and molecule
            int next = 0, nextValue = 0;
            foreach ((DataRow row, Representations? of, RowError? error, Likeness? likeness) in chunk)
            {
                if (of is null)
                {
                    yield return new RowPrediction(row, null, error);
                    continue;
                }

                if (empty[next++])
                {
                    yield return new RowPrediction(row, null, row.Refuse(null, "a molecule without a token in any modality", "at least one").Error);
                    continue;
                }

                float[][] all = [.. values.Select(own => own[nextValue])];
                nextValue++;
                float[] predicted = Mean(all);
                string[] given = [.. Modalities.Where(m => m.IsComputed || of.Has(m)).Select(m => m.Name)];
                yield return predicted.All(float.IsFinite)
                    ? new RowPrediction(row, predicted, null) { Intervals = IntervalsOf(given, predicted, likeness), Deviations = DeviationsOf(all, predicted), Outside = OutsideOf(likeness), Likeness = likeness, Given = given }
                    : new RowPrediction(row, null, row.Refuse(null, "a prediction that is no finite number", "a finite one").Error);
            }
        }
    }

    /// <summary>What calibration needs of a prediction.</summary>
    /// <param name="prediction">A row that was predicted, by a model with domains.</param>
    /// <param name="target">Index of a target.</param>
    internal SpreadFeatures FeaturesOf(RowPrediction prediction, int target) => Features(prediction.Likeness!, prediction.Values![target], target);

    private static string? DomainText(RowPrediction prediction) => prediction.Outside is not { } outside ? null
        : outside.Count == 0 ? InsideDomain : string.Join(" | ", outside.Select(o => $"{o.Data}: {o.Reason}"));

    private static float[] Mean(float[][] all) => all.Length == 1 ? all[0] : [.. Enumerable.Range(0, all[0].Length).Select(t => (float)all.Average(values => (double)values[t]))];

    private static float[]? DeviationsOf(float[][] all, float[] mean) => all.Length == 1 ? null
        : [.. mean.Select((m, t) => (float)Math.Sqrt(all.Sum(values => Math.Pow((double)values[t] - m, 2)) / (all.Length - 1)))];

    /// <summary>Fails where the models cannot read the same molecules, or do not predict the same.</summary>
    private void RequireAlike()
    {
        (string What, Func<PredictiveModel, string> Of)[] parts =
        [
            ("modalities", m => string.Join(", ", Read(m).Modalities)),
            ("fingerprint", m => Read(m) is { Fingerprint: var f, Modalities: var all } && all.Contains(Modality.Fingerprint) ? $"radius {f.Radius}, {f.Size} {(f.Counts ? "counts" : "bits")}" : "none"),
            ("smiles_form", m => Read(m).Modalities.Any(of => of == Modality.Smiles || of == Modality.Selfies) ? $"{Read(m).SmilesForm}" : "none"),
            ("columns", m => string.Join("; ", Read(m).Columns.Select(c => $"{c.Key}: {string.Join(", ", c.Value)}"))),
            ("targets", m => string.Join(", ", m.Manifest!.Targets.Select(t => t.Unit.Length > 0 ? $"{t.Name} ({t.Unit})" : t.Name))),
        ];
        foreach ((string what, Func<PredictiveModel, string> of) in parts)
            foreach ((int i, PredictiveModel model) in _models.Index())
                if (of(model) != of(_models[0])) throw new ArgumentException($"{what} of model {i + 1} of {_models.Count}: got {of(model)}, expected {of(_models[0])} as in the first, to predict together");
        if (_models.GroupBy(m => m.Manifest!.WeightsSha256).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new ArgumentException($"models: got one {twice.Count()} times (its weights have the sha256 {twice.Key}), expected different ones");

        static RepresentationOptions Read(PredictiveModel model) => model.Inputs.Representation;
    }

    private (DataRow Row, Representations? Of, RowError? Error, Likeness? Likeness) Represent(DataRow row)
    {
        (_, Representations? of, RowError? error) = Representations.OfRow(row, _representation);
        return (row, of, error, of?.Facts is { } facts ? new Likeness(facts, [.. _domains.Select(d => d.Similarity(facts.Fingerprint))]) : null);
    }

    /// <summary>Of the set of modalities that was calibrated: those asked for, without what the user would have had to give for this molecule and did not.</summary>
    private PredictionInterval?[]? IntervalsOf(string[] given, float[] values, Likeness? likeness)
    {
        if (_release?.Find(given) is not { } set) return null;
        return [.. Targets.Select((target, t) => set.Targets.FirstOrDefault(e => e.Target == target.Name) is { } entry ? Interval(entry, t) : (PredictionInterval?)null)];

        PredictionInterval Interval(IntervalEntry entry, int t)
        {
            double scaled = Scaler.Scale(values[t], t), reach = entry.Quantile * (entry.Spread?.At(Features(likeness!, values[t], t)) ?? 1);
            return new PredictionInterval(Scaler.Unscale((float)(scaled - reach), t), Scaler.Unscale((float)(scaled + reach), t));
        }
    }

    private List<OutsideDomain>? OutsideOf(Likeness? likeness) => likeness is null ? null
        : [.. _domains.Select((domain, d) => domain.Outside(likeness.Facts, likeness.Similarities[d]) is { } reason
            ? new OutsideDomain(domain.Entry.Data, domain.Entry.Targets, reason) : null).OfType<OutsideDomain>().DistinctBy(o => o.Data)];

    private SpreadFeatures Features(Likeness likeness, float value, int target) =>
        new(_domainsOf[target].Max(d => likeness.Similarities[d]), likeness.Facts.HeavyAtoms, Scaler.Scale(value, target));

    /// <summary>The data sets that a target was learned from; all of them where none says so.</summary>
    private static int[] DomainsOf(IReadOnlyList<TrainingDomain> domains, string target)
    {
        int[] some = [.. domains.Index().Where(d => d.Item.Entry.Targets.Contains(target)).Select(d => d.Index)];
        return some.Length > 0 ? some : [.. Enumerable.Range(0, domains.Count)];
    }

    /// <summary>A file that already has a column of that name keeps it; the prediction stands beside it as NAME_predicted.</summary>
    private static string Unused(string name, HashSet<string> used)
    {
        while (!used.Add(name)) name += "_predicted";
        return name;
    }
}
