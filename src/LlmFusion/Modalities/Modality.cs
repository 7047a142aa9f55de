namespace LlmFusion.Modalities;

/// <summary>One representation of a molecule. The order of the members is the order of the stack (paper, P7).</summary>
public enum Modality
{
    /// <summary>SMILES string (SM).</summary>
    Smiles,

    /// <summary>SELFIES string (SF).</summary>
    Selfies,

    /// <summary>Text description (TEXT).</summary>
    Text,

    /// <summary>Morgan fingerprint (MFP).</summary>
    Fingerprint,
}

/// <summary>Names of modalities, as in files, on the command line and in the paper's tables.</summary>
public static class ModalityNames
{
    /// <summary>The name in files and on the command line: <c>smiles</c>, <c>selfies</c>, <c>text</c>, <c>fingerprint</c>.</summary>
    public static string Name(this Modality modality) => modality switch
    {
        Modality.Smiles => "smiles",
        Modality.Selfies => "selfies",
        Modality.Text => "text",
        Modality.Fingerprint => "fingerprint",
        _ => throw new ArgumentOutOfRangeException(nameof(modality), modality, null),
    };

    /// <summary>The paper's abbreviation: <c>SM</c>, <c>SF</c>, <c>TEXT</c>, <c>MFP</c>.</summary>
    public static string Abbreviation(this Modality modality) => modality switch
    {
        Modality.Smiles => "SM",
        Modality.Selfies => "SF",
        Modality.Text => "TEXT",
        Modality.Fingerprint => "MFP",
        _ => throw new ArgumentOutOfRangeException(nameof(modality), modality, null),
    };

    /// <summary>Reads a name or the paper's abbreviation, in any case.</summary>
    /// <exception cref="ArgumentException">No modality has that name.</exception>
    public static Modality Parse(string text) => text.Trim().ToUpperInvariant() switch
    {
        "SMILES" or "SM" => Modality.Smiles,
        "SELFIES" or "SF" => Modality.Selfies,
        "TEXT" => Modality.Text,
        "FINGERPRINT" or "MFP" => Modality.Fingerprint,
        _ => throw new ArgumentException($"unknown modality '{text}': expected smiles, selfies, text or fingerprint"),
    };

    /// <summary>Reads names and returns them without repetition in stack order.</summary>
    /// <exception cref="ArgumentException">A name is unknown, or none is given.</exception>
    public static IReadOnlyList<Modality> ParseAll(IEnumerable<string> names)
    {
        Modality[] found = [.. names.Select(Parse).Distinct().Order()];
        return found.Length > 0 ? found : throw new ArgumentException("no modality given: expected at least one of smiles, selfies, text, fingerprint");
    }
}
