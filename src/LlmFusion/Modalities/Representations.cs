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
}

/// <summary>
/// The representations of one molecule before tokenization. A null is a missing modality: no text given, or no SELFIES
/// for this molecule; never a made-up value.
/// </summary>
/// <param name="Smiles">SMILES in the form asked for.</param>
/// <param name="Selfies">SELFIES tokens.</param>
/// <param name="Text">Description.</param>
/// <param name="Fingerprint">On-bits with counts (all 1 for a binary fingerprint).</param>
public sealed record Representations(string? Smiles, IReadOnlyList<string>? Selfies, string? Text, MorganCounts? Fingerprint)
{
    /// <summary>Computes what <paramref name="options"/> asks for.</summary>
    /// <exception cref="InvalidMoleculeException">RDKit refuses the SMILES.</exception>
    public static Representations Of(Sample sample, RepresentationOptions options)
    {
        using Molecule molecule = Molecule.Parse(sample.Smiles);
        string canonical = molecule.CanonicalSmiles;
        (string first, string second) = options.SmilesForm == SmilesForm.Canonical ? (canonical, sample.Smiles) : (sample.Smiles, canonical);
        return new Representations(
            options.Modalities.Contains(Modality.Smiles) ? first : null,
            options.Modalities.Contains(Modality.Selfies) ? SelfiesOf(first) ?? SelfiesOf(second) : null,
            options.Modalities.Contains(Modality.Text) && !string.IsNullOrWhiteSpace(sample.Text) ? sample.Text : null,
            options.Modalities.Contains(Modality.Fingerprint) ? FingerprintOf(molecule, options.Fingerprint) : null);
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
