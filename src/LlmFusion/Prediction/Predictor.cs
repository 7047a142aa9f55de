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

/// <summary>Predicts the rows of a file as a stream, in order, whatever the file's size.</summary>
public sealed class Predictor
{
    private const int ChunkSize = 2048; // rows in memory at once; within a chunk rows of like length share a batch

    private const string ErrorColumn = "error", DomainColumn = "domain", InsideDomain = "ok";

    private readonly PredictiveModel _model;
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
    {
        _model = model;
        _device = ComputeDevice.Resolve(device);
        _batchSize = batchSize;
        IReadOnlyList<Modality> known = model.Inputs.Representation.Modalities;
        if (modalities?.FirstOrDefault(m => !known.Contains(m)) is { } unknown)
            throw new ArgumentException($"modality {unknown}: the model has none of that name, expected some of {string.Join(", ", known)}");
        _representation = model.Inputs.Representation.Only(modalities ?? known) with { Facts = model.Domains.Count > 0 };
        _domainsOf = [.. Targets.Select(t => DomainsOf(model.Domains, t.Name))];
        model.MoveTo(_device);
        model.Inputs.Use(store, _device);
    }

    /// <summary>The properties predicted.</summary>
    public IReadOnlyList<TargetEntry> Targets => _model.Manifest!.Targets;

    /// <summary>The modalities that molecules are given by, in stack order.</summary>
    public IReadOnlyList<Modality> Modalities => _representation.Modalities;

    /// <summary>
    /// Writes a file's columns, one column per target (and its interval's ends, and whether the molecule is like those trained on,
    /// where the model knows), and <c>error</c>; every row in its place, a bad one with its reason.
    /// </summary>
    /// <param name="file">The molecules.</param>
    /// <param name="output">Table to write, by its extension; <c>-</c> is CSV on stdout.</param>
    /// <param name="progress">Called with the number of rows done.</param>
    /// <param name="cancellation">Stops between chunks; nothing is written then.</param>
    public PredictionSummary PredictFile(DataFile file, string output, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        bool release = _model.Manifest!.Release is not null;
        string[] targets = [.. Targets.SelectMany(t => release ? new[] { t.Name, $"{t.Name}_lower", $"{t.Name}_upper" } : [t.Name]).Select(name => Unused(name, file.Columns))];
        TableWriter.RequireOther(output, file.Path);
        RequireKeys(file.Layout);
        // Scripts read `error`: a column of that name in the input gives way.
        using TableWriter writer = TableWriter.Open(output, [.. file.Columns.Select(c => new OutputColumn(c == ErrorColumn ? Unused("error_input", file.Columns) : c)),
            .. targets.Select(t => new OutputColumn(t, ColumnKind.Real)),
            .. release ? new[] { new OutputColumn(Unused(DomainColumn, file.Columns)) } : [], new OutputColumn(ErrorColumn)]);
        long refused = 0;
        foreach (RowPrediction prediction in Predict(file.Rows(), cancellation))
        {
            if (prediction.Error is not null) refused++;
            writer.Write([.. Enumerable.Range(0, file.Columns.Count).Select(c => (object?)prediction.Row.Field(c)),
                .. Enumerable.Range(0, Targets.Count).SelectMany(t => Cells(prediction, t, release)),
                .. release ? new object?[] { DomainText(prediction) } : [], prediction.Error?.Message]);
            progress?.Invoke(writer.Rows);
        }

        writer.Commit();
        return new PredictionSummary(writer.Rows, refused);
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
            MoleculeInputs[] inputs = _model.Inputs.Encode([.. chunk.Where(r => r.Of is not null).Select(r => r.Of!)], cancellation: cancellation);
            float[][] values = _model.Predict([.. inputs.Where(i => !i.IsEmpty)], _batchSize, _device);
            int next = 0, nextValue = 0;
            foreach ((DataRow row, Representations? of, RowError? error, Likeness? likeness) in chunk)
            {
                if (of is null)
                {
                    yield return new RowPrediction(row, null, error);
                    continue;
                }

                if (inputs[next++].IsEmpty)
                {
                    yield return new RowPrediction(row, null, row.Refuse(null, "a molecule without a token in any modality", "at least one").Error);
                    continue;
                }

                float[] predicted = values[nextValue++];
                string[] given = [.. Modalities.Where(m => m.IsComputed || of.Has(m)).Select(m => m.Name)];
                yield return predicted.All(float.IsFinite)
                    ? new RowPrediction(row, predicted, null) { Intervals = IntervalsOf(given, predicted, likeness), Outside = OutsideOf(likeness), Likeness = likeness, Given = given }
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

    private static IEnumerable<object?> Cells(RowPrediction prediction, int target, bool interval) => !interval ? [prediction.Values?[target]]
        : [prediction.Values?[target], prediction.Intervals?[target]?.Lower, prediction.Intervals?[target]?.Upper];

    private (DataRow Row, Representations? Of, RowError? Error, Likeness? Likeness) Represent(DataRow row)
    {
        (_, Representations? of, RowError? error) = Representations.OfRow(row, _representation);
        return (row, of, error, of?.Facts is { } facts ? new Likeness(facts, [.. _model.Domains.Select(d => d.Similarity(facts.Fingerprint))]) : null);
    }

    /// <summary>Of the set of modalities that was calibrated: those asked for, without what the user would have had to give for this molecule and did not.</summary>
    private PredictionInterval?[]? IntervalsOf(string[] given, float[] values, Likeness? likeness)
    {
        if (_model.Manifest!.Release?.Find(given) is not { } set) return null;
        return [.. Targets.Select((target, t) => set.Targets.FirstOrDefault(e => e.Target == target.Name) is { } entry ? Interval(entry, t) : (PredictionInterval?)null)];

        PredictionInterval Interval(IntervalEntry entry, int t)
        {
            double scaled = _model.Scaler.Scale(values[t], t), reach = entry.Quantile * (entry.Spread?.At(Features(likeness!, values[t], t)) ?? 1);
            return new PredictionInterval(_model.Scaler.Unscale((float)(scaled - reach), t), _model.Scaler.Unscale((float)(scaled + reach), t));
        }
    }

    private List<OutsideDomain>? OutsideOf(Likeness? likeness) => likeness is null ? null
        : [.. _model.Domains.Select((domain, d) => domain.Outside(likeness.Facts, likeness.Similarities[d]) is { } reason
            ? new OutsideDomain(domain.Entry.Data, domain.Entry.Targets, reason) : null).OfType<OutsideDomain>()];

    private SpreadFeatures Features(Likeness likeness, float value, int target) =>
        new(_domainsOf[target].Max(d => likeness.Similarities[d]), likeness.Facts.HeavyAtoms, _model.Scaler.Scale(value, target));

    /// <summary>The data sets that a target was learned from; all of them where none says so.</summary>
    private static int[] DomainsOf(IReadOnlyList<TrainingDomain> domains, string target)
    {
        int[] some = [.. domains.Index().Where(d => d.Item.Entry.Targets.Contains(target)).Select(d => d.Index)];
        return some.Length > 0 ? some : [.. Enumerable.Range(0, domains.Count)];
    }

    /// <summary>A file that already has a column of that name keeps it; the prediction stands beside it as NAME_predicted.</summary>
    private static string Unused(string name, IReadOnlyList<string> columns)
    {
        while (columns.Contains(name)) name += "_predicted";
        return name;
    }
}
