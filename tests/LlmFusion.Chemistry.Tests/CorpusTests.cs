using System.IO.Compression;
using Xunit;

namespace LlmFusion.Chemistry.Tests;

/// <summary>
/// Every molecule of QM9 and ChEBI-20, some minutes: runs where LLMFUSION_DATA names the data folder and
/// LLMFUSION_SLOW_TESTS is 1.
/// </summary>
public class CorpusTests
{
    [Theory]
    [InlineData("qm9/train.csv.gz", ',', 0, 108_446, 111)]
    [InlineData("qm9/valid.csv.gz", ',', 0, 12_050, 15)]
    [InlineData("qm9/test.csv.gz", ',', 0, 13_389, 16)]
    [InlineData("chebi20/train.tsv.gz", '\t', 1, 26_407, 20)]
    [InlineData("chebi20/valid.tsv.gz", '\t', 1, 3_301, 4)]
    [InlineData("chebi20/test.tsv.gz", '\t', 1, 3_300, 5)]
    public void Decoding_the_encoded_gives_the_same_molecule_and_strict_refuses_the_known_number(
        string file, char separator, int column, int rows, int refused)
    {
        string? data = Environment.GetEnvironmentVariable("LLMFUSION_DATA");
        Assert.SkipUnless(
            data != null && Environment.GetEnvironmentVariable("LLMFUSION_SLOW_TESTS") == "1",
            "needs LLMFUSION_DATA and LLMFUSION_SLOW_TESTS=1");

        int read = 0, refusals = 0;
        var different = new List<string>();
        foreach ((string smiles, string? selfies, string canonical, string? back) in MoleculeBatch.Select(Smiles(Path.Combine(data!, file), separator, column), RoundTrip))
        {
            read++;
            if (selfies == null) refusals++;
            else if (back != canonical) different.Add($"{smiles} -> {selfies} -> {back}, expected {canonical}");
        }
        Assert.Empty(different.Take(5));
        Assert.Equal((rows, refused), (read, refusals));
    }

    private static (string Smiles, string? Selfies, string Canonical, string? Back) RoundTrip(string smiles)
    {
        using Molecule molecule = Molecule.Parse(smiles);
        string canonical = molecule.CanonicalSmiles;
        string selfies;
        try
        {
            selfies = Selfies.Encode(smiles);
        }
        catch (SelfiesException)
        {
            return (smiles, null, canonical, null);
        }
        using Molecule back = Molecule.Parse(Selfies.Decode(selfies));
        return (smiles, selfies, canonical, back.CanonicalSmiles);
    }

    private static IEnumerable<string> Smiles(string path, char separator, int column)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        reader.ReadLine(); // header
        while (reader.ReadLine() is { } line) yield return line.Split(separator)[column];
    }
}
