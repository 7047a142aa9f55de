using LlmFusion.Chemistry;

namespace LlmFusion.DataSets;

/// <summary>How the fingerprint of <see cref="Featurizer"/> is made.</summary>
public sealed record FeaturizerOptions
{
    /// <summary>The Morgan radius in bonds.</summary>
    public int Radius { get; init; } = 2;

    /// <summary>The fingerprint's number of bits.</summary>
    public int Size { get; init; } = 2048;

    /// <summary>How many threads work, null for all cores.</summary>
    public int? Threads { get; init; }
}

/// <summary>How a table was featurized.</summary>
/// <param name="Rows">All rows, each of which is in the output.</param>
/// <param name="Refused">The rows whose <c>error</c> column says why they have no features.</param>
/// <param name="WithoutSelfies">The valid molecules that SELFIES cannot write.</param>
public sealed record FeaturizerResult(long Rows, long Refused, long WithoutSelfies);

/// <summary>Computes the representations and descriptors of every molecule of a table, as a stream and on all cores.</summary>
public static class Featurizer
{
    /// <summary>The output's columns.</summary>
    public static IReadOnlyList<OutputColumn> Columns { get; } =
    [
        new("id"), new("smiles"), new("canonical_smiles"), new("selfies"), new("morgan"),
        new("logp", ColumnKind.Real), new("qed", ColumnKind.Real), new("mol_weight", ColumnKind.Real), new("tpsa", ColumnKind.Real),
        new("hbd", ColumnKind.Integer), new("hba", ColumnKind.Integer), new("rotatable_bonds", ColumnKind.Integer), new("rings", ColumnKind.Integer),
        new("error"),
    ];

    private static readonly int Selfies = Index("selfies");
    private static readonly int Error = Index("error");

    /// <summary>Writes the features of a table's rows; every row keeps its place.</summary>
    /// <param name="rows">The rows, read once.</param>
    /// <param name="output">The output as <see cref="TableWriter"/> takes it.</param>
    /// <param name="options">The fingerprint's radius and size.</param>
    /// <param name="progress">Told the number of rows done, every thousand and at the end.</param>
    /// <param name="cancellation">Ends the work; then no output is left.</param>
    public static FeaturizerResult Run(
        IEnumerable<DataRow> rows, string output, FeaturizerOptions? options = null, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        options ??= new FeaturizerOptions();
        using TableWriter writer = TableWriter.Open(output, Columns);
        long refused = 0, withoutSelfies = 0;
        foreach (object?[] features in MoleculeBatch.Select(rows, row => Features(row, options), options.Threads, cancellation))
        {
            writer.Write(features);
            if (features[Error] is not null)
                refused++;
            else if (features[Selfies] is null)
                withoutSelfies++;
            if (writer.Rows % 1000 == 0)
                progress?.Invoke(writer.Rows);
        }

        writer.Commit();
        progress?.Invoke(writer.Rows);
        return new FeaturizerResult(writer.Rows, refused, withoutSelfies);
    }

    /// <summary>One row's values in the order of <see cref="Columns"/>; of a refused row only id, smiles and error.</summary>
    public static object?[] Features(DataRow row, FeaturizerOptions options)
    {
        if (row.Sample is not { } sample)
            return Refused(row);
        if (!Molecule.TryParse(sample.Smiles, out Molecule? molecule, out string reason))
            return Refused(row.RefuseMolecule(reason));
        using (molecule)
        {
            try
            {
                string canonical = molecule.CanonicalSmiles;
                return
                [
                    sample.Id, sample.Smiles, canonical, SelfiesOf(sample.Smiles, canonical),
                    string.Join(' ', molecule.MorganBits(options.Radius, options.Size)),
                    molecule.LogP, molecule.Qed, molecule.MolecularWeight, molecule.Tpsa,
                    molecule.HydrogenBondDonors, molecule.HydrogenBondAcceptors, molecule.RotatableBonds, molecule.Rings,
                    null,
                ];
            }
            catch (RdkitException e)
            {
                return Refused(row.RefuseMolecule(e.Message));
            }
        }
    }

    // The SMILES as given, else the canonical one, else none: as the SELFIES model's own loader does it.
    private static string? SelfiesOf(string smiles, string canonical)
    {
        foreach (string candidate in new[] { smiles, canonical })
        {
            try
            {
                return Chemistry.Selfies.Encode(candidate);
            }
            catch (SelfiesException)
            {
            }
        }

        return null;
    }

    private static object?[] Refused(DataRow row)
    {
        var values = new object?[Columns.Count];
        values[0] = row.Id;
        values[1] = row.Smiles;
        values[Error] = row.Error!.Message;
        return values;
    }

    private static int Index(string name) => Columns.Index().First(c => c.Item.Name == name).Index;
}
