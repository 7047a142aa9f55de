using System.Text.RegularExpressions;

namespace LlmFusion.Modalities;

/// <summary>What a modality is made of. The order of the members is the order of the stack (paper, P7).</summary>
public enum ModalityKind
{
    /// <summary>A SMILES string.</summary>
    Smiles,

    /// <summary>A SELFIES string.</summary>
    Selfies,

    /// <summary>A description in words.</summary>
    Text,

    /// <summary>A Morgan fingerprint.</summary>
    Fingerprint,

    /// <summary>Atoms and bonds.</summary>
    Graph,

    /// <summary>Numbers that stand in columns of the data file.</summary>
    Columns,

    /// <summary>Vectors computed elsewhere, in a file of their own.</summary>
    Vectors,
}

/// <summary>
/// One representation of a molecule, by its name in files, tensors and on the command line. The first five kinds have
/// one modality each; of columns and vectors there may be several, which the user names.
/// </summary>
public sealed partial record Modality
{
    /// <summary>SMILES string (SM).</summary>
    public static readonly Modality Smiles = new("smiles", ModalityKind.Smiles);

    /// <summary>SELFIES string (SF).</summary>
    public static readonly Modality Selfies = new("selfies", ModalityKind.Selfies);

    /// <summary>Text description (TEXT).</summary>
    public static readonly Modality Text = new("text", ModalityKind.Text);

    /// <summary>Morgan fingerprint (MFP).</summary>
    public static readonly Modality Fingerprint = new("fingerprint", ModalityKind.Fingerprint);

    /// <summary>Molecular graph (GR), beyond the paper.</summary>
    public static readonly Modality Graph = new("graph", ModalityKind.Graph);

    private static readonly Modality[] BuiltIn = [Smiles, Selfies, Text, Fingerprint, Graph];

    private Modality(string name, ModalityKind kind)
    {
        Name = name;
        Kind = kind;
    }

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>What it is made of.</summary>
    public ModalityKind Kind { get; }

    /// <summary>Whether it is read as a sequence of tokens.</summary>
    public bool IsSequence => Kind is ModalityKind.Smiles or ModalityKind.Selfies or ModalityKind.Text;

    /// <summary>Whether it follows from the molecule alone; text, columns and vectors are the user's to give.</summary>
    public bool IsComputed => Kind is not (ModalityKind.Text or ModalityKind.Columns or ModalityKind.Vectors);

    /// <summary>The paper's abbreviation, <c>SM</c>, <c>SF</c>, <c>TEXT</c> or <c>MFP</c>; <c>GR</c>; the name of any other.</summary>
    public string Abbreviation => Kind switch
    {
        ModalityKind.Smiles => "SM",
        ModalityKind.Selfies => "SF",
        ModalityKind.Text => "TEXT",
        ModalityKind.Fingerprint => "MFP",
        ModalityKind.Graph => "GR",
        _ => Name,
    };

    /// <summary>Reads a built-in modality's name or the paper's abbreviation, in any case.</summary>
    /// <exception cref="ArgumentException">No modality has that name.</exception>
    public static Modality Parse(string text) => Find(text.Trim())
        ?? throw new ArgumentException($"unknown modality '{text}': expected smiles, selfies, text, fingerprint or graph, or one defined by --modality NAME=columns:.. or NAME=vectors:..");

    /// <summary>A modality that the user names.</summary>
    /// <param name="name">A letter, then letters, digits and underscores: it becomes part of tensor names.</param>
    /// <param name="kind">Columns or vectors.</param>
    /// <exception cref="ArgumentException">The name is of another form, or a built-in modality's.</exception>
    public static Modality Named(string name, ModalityKind kind)
    {
        if (kind is not (ModalityKind.Columns or ModalityKind.Vectors)) throw new ArgumentException($"modality {name}: got the kind {kind}, expected columns or vectors");
        if (!NamePattern().IsMatch(name)) throw new ArgumentException($"modality name: got '{name}', expected up to 32 lower-case letters, digits and underscores, a letter first");
        if (Find(name) is not null) throw new ArgumentException($"modality name: got '{name}', which is a built-in modality; expected another name");
        return new Modality(name, kind);
    }

    /// <summary>Without repetition in stack order: the built-in ones in the paper's, then the user's in the order given.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static IReadOnlyList<Modality> InStackOrder(IEnumerable<Modality> modalities)
    {
        Modality[] found = [.. modalities.Distinct().OrderBy(m => Array.IndexOf(BuiltIn, m) is >= 0 and var place ? place : BuiltIn.Length)];
        return found.Length > 0 ? found : throw new ArgumentException("no modality given: expected at least one of smiles, selfies, text, fingerprint, graph");
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static Modality? Find(string text) =>
        BuiltIn.FirstOrDefault(m => m.Name.Equals(text, StringComparison.OrdinalIgnoreCase) || m.Abbreviation.Equals(text, StringComparison.OrdinalIgnoreCase));

    [GeneratedRegex(@"^[a-z][a-z0-9_]{0,31}\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();
}
