using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Modalities;

namespace LlmFusion.Embedding;

/// <summary>How a table was embedded.</summary>
/// <param name="Rows">All rows, each of which is in the output.</param>
/// <param name="Refused">Rows whose <c>error</c> column says why they have no embedding.</param>
/// <param name="Truncated">What was cut off of sequences longer than the encoder reads.</param>
/// <param name="Computed">Sequences that the network computed.</param>
/// <param name="Found">Embeddings that the store had.</param>
public sealed record TableEmbedderResult(long Rows, long Refused, Truncation Truncated, long Computed, long Found);

/// <summary>Embeds every molecule of a table with a frozen encoder, as a stream: memory does not grow with the table.</summary>
public static class TableEmbedder
{
    /// <summary>Rows in memory at once: enough that most lengths fill a batch.</summary>
    private const int ChunkSize = 4096;

    /// <summary>What an encoder reads unless it is said otherwise: RoBERTa SMILES, BART SELFIES, language models text, as in the paper.</summary>
    public static Modality DefaultModality(FrozenEncoder encoder) => encoder.Shape.ModelType switch
    {
        "roberta" => Modality.Smiles,
        "bart" => Modality.Selfies,
        _ => Modality.Text,
    };

    /// <summary>Writes the columns id, smiles, e0 .. e(d-1) and error; every row keeps its place.</summary>
    /// <param name="rows">The rows, read once.</param>
    /// <param name="encoder">The encoder; stays the caller's.</param>
    /// <param name="modality">What it reads: smiles, selfies or text.</param>
    /// <param name="smilesForm">Which spelling SMILES and SELFIES begin with.</param>
    /// <param name="output">The table to write, as <see cref="TableWriter"/> takes it.</param>
    /// <param name="store">Where embeddings are kept; null: nowhere, and duplicates are computed once a chunk of rows. Stays the caller's.</param>
    /// <param name="device"><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</param>
    /// <param name="progress">Called with the number of rows done.</param>
    /// <param name="cancellation">Stops between batches; no output is left then, but the store keeps what was computed.</param>
    public static TableEmbedderResult Run(IEnumerable<DataRow> rows, FrozenEncoder encoder, Modality modality, SmilesForm smilesForm, string output,
        EmbeddingStore? store, string device = "auto", Action<long>? progress = null, CancellationToken cancellation = default)
    {
        RepresentationOptions options = new() { Modalities = [modality], SmilesForm = smilesForm };
        EmbeddingEngine engine = new(encoder, store, ComputeDevice.Resolve(device));
        using TableWriter writer = TableWriter.Open(output,
            [new("id"), new("smiles"), .. Enumerable.Range(0, encoder.Width).Select(i => new OutputColumn($"e{i}", ColumnKind.Single)), new("error")]);
        long refused = 0;
        Truncation truncated = default;
        // Parsing runs ahead on all cores while the network works on a chunk.
        IEnumerable<(DataRow Row, Representations? Of, RowError? Error)> represented = MoleculeBatch.Select(rows, row => Representations.OfRow(row, options), ct: cancellation);
        foreach ((DataRow Row, Representations? Of, RowError? Error)[] chunk in represented.Chunk(ChunkSize))
        {
            long before = writer.Rows;
            Embedded?[] embedded = engine.Embed([.. chunk.Select(row => row.Of?.SequenceOf(modality))], done => progress?.Invoke(before + done), cancellation);
            foreach (((DataRow row, _, RowError? error), Embedded? embedding) in chunk.Zip(embedded))
            {
                RowError? why = error ?? (embedding is null ? row.Refuse(null, "a molecule without a token", "at least one").Error : null);
                if (why is not null) refused++;
                if (embedding?.Dropped > 0) truncated = new Truncation(truncated.Molecules + 1, truncated.Tokens + embedding.Dropped);
                object?[] cells = new object?[encoder.Width + 3];
                (cells[0], cells[1], cells[^1]) = (row.Id, row.Smiles, why?.Message);
                for (int i = 0; embedding is not null && i < encoder.Width; i++) cells[i + 2] = embedding.Vector[i];
                writer.Write(cells);
            }

            progress?.Invoke(writer.Rows);
        }

        writer.Commit();
        return new TableEmbedderResult(writer.Rows, refused, truncated, engine.Computed, engine.Found);
    }
}
