using System.Globalization;
using System.IO.Compression;

namespace LlmFusion.Chemistry.Tests;

/// <summary>
/// One of 1,500 molecules recorded through Python RDKit 2022.09.3 and selfies 2.2.0 (Golden/chem_golden.tsv.gz).
/// Selfies is "ERROR" where strict encoding fails.
/// </summary>
internal sealed record GoldenMolecule(
    string Smiles, string Canonical, int[] Bits2, MorganCounts Counts2, MorganCounts Counts3, double LogP, double Qed,
    double Weight, double Tpsa, int Donors, int Acceptors, int Rotatable, int Rings, string Selfies)
{
    public static readonly IReadOnlyList<GoldenMolecule> All = Read();

    private static List<GoldenMolecule> Read()
    {
        using var reader = new StreamReader(new GZipStream(
            File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Golden", "chem_golden.tsv.gz")), CompressionMode.Decompress));
        reader.ReadLine(); // header
        var all = new List<GoldenMolecule>();
        while (reader.ReadLine() is { } line)
        {
            string[] f = line.Split('\t');
            all.Add(new GoldenMolecule(
                f[1], f[2], Ints(f[3]), Counts(f[4]), Counts(f[5]), Number(f[6]), Number(f[7]), Number(f[8]), Number(f[9]),
                Int(f[10]), Int(f[11]), Int(f[12]), Int(f[13]), f[14]));
        }
        return all;
    }

    private static int Int(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static int[] Ints(string text) => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Int)];

    private static MorganCounts Counts(string text)
    {
        string[][] pairs = [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split(':'))];
        return new MorganCounts([.. pairs.Select(p => Int(p[0]))], [.. pairs.Select(p => Int(p[1]))]);
    }
}
