using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Modalities;

namespace LlmFusion.Training;

/// <summary>The molecules of a run, parsed and represented, by part.</summary>
/// <param name="Representation">What was computed of each.</param>
/// <param name="Prepared">The rows of each part; without the test split where that is not asked for.</param>
/// <param name="Refused">Rows that cannot be used.</param>
internal sealed record RunRows(RepresentationOptions Representation, IReadOnlyDictionary<string, PreparedRows> Prepared, IReadOnlyList<RowError> Refused)
{
    /// <summary>Parses and represents every row.</summary>
    /// <param name="config">A checked configuration.</param>
    /// <param name="splits">Its data.</param>
    /// <param name="initial">The model that the run begins from, or null.</param>
    /// <param name="observe">Receives progress.</param>
    /// <param name="cancellation">Stops between rows.</param>
    /// <exception cref="BadRowsException">Rows cannot be used, and they were not to be skipped.</exception>
    /// <exception cref="InvalidDataException">Nothing is left of training or validation, or no training molecule has a modality.</exception>
    public static RunRows Prepare(RunConfig config, DataSplits splits, InitialModel? initial, Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        RepresentationOptions representation = RepresentationOf(config, initial);
        RequireColumns(representation, splits);
        Dictionary<string, PreparedRows> prepared = [];
        foreach ((string name, IReadOnlyList<DataRow> rows) in splits.InOrder())
        {
            if (name == Parts.Test && !config.EvaluateTest) continue;
            prepared[name] = PreparedRows.Of(rows, representation, done => observe(new PreparationProgress(name, done, rows.Count)), cancellation);
        }

        List<RowError> refused = [.. splits.Refused.Select(r => r.Error!), .. prepared.Values.SelectMany(p => p.Refused)];
        if (refused.Count > 0 && !config.SkipBadRows) throw new BadRowsException([.. refused.OrderBy(e => e.File, StringComparer.Ordinal).ThenBy(e => e.Line)]);
        foreach (string part in new[] { Parts.Train, Parts.Valid })
            if (prepared[part].Rows.Count == 0) throw new InvalidDataException($"{splits.Name}: the {part} split has no rows, expected at least one");
        // A model that the run begins from may know a modality that is missing here.
        if (initial is null)
            foreach (Modality modality in representation.Modalities.Where(m => m.Kind is ModalityKind.Text or ModalityKind.Columns or ModalityKind.Vectors)) // what the user gives
                if (!prepared[Parts.Train].Representations.Any(read => read.Has(modality)))
                    throw new InvalidDataException($"{splits.Name}: got {modality} for none of {prepared[Parts.Train].Rows.Count} training molecules, expected it for some; {(modality.Kind == ModalityKind.Text ? "leave it out of --modalities, or name the column of texts with --text-column" : "leave out its --modality, or give what these molecules have")}");
        return new RunRows(representation, prepared, refused);
    }

    /// <summary>What a model reads of each part.</summary>
    /// <param name="encoder">From representations to what is read.</param>
    /// <param name="observe">Receives the progress of frozen encoders.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="BadRowsException">Nothing is left of a molecule: its only text had no token.</exception>
    public Dictionary<string, SplitInputs> Encode(InputEncoder encoder, Action<TrainingEvent> observe, CancellationToken cancellation) =>
        Prepared.ToDictionary(p => p.Key, p => Encode(p.Key, p.Value, encoder, observe, cancellation));

    /// <summary>What a resumed run must find unchanged: the split, what the network reads of it, its targets, the frozen encoders, and the model it began from.</summary>
    /// <param name="splits">The data.</param>
    /// <param name="encoder">What encodes it; null where only fingerprints are read.</param>
    /// <param name="initial">The model that the run begins from, or null.</param>
    public string Sha256(DataSplits splits, InputEncoder? encoder, InitialModel? initial = null)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        string[] files = encoder is null ? [] : [.. encoder.Frozen.Values.Select(f => f.Identity ?? f.FilesSha256), .. encoder.Tuned.Values.Select(t => t.Origin.FilesSha256), .. encoder.Representation.Vectors.Values.Select(v => v.Sha256)];
        foreach (string line in files.Prepend(splits.Sha256))
            hash.AppendData(Encoding.UTF8.GetBytes(line + "\n"));
        if (initial is not null) hash.AppendData(Encoding.UTF8.GetBytes(initial.Entry.WeightsSha256 + "\n"));
        foreach (string part in new[] { Parts.Train, Parts.Valid })
            foreach ((DataRow row, Representations read) in Prepared[part].Rows.Zip(Prepared[part].Representations))
            {
                hash.AppendData(MemoryMarshal.AsBytes<float>(row.Sample!.Targets));
                if (read.Text is { } text) hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
                foreach (float[] numbers in read.Numbers.OrderBy(n => n.Key.Name, StringComparer.Ordinal).Select(n => n.Value)) hash.AppendData(MemoryMarshal.AsBytes<float>(numbers));
            }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static RepresentationOptions RepresentationOf(RunConfig config, InitialModel? initial)
    {
        IReadOnlyDictionary<Modality, string[]> defined = config.DefinedModalities();
        return new RepresentationOptions
        {
            Modalities = config.StackOrder(),
            Fingerprint = config.Fingerprint,
            SmilesForm = config.SmilesForm,
            Columns = defined.Where(d => d.Key.Kind == ModalityKind.Columns).ToDictionary(d => d.Key, d => (IReadOnlyList<string>)d.Value),
            Vectors = defined.Where(d => d.Key.Kind == ModalityKind.Vectors).ToDictionary(d => d.Key, d => VectorTable.Load(d.Value[0]) is var table && initial?.Inputs.Components.GetValueOrDefault(d.Key) is { } order ? table.InOrder(order) : table),
        };
    }

    /// <summary>
    /// A misspelt column must not look like one that is blank everywhere, a target must not be its own input, and vectors found
    /// by identifier need identifiers.
    /// </summary>
    private static void RequireColumns(RepresentationOptions representation, DataSplits splits)
    {
        TableLayout[] layouts = [.. splits.InOrder().SelectMany(s => s.Rows).Select(r => r.Layout).Distinct()];
        foreach (TableLayout layout in layouts)
            foreach (VectorTable table in representation.Vectors.Values) table.RequireKeyIn(layout);
        foreach ((Modality modality, IReadOnlyList<string> columns) in representation.Columns)
            foreach (string column in columns)
                foreach (TableLayout layout in layouts)
                {
                    // A target may have been found in a column of another case.
                    if (layout.IndexOf(column) is var place && place < 0)
                        throw new DataFileException(new RowError(layout.File, 0, null, $"no column {column} for the modality {modality}", $"it among {string.Join(", ", layout.Columns)}"));
                    if (splits.Targets.Contains(column) || layout.TargetColumns.Contains(place))
                        throw new ArgumentException($"modality {modality}: column {column} is a target, expected other columns");
                }
    }

    private static SplitInputs Encode(string part, PreparedRows rows, InputEncoder encoder, Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        MoleculeInputs[] inputs = encoder.Encode(rows.Representations,
            (modality, done, total) => observe(new EmbeddingProgress(part, modality.Name, encoder.Frozen[modality].Name, done, total)), cancellation);
        if (Array.FindIndex(inputs, i => i.IsEmpty) is >= 0 and var empty)
            throw new BadRowsException([rows.Rows[empty].Refuse(null, "a molecule without a token in any modality", "at least one").Error!]);
        return new SplitInputs(rows.Rows, inputs, [.. rows.Rows.Select(r => r.Sample!.Targets)]);
    }
}
