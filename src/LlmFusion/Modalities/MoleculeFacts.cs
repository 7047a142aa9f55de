using LlmFusion.Chemistry;

namespace LlmFusion.Modalities;

/// <summary>What is looked at to tell whether a molecule is like those that a model was trained on.</summary>
/// <param name="Elements">The elements of its heavy atoms, each once.</param>
/// <param name="HeavyAtoms">How many heavy atoms it has.</param>
/// <param name="Fingerprint">Its Morgan fingerprint of radius 2 as <see cref="Words"/> words of bits.</param>
public sealed record MoleculeFacts(IReadOnlyList<string> Elements, int HeavyAtoms, ulong[] Fingerprint)
{
    /// <summary>Radius of the fingerprint in bonds.</summary>
    public const int Radius = 2;

    /// <summary>Bits of the fingerprint.</summary>
    public const int Bits = 1024;

    /// <summary>Words of the fingerprint.</summary>
    public const int Words = Bits / 64;

    /// <summary>The facts of a molecule.</summary>
    /// <param name="molecule">The molecule.</param>
    /// <param name="smiles">Any SMILES of it.</param>
    public static MoleculeFacts Of(Molecule molecule, string smiles)
    {
        string[] atoms = [.. SmilesAtoms.HeavyAtoms(smiles)];
        ulong[] words = new ulong[Words];
        foreach (int bit in molecule.MorganBits(Radius, Bits)) words[bit >> 6] |= 1UL << (bit & 63);
        return new MoleculeFacts([.. atoms.Distinct()], atoms.Length, words);
    }
}
