namespace LlmFusion.Chemistry;

/// <summary>An atom's orbitals as RDKit assigns them.</summary>
public enum Hybridisation
{
    /// <summary>None of the others: s, or not assigned.</summary>
    Other,

    /// <summary>sp.</summary>
    Sp,

    /// <summary>sp2.</summary>
    Sp2,

    /// <summary>sp3.</summary>
    Sp3,

    /// <summary>sp3d.</summary>
    Sp3d,

    /// <summary>sp3d2.</summary>
    Sp3d2,
}

/// <summary>A stereocentre's label after Cahn, Ingold and Prelog.</summary>
public enum Chirality
{
    /// <summary>No stereocentre, or one that is not specified.</summary>
    None,

    /// <summary>R.</summary>
    R,

    /// <summary>S.</summary>
    S,

    /// <summary>A stereocentre without a label of these, as in rings with cis and trans.</summary>
    Other,
}

/// <summary>The kind of a bond.</summary>
public enum BondType
{
    /// <summary>Single.</summary>
    Single,

    /// <summary>Double.</summary>
    Double,

    /// <summary>Triple.</summary>
    Triple,

    /// <summary>Aromatic.</summary>
    Aromatic,

    /// <summary>Dative and all others.</summary>
    Other,
}

/// <summary>How the neighbours of a double bond lie.</summary>
public enum BondStereo
{
    /// <summary>No stereo bond, or one that is not specified.</summary>
    None,

    /// <summary>E: the neighbours of higher rank lie opposite.</summary>
    E,

    /// <summary>Z: they lie on the same side.</summary>
    Z,

    /// <summary>Specified otherwise.</summary>
    Other,
}

/// <summary>An atom.</summary>
/// <param name="Element">Atomic number; 0 is a dummy (<c>*</c>).</param>
/// <param name="Charge">Formal charge.</param>
/// <param name="Hydrogens">All hydrogens at the atom that are not atoms of the graph, and those that are.</param>
/// <param name="Degree">Neighbours in the graph.</param>
/// <param name="IsAromatic">Whether it is aromatic.</param>
/// <param name="Hybridisation">Its orbitals.</param>
/// <param name="RingSizes">A set: bit k stands for a ring of k + 3 atoms, bit 6 for one of 9 and more.</param>
/// <param name="Chirality">Its label as a stereocentre.</param>
public readonly record struct Atom(int Element, int Charge, int Hydrogens, int Degree, bool IsAromatic, Hybridisation Hybridisation, int RingSizes, Chirality Chirality)
{
    internal const int Codes = 8; // LLMF_ATOM_CODES
}

/// <summary>A bond.</summary>
/// <param name="First">Index of its first atom.</param>
/// <param name="Second">Index of the other, which is larger.</param>
/// <param name="Type">Its kind.</param>
/// <param name="IsConjugated">Whether it is conjugated.</param>
/// <param name="InRing">Whether it is part of a ring.</param>
/// <param name="Stereo">How the neighbours of a double bond lie.</param>
public readonly record struct Bond(int First, int Second, BondType Type, bool IsConjugated, bool InRing, BondStereo Stereo)
{
    internal const int Codes = 6; // LLMF_BOND_CODES
}

/// <summary>
/// A molecule as atoms and bonds, hydrogens implicit. It is the graph of the canonical SMILES, atoms in its order and bonds in that of their atoms, so
/// it is the same however the molecule was written. Kept as small numbers: a training split holds millions of atoms.
/// </summary>
public sealed class MolecularGraph
{
    private readonly short[] _atoms, _bonds;

    internal MolecularGraph(ReadOnlySpan<int> atoms, ReadOnlySpan<int> bonds)
    {
        _atoms = new short[atoms.Length];
        for (int i = 0; i < atoms.Length; i++) _atoms[i] = checked((short)atoms[i]);
        _bonds = new short[bonds.Length];
        for (int i = 0; i < bonds.Length; i++) _bonds[i] = checked((short)bonds[i]);
    }

    /// <summary>Number of atoms.</summary>
    public int AtomCount => _atoms.Length / Chemistry.Atom.Codes;

    /// <summary>Number of bonds.</summary>
    public int BondCount => _bonds.Length / Chemistry.Bond.Codes;

    /// <summary>An atom.</summary>
    /// <param name="index">0 to AtomCount - 1, in the molecule's order.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is none of that index.</exception>
    public Atom Atom(int index)
    {
        ReadOnlySpan<short> codes = _atoms.AsSpan(index * Chemistry.Atom.Codes, Chemistry.Atom.Codes);
        return new Atom(codes[0], codes[1], codes[2], codes[3], codes[4] != 0, (Hybridisation)codes[5], codes[6], (Chirality)codes[7]);
    }

    /// <summary>A bond.</summary>
    /// <param name="index">0 to <see cref="BondCount"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is none of that index.</exception>
    public Bond Bond(int index)
    {
        ReadOnlySpan<short> codes = _bonds.AsSpan(index * Chemistry.Bond.Codes, Chemistry.Bond.Codes);
        return new Bond(codes[0], codes[1], (BondType)codes[2], codes[3] != 0, codes[4] != 0, (BondStereo)codes[5]);
    }
}
