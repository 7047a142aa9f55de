using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Prediction;

/// <summary>One row's prediction, in the row's place.</summary>
/// <param name="Row">The row of the file.</param>
/// <param name="Values">One value per target in its unit; null where the row was refused.</param>
/// <param name="Error">Why the row was refused; null where it was predicted.</param>
public sealed record RowPrediction(DataRow Row, float[]? Values, RowError? Error);

/// <summary>How many rows were written.</summary>
/// <param name="Rows">All rows.</param>
/// <param name="Refused">Rows without a prediction.</param>
public sealed record PredictionSummary(long Rows, long Refused);

/// <summary>Predicts the rows of a file as a stream, in order, whatever the file's size.</summary>
public sealed class Predictor
{
    private const int ChunkSize = 2048; // rows in memory at once; within a chunk rows of like length share a batch

    private const string ErrorColumn = "error";

    private readonly TrainedModel _model;
    private readonly Device _device;
    private readonly int _batchSize;

    /// <param name="model">A loaded model; stays the caller's.</param>
    /// <param name="device"><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</param>
    /// <param name="batchSize">Molecules per forward pass.</param>
    /// <param name="store">Where embeddings of frozen encoders are kept; null: nowhere. Stays the caller's.</param>
    public Predictor(TrainedModel model, string device = "auto", int batchSize = 128, EmbeddingStore? store = null)
    {
        _model = model;
        _device = ComputeDevice.Resolve(device);
        _batchSize = batchSize;
        model.Network.to(_device);
        model.Inputs.Use(store, _device);
    }

    /// <summary>The properties predicted.</summary>
    public IReadOnlyList<TargetEntry> Targets => _model.Manifest!.Targets;

    /// <summary>Writes a file's columns, one column per target, and <c>error</c>; every row in its place, a bad one with its reason.</summary>
    /// <param name="file">The molecules.</param>
    /// <param name="output">Table to write, by its extension; <c>-</c> is CSV on stdout.</param>
    /// <param name="progress">Called with the number of rows done.</param>
    /// <param name="cancellation">Stops between chunks; nothing is written then.</param>
    public PredictionSummary PredictFile(DataFile file, string output, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        string[] targets = [.. Targets.Select(t => Unused(t.Name, file.Columns))];
        TableWriter.RequireOther(output, file.Path);
        RequireKeys(file.Layout);
        // Scripts read `error`: a column of that name in the input gives way.
        using TableWriter writer = TableWriter.Open(output, [.. file.Columns.Select(c => new OutputColumn(c == ErrorColumn ? Unused("error_input", file.Columns) : c)),
            .. targets.Select(t => new OutputColumn(t, ColumnKind.Real)), new OutputColumn(ErrorColumn)]);
        long refused = 0;
        foreach (RowPrediction prediction in Predict(file.Rows(), cancellation))
        {
            if (prediction.Error is not null) refused++;
            writer.Write([.. Enumerable.Range(0, file.Columns.Count).Select(c => (object?)prediction.Row.Field(c)),
                .. Enumerable.Range(0, targets.Length).Select(t => (object?)prediction.Values?[t]), prediction.Error?.Message]);
            progress?.Invoke(writer.Rows);
        }

        writer.Commit();
        return new PredictionSummary(writer.Rows, refused);
    }

    /// <summary>Fails where vectors are found by an identifier that a file does not have.</summary>
    /// <exception cref="DataFileException">It has no column of identifiers.</exception>
    public void RequireKeys(TableLayout layout)
    {
        foreach (VectorTable table in _model.Inputs.Representation.Vectors.Values) table.RequireKeyIn(layout);
    }

    /// <summary>The predictions in the order of <paramref name="rows"/>; a row that cannot be predicted keeps its place with the reason.</summary>
    public IEnumerable<RowPrediction> Predict(IEnumerable<DataRow> rows, CancellationToken cancellation = default)
    {
        // Parsing runs ahead on all cores while the network works on a chunk.
        IEnumerable<(DataRow Row, Representations? Of, RowError? Error)> represented =
            MoleculeBatch.Select(rows, row => Representations.OfRow(row, _model.Inputs.Representation), ct: cancellation);
        foreach ((DataRow Row, Representations? Of, RowError? Error)[] chunk in represented.Chunk(ChunkSize))
        {
            cancellation.ThrowIfCancellationRequested();
            MoleculeInputs[] inputs = _model.Inputs.Encode([.. chunk.Where(r => r.Of is not null).Select(r => r.Of!)], cancellation: cancellation);
            float[][] values = _model.Predict([.. inputs.Where(i => !i.IsEmpty)], _batchSize, _device);
            int next = 0, nextValue = 0;
            foreach ((DataRow row, Representations? of, RowError? error) in chunk)
            {
                if (of is not null && inputs[next++].IsEmpty)
                {
                    yield return new RowPrediction(row, null, row.Refuse(null, "a molecule without a token in any modality", "at least one").Error);
                    continue;
                }

                float[]? predicted = of is null ? null : values[nextValue++];
                yield return predicted is null || predicted.All(float.IsFinite)
                    ? new RowPrediction(row, predicted, error)
                    : new RowPrediction(row, null, row.Refuse(null, "a prediction that is no finite number", "a finite one").Error);
            }
        }
    }

    /// <summary>A file that already has a column of that name keeps it; the prediction stands beside it as NAME_predicted.</summary>
    private static string Unused(string name, IReadOnlyList<string> columns)
    {
        while (columns.Contains(name)) name += "_predicted";
        return name;
    }
}
