using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text;

namespace LlmFusion.Chemistry;

/// <summary>
/// A molecule as RDKit sees it: parsed, sanitised, hydrogens implicit. Immutable; every member may be called from any
/// thread. Fingerprints, SMILES, scaffold and QED are computed at each call: keep what is used twice.
/// </summary>
public sealed class Molecule : IDisposable
{
    /// <summary>
    /// The longest SMILES that is read, in characters. RDKit's time grows with the cube of the atoms: a file's stray
    /// megabyte must be an error of its row and not hold up the whole run. The longest in ChEBI-20 has 1,541.
    /// </summary>
    public const int MaxSmilesLength = 3000;

    private readonly MoleculeHandle handle;
    private StrongBox<RdkitDescriptors>? descriptors; // a race computes them twice, to the same values

    private Molecule(MoleculeHandle handle) => this.handle = handle;

    /// <summary>Reads a SMILES (also a CXSMILES or one followed by a name, as RDKit does) of at most <see cref="MaxSmilesLength"/> characters.</summary>
    /// <exception cref="InvalidMoleculeException">RDKit refuses it; <see cref="InvalidMoleculeException.Reason"/> is RDKit's own.</exception>
    public static Molecule Parse(string smiles) =>
        TryParse(smiles, out Molecule? molecule, out string reason) ? molecule : throw new InvalidMoleculeException(smiles, reason);

    /// <summary>Reads a SMILES; where RDKit refuses it, <paramref name="reason"/> is RDKit's own, else empty.</summary>
    public static bool TryParse(string smiles, [NotNullWhen(true)] out Molecule? molecule, out string reason)
    {
        ArgumentNullException.ThrowIfNull(smiles);
        molecule = null;
        int nul = smiles.IndexOf('\0');
        if (nul >= 0) // RDKit would silently stop reading there
        {
            reason = $"NUL character at position {nul + 1}";
            return false;
        }
        if (smiles.Length > MaxSmilesLength)
        {
            reason = $"{smiles.Length} characters, at most {MaxSmilesLength} are read";
            return false;
        }
        byte[]? rented = null;
        int most = Encoding.UTF8.GetMaxByteCount(smiles.Length);
        Span<byte> utf8 = most <= 1024 ? stackalloc byte[1024] : rented = ArrayPool<byte>.Shared.Rent(most);
        int length = Encoding.UTF8.GetBytes(smiles, utf8);
        RdkitStatus status = RdkitNative.FromSmiles(utf8[..length], (nuint)length, out MoleculeHandle handle);
        if (rented != null) ArrayPool<byte>.Shared.Return(rented);
        return Accept(status, handle, out molecule, out reason);
    }

    /// <summary>Reads an MDL mol block (V2000 or V3000), the structure part of an SDF record.</summary>
    internal static bool TryParseMolBlock(string block, [NotNullWhen(true)] out Molecule? molecule, out string reason)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(block);
        RdkitStatus status = RdkitNative.FromMolBlock(utf8, (nuint)utf8.Length, out MoleculeHandle handle);
        return Accept(status, handle, out molecule, out reason);
    }

    private static bool Accept(RdkitStatus status, MoleculeHandle handle, [NotNullWhen(true)] out Molecule? molecule, out string reason)
    {
        if (status == RdkitStatus.Ok)
        {
            molecule = new Molecule(handle);
            reason = "";
            return true;
        }
        molecule = null;
        reason = RdkitNative.Reason();
        handle.Dispose();
        return false;
    }

    /// <summary>RDKit's canonical isomeric SMILES.</summary>
    public string CanonicalSmiles => Smiles(stereo: true);

    /// <summary>The canonical SMILES without stereochemistry and isotopes: equal for stereo-isomers.</summary>
    public string CanonicalSmilesWithoutStereo => Smiles(stereo: false);

    /// <summary>What is the same for stereo-isomers, and for however a molecule is written: <see cref="CanonicalSmilesWithoutStereo"/> of a SMILES; null where RDKit refuses it.</summary>
    public static string? WithoutStereo(string smiles)
    {
        if (!TryParse(smiles, out Molecule? molecule, out _)) return null;
        using (molecule) return molecule.CanonicalSmilesWithoutStereo;
    }

    private unsafe string Smiles(bool stereo)
    {
        RdkitNative.Check(RdkitNative.Smiles(handle, stereo ? 1 : 0, out byte* text, out nuint length), "canonical SMILES");
        return RdkitNative.Text(text, length);
    }

    /// <summary>Another SMILES of the same molecule, stereochemistry included: a random start and order of its branches.</summary>
    /// <param name="seed">The same seed gives the same SMILES, on any thread.</param>
    public unsafe string RandomSmiles(ulong seed)
    {
        RdkitNative.Check(RdkitNative.RandomSmiles(handle, seed, out byte* text, out nuint length), "random SMILES");
        return RdkitNative.Text(text, length);
    }

    /// <summary>What of the structure pretraining may learn, in the order of <see cref="StructureDescriptors.Names"/>.</summary>
    /// <returns>One value a name; not finite where RDKit has no parameters for one of the elements.</returns>
    public float[] StructureDescriptors()
    {
        double[] values = new double[Chemistry.StructureDescriptors.Names.Count];
        RdkitNative.Check(RdkitNative.StructureDescriptors(handle, values, (nuint)values.Length), "structure descriptors");
        return Array.ConvertAll(values, value => (float)value);
    }

    /// <summary>The set bits, ascending, of the Morgan fingerprint (no chirality), hashed to <paramref name="size"/> bits.</summary>
    /// <param name="radius">How many bonds an atom's environment reaches; 2 is ECFP4.</param>
    /// <param name="size">The number of bits.</param>
    public int[] MorganBits(int radius = 2, int size = 2048) => MorganCounts(radius, size).Bits;

    /// <summary>The Morgan fingerprint (no chirality) with counts, hashed to <paramref name="size"/> bits.</summary>
    /// <param name="radius">How many bonds an atom's environment reaches; 2 is ECFP4.</param>
    /// <param name="size">The number of bits.</param>
    public unsafe MorganCounts MorganCounts(int radius = 2, int size = 2048)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(radius);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        RdkitNative.Check(
            RdkitNative.Morgan(handle, (uint)radius, (uint)size, out int* bits, out int* counts, out nuint length),
            "Morgan fingerprint");
        return new MorganCounts(RdkitNative.Ints(bits, length), RdkitNative.Ints(counts, length));
    }

    /// <summary>Atoms and bonds, in an order that does not depend on how the molecule was written.</summary>
    public unsafe MolecularGraph Graph()
    {
        RdkitNative.Check(RdkitNative.Graph(handle, out int* atoms, out nuint atomCount, out int* bonds, out nuint bondCount), "molecular graph");
        return new MolecularGraph(RdkitNative.Ints(atoms, atomCount * Atom.Codes), RdkitNative.Ints(bonds, bondCount * Bond.Codes));
    }

    /// <summary>Crippen's logP, the logarithm of the octanol-water partition coefficient.</summary>
    public double LogP
    {
        get
        {
            RdkitNative.Check(RdkitNative.LogP(handle, out double logP), "Crippen logP");
            return logP;
        }
    }

    /// <summary>Average molecular weight, g/mol.</summary>
    public double MolecularWeight => Descriptors.Weight;

    /// <summary>Topological polar surface area after Ertl, square angstrom; nitrogen and oxygen only.</summary>
    public double Tpsa => Descriptors.Tpsa;

    /// <summary>Hydrogen-bond donors.</summary>
    public int HydrogenBondDonors => Descriptors.Donors;

    /// <summary>Hydrogen-bond acceptors.</summary>
    public int HydrogenBondAcceptors => Descriptors.Acceptors;

    /// <summary>Rotatable bonds, strict definition (no amides, esters and the like).</summary>
    public int RotatableBonds => Descriptors.Rotatable;

    /// <summary>Rings, the symmetrised smallest set.</summary>
    public int Rings => Descriptors.Rings;

    private ref readonly RdkitDescriptors Descriptors => ref (descriptors ??= ComputeDescriptors()).Value;

    private StrongBox<RdkitDescriptors> ComputeDescriptors()
    {
        RdkitNative.Check(RdkitNative.DescriptorsOf(handle, out RdkitDescriptors computed), "descriptors");
        return new StrongBox<RdkitDescriptors>(computed);
    }

    /// <summary>
    /// The Bemis-Murcko scaffold (ring systems and the chains between them) as canonical SMILES without
    /// stereochemistry; "" for a molecule without rings.
    /// </summary>
    public unsafe string MurckoScaffold
    {
        get
        {
            RdkitNative.Check(RdkitNative.MurckoScaffold(handle, out byte* text, out nuint length), "Murcko scaffold");
            return RdkitNative.Text(text, length);
        }
    }

    /// <summary>Quantitative estimate of drug-likeness, in (0, 1): the mean-weighted QED of Bickerton et al., see "Quantifying the chemical beauty of drugs", 2012.</summary>
    public double Qed => QedProperties.Of(handle).Score();

    /// <summary>A drawing of the structure as an SVG document, hydrogens implicit.</summary>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    public unsafe string ToSvg(int width = 300, int height = 200)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        RdkitNative.Check(RdkitNative.Svg(handle, width, height, out byte* text, out nuint length), "SVG depiction");
        return RdkitNative.Text(text, length);
    }

    /// <summary>Frees RDKit's molecule; any later use throws <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => handle.Dispose();
}
