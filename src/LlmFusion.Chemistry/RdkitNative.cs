using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;
using System.Text;

namespace LlmFusion.Chemistry;

/// <summary>What a call into native/rdkit answers (llmf_status).</summary>
internal enum RdkitStatus
{
    Ok = 0,
    Refused = 1,
    Failed = 2,
}

/// <summary>The cheap descriptors of one molecule (llmf_descriptors, the same layout).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RdkitDescriptors
{
    public double Weight;
    public double Tpsa;
    public int Donors;
    public int Acceptors;
    public int Rotatable;
    public int Rings;
}

/// <summary>Owns an llmf_molecule.</summary>
internal sealed class MoleculeHandle : SafeHandle
{
    public MoleculeHandle() : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        RdkitNative.FreeMolecule(handle);
        return true;
    }
}

/// <summary>Owns an llmf_patterns.</summary>
internal sealed class PatternsHandle : SafeHandle
{
    public PatternsHandle() : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        RdkitNative.FreePatterns(handle);
        return true;
    }
}

/// <summary>
/// The functions of native/rdkit/llmfusion_rdkit.h. Text and arrays that come out belong to the calling thread until
/// its next call, so they are copied at once (<see cref="Text"/>, <see cref="Ints"/>).
/// </summary>
internal static unsafe partial class RdkitNative
{
    private const string Library = "llmfusion_rdkit";

    [LibraryImport(Library, EntryPoint = "llmf_version")]
    private static partial byte* VersionText();

    [LibraryImport(Library, EntryPoint = "llmf_reason")]
    private static partial void ReasonText(out byte* text, out nuint length);

    [LibraryImport(Library, EntryPoint = "llmf_molecule_from_smiles")]
    public static partial RdkitStatus FromSmiles(ReadOnlySpan<byte> smiles, nuint length, out MoleculeHandle molecule);

    [LibraryImport(Library, EntryPoint = "llmf_molecule_from_mol_block")]
    public static partial RdkitStatus FromMolBlock(ReadOnlySpan<byte> block, nuint length, out MoleculeHandle molecule);

    [LibraryImport(Library, EntryPoint = "llmf_molecule_without_hydrogens")]
    public static partial RdkitStatus WithoutHydrogens(MoleculeHandle molecule, out MoleculeHandle without);

    [LibraryImport(Library, EntryPoint = "llmf_molecule_free")]
    public static partial void FreeMolecule(nint molecule);

    [LibraryImport(Library, EntryPoint = "llmf_smiles")]
    public static partial RdkitStatus Smiles(MoleculeHandle molecule, int stereo, out byte* text, out nuint length);

    [LibraryImport(Library, EntryPoint = "llmf_random_smiles")]
    public static partial RdkitStatus RandomSmiles(MoleculeHandle molecule, ulong seed, out byte* text, out nuint length);

    [LibraryImport(Library, EntryPoint = "llmf_murcko_scaffold")]
    public static partial RdkitStatus MurckoScaffold(MoleculeHandle molecule, out byte* text, out nuint length);

    [LibraryImport(Library, EntryPoint = "llmf_svg")]
    public static partial RdkitStatus Svg(MoleculeHandle molecule, int width, int height, out byte* text, out nuint length);

    [LibraryImport(Library, EntryPoint = "llmf_morgan")]
    public static partial RdkitStatus Morgan(MoleculeHandle molecule, uint radius, uint size, out int* bits, out int* counts, out nuint length);

    [LibraryImport(Library, EntryPoint = "llmf_graph")]
    public static partial RdkitStatus Graph(MoleculeHandle molecule, out int* atoms, out nuint atomCount, out int* bonds, out nuint bondCount);

    [LibraryImport(Library, EntryPoint = "llmf_logp")]
    public static partial RdkitStatus LogP(MoleculeHandle molecule, out double logP);

    [LibraryImport(Library, EntryPoint = "llmf_descriptors_of")]
    public static partial RdkitStatus DescriptorsOf(MoleculeHandle molecule, out RdkitDescriptors descriptors);

    [LibraryImport(Library, EntryPoint = "llmf_structure_descriptors")]
    public static partial RdkitStatus StructureDescriptors(MoleculeHandle molecule, Span<double> values, nuint count);

    [LibraryImport(Library, EntryPoint = "llmf_patterns_new", StringMarshalling = StringMarshalling.Utf8)]
    public static partial RdkitStatus NewPatterns(string[] smarts, nuint count, out PatternsHandle patterns);

    [LibraryImport(Library, EntryPoint = "llmf_patterns_free")]
    public static partial void FreePatterns(nint patterns);

    [LibraryImport(Library, EntryPoint = "llmf_patterns_match")]
    public static partial RdkitStatus Match(PatternsHandle patterns, MoleculeHandle molecule, uint limit, Span<int> matches);

    [LibraryImport(Library, EntryPoint = "llmf_patterns_rings_after_deletion")]
    public static partial RdkitStatus RingsAfterDeletion(PatternsHandle patterns, nuint index, MoleculeHandle molecule, out int rings);

    public static string Version() => Utf8StringMarshaller.ConvertToManaged(VersionText()) ?? "unknown";

    /// <summary>RDKit's explanation of this thread's last status that was not Ok.</summary>
    public static string Reason()
    {
        ReasonText(out byte* text, out nuint length);
        return Text(text, length);
    }

    public static string Text(byte* text, nuint length) => Encoding.UTF8.GetString(text, checked((int)length));

    public static int[] Ints(int* values, nuint length) => new ReadOnlySpan<int>(values, checked((int)length)).ToArray();

    /// <summary>Throws <see cref="RdkitException"/> with RDKit's reason unless <paramref name="status"/> is Ok.</summary>
    public static void Check(RdkitStatus status, string what)
    {
        if (status != RdkitStatus.Ok) throw new RdkitException($"{what}: {Reason()}");
    }
}
