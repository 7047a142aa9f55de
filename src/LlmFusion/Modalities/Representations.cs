using System.Globalization;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;

namespace LlmFusion.Modalities;

/// <summary>Which spelling of the molecule the sequence modalities read.</summary>
public enum SmilesForm
{
    /// <summary>RDKit's canonical SMILES: the prediction does not depend on how the user wrote the molecule.</summary>
    Canonical,

    /// <summary>The SMILES as it stands in the file (ChemBERTa and SELF-BART were trained so).</summary>
    AsGiven,
}

/// <summary>What is to be computed for each molecule.</summary>
public sealed record RepresentationOptions
{
    /// <summary>The modalities in stack order.</summary>
    public required IReadOnlyList<Modality> Modalities { get; init; }

    /// <summary>Radius, size and kind of the Morgan fingerprint.</summary>
    public FingerprintOptions Fingerprint { get; init; } = new();

    /// <summary>Which spelling the SMILES and SELFIES modalities read.</summary>
    public SmilesForm SmilesForm { get; init; }

    /// <summary>The columns of each modality of that kind.</summary>
    public IReadOnlyDictionary<Modality, IReadOnlyList<string>> Columns { get; init; } = new Dictionary<Modality, IReadOnlyList<string>>();

    /// <summary>The file of each modality of the kind vectors; one that is not here is missing for every molecule.</summary>
    public IReadOnlyDictionary<Modality, VectorTable> Vectors { get; init; } = new Dictionary<Modality, VectorTable>();

    /// <summary>Whether <see cref="Representations.Facts"/> are wanted.</summary>
    public bool Facts { get; init; }

    /// <summary>The same for fewer modalities: the others are missing for every molecule, and nothing is computed for them.</summary>
    /// <param name="modalities">Some of <see cref="Modalities"/>.</param>
    public RepresentationOptions Only(IReadOnlyList<Modality> modalities) => this with
    {
        Modalities = [.. Modalities.Where(modalities.Contains)],
        Columns = Columns.Where(c => modalities.Contains(c.Key)).ToDictionary(),
        Vectors = Vectors.Where(v => modalities.Contains(v.Key)).ToDictionary(),
    };
}

/// <summary>
/// The representations of one molecule before tokenization. A null or absent one is a missing modality: no text given,
/// no SELFIES for this molecule, a blank among its columns; never a made-up value.
/// </summary>
/// <param name="Smiles">SMILES in the form asked for.</param>
/// <param name="Selfies">SELFIES tokens.</param>
/// <param name="Text">Description.</param>
/// <param name="Fingerprint">On-bits with counts (all 1 for a binary fingerprint).</param>
/// <param name="Numbers">Columns and vectors, as they stand in their files.</param>
public sealed record Representations(
    string? Smiles, IReadOnlyList<string>? Selfies, string? Text, MorganCounts? Fingerprint, IReadOnlyDictionary<Modality, float[]> Numbers)
{
    private static readonly Dictionary<Modality, float[]> NoNumbers = [];

    /// <summary>Atoms and bonds.</summary>
    public MolecularGraph? Graph { get; init; }

    /// <summary>What the molecule is compared with the training data by; null where it was not asked for.</summary>
    public MoleculeFacts? Facts { get; init; }

    /// <summary>Whether the molecule has none of the modalities.</summary>
    public bool AreEmpty => this is { Smiles: null, Selfies: null, Text: null, Fingerprint: null, Graph: null } && Numbers.Count == 0;

    /// <summary>Whether the user has given the molecule a modality that cannot be computed of it.</summary>
    public bool Has(Modality modality) => modality.Kind == ModalityKind.Text ? Text is not null : Numbers.ContainsKey(modality);

    /// <summary>What a sequence encoder reads: SMILES, SELFIES tokens separated by blanks (as SELF-BART's own loader writes them), or the text.</summary>
    public string? SequenceOf(Modality modality) => modality.Kind switch
    {
        ModalityKind.Smiles => Smiles,
        ModalityKind.Selfies => Selfies is null ? null : string.Join(' ', Selfies),
        ModalityKind.Text => Text,
        _ => throw new ArgumentOutOfRangeException(nameof(modality), modality, "expected a sequence modality"),
    };

    /// <summary>Computes what <paramref name="options"/> asks for.</summary>
    /// <param name="row">A row with a sample.</param>
    /// <param name="options">What to compute.</param>
    /// <exception cref="InvalidMoleculeException">RDKit refuses the SMILES.</exception>
    /// <exception cref="DataFileException">A column's cell is no number.</exception>
    public static Representations Of(DataRow row, RepresentationOptions options)
    {
        Sample sample = row.Sample!;
        using Molecule molecule = Molecule.Parse(sample.Smiles);
        // It costs as much as the fingerprint: not where nothing reads it.
        bool spelled = options.Modalities.Contains(Modality.Smiles) || options.Modalities.Contains(Modality.Selfies) || options.Vectors.Count > 0;
        string canonical = spelled ? molecule.CanonicalSmiles : sample.Smiles;
        (string first, string second) = options.SmilesForm == SmilesForm.Canonical ? (canonical, sample.Smiles) : (sample.Smiles, canonical);
        return new Representations(
            options.Modalities.Contains(Modality.Smiles) ? first : null,
            options.Modalities.Contains(Modality.Selfies) ? SelfiesOf(first) ?? SelfiesOf(second) : null,
            options.Modalities.Contains(Modality.Text) && !string.IsNullOrWhiteSpace(sample.Text) ? sample.Text : null,
            options.Modalities.Contains(Modality.Fingerprint) ? FingerprintOf(molecule, options.Fingerprint) : null,
            options.Columns.Count + options.Vectors.Count == 0 ? NoNumbers : NumbersOf(row, canonical, options))
        {
            Graph = options.Modalities.Contains(Modality.Graph) ? molecule.Graph() : null,
            Facts = options.Facts ? MoleculeFacts.Of(molecule, sample.Smiles) : null,
        };
    }

    /// <summary>The representations of a row, or why there are none.</summary>
    /// <param name="row">A row of a file.</param>
    /// <param name="options">What to compute.</param>
    public static (DataRow Row, Representations? Of, RowError? Error) OfRow(DataRow row, RepresentationOptions options)
    {
        if (row.Sample is null) return (row, null, row.Error);
        try
        {
            Representations representations = Of(row, options);
            return !representations.AreEmpty
                ? (row, representations, null)
                : (row, null, row.Refuse(null, "a molecule without any of the model's modalities", $"at least one of {string.Join(", ", options.Modalities)}").Error);
        }
        catch (InvalidMoleculeException e)
        {
            return (row, null, row.RefuseMolecule(e.Reason).Error);
        }
        catch (DataFileException e)
        {
            return (row, null, e.Error);
        }
    }

    private static Dictionary<Modality, float[]> NumbersOf(DataRow row, string canonical, RepresentationOptions options)
    {
        Dictionary<Modality, float[]> numbers = [];
        foreach ((Modality modality, IReadOnlyList<string> columns) in options.Columns)
            if (ColumnsOf(row, columns) is { } values) numbers[modality] = values;
        foreach ((Modality modality, VectorTable table) in options.Vectors)
            if (table.Find(row.OwnId, row.Smiles, canonical) is { } values) numbers[modality] = values;
        return numbers;
    }

    /// <summary>All the columns' numbers; null where one is blank or not in the file.</summary>
    private static float[]? ColumnsOf(DataRow row, IReadOnlyList<string> columns)
    {
        float[] values = new float[columns.Count];
        bool blank = false;
        for (int c = 0; c < values.Length; c++)
        {
            string text = row.Field(row.Layout.IndexOf(columns[c]));
            // The others are looked at all the same: a cell that is no number is wrong wherever it stands.
            if (string.IsNullOrWhiteSpace(text))
            {
                blank = true;
                continue;
            }

            if (!float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out values[c]) || !float.IsFinite(values[c]))
                throw new DataFileException(new RowError(row.Layout.File, row.Line, columns[c], RowError.Quote(text), "a number, or a blank"));
        }

        return blank ? null : values;
    }

    private static IReadOnlyList<string>? SelfiesOf(string smiles)
    {
        try
        {
            return Chemistry.Selfies.Split(Chemistry.Selfies.Encode(smiles));
        }
        catch (SelfiesException)
        {
            return null;
        }
    }

    private static MorganCounts FingerprintOf(Molecule molecule, FingerprintOptions options)
    {
        if (options.Counts) return molecule.MorganCounts(options.Radius, options.Size);
        int[] bits = molecule.MorganBits(options.Radius, options.Size);
        int[] ones = new int[bits.Length];
        Array.Fill(ones, 1);
        return new MorganCounts(bits, ones);
    }
}
