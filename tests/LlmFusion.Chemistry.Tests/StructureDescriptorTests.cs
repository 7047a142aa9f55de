using System.Globalization;
using System.IO.Compression;
using Xunit;

namespace LlmFusion.Chemistry.Tests;

/// <summary>What pretraining may learn, and random SMILES.</summary>
public class StructureDescriptorTests
{
    [Fact]
    public void Every_descriptor_agrees_with_Pythons_RDKit()
    {
        using StreamReader reader = new(new GZipStream(File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Golden", "structure_descriptors.tsv.gz")), CompressionMode.Decompress));
        Assert.Equal(StructureDescriptors.Names, reader.ReadLine()!.Split('\t').Skip(1));
        int molecules = 0;
        List<string> problems = [];
        for (; reader.ReadLine() is { } line; molecules++)
        {
            string[] fields = line.Split('\t');
            using Molecule molecule = Molecule.Parse(fields[0]);
            foreach ((string name, (string expected, float actual)) in StructureDescriptors.Names.Zip(fields.Skip(1).Zip(molecule.StructureDescriptors())))
            {
                float value = float.Parse(expected, CultureInfo.InvariantCulture);
                if (!(float.IsNaN(value) && float.IsNaN(actual)) && !(Math.Abs(value - actual) <= 1e-5 * Math.Max(1, Math.Abs(value))))
                    problems.Add($"{fields[0]}: {name} is {actual}, expected {expected}");
            }
        }

        Assert.Equal(300, molecules);
        Assert.True(problems.Count == 0, string.Join(Environment.NewLine, problems));
    }

    [Fact]
    public void There_are_at_least_30_and_none_that_the_tables_measure()
    {
        Assert.True(StructureDescriptors.Names.Distinct().Count() >= 30);
        string[] forbidden =
        [
            "logp", "crippen", "refract", "slogp", "smr", "bcut", "qed", "weight", "wt", "amw", "mass", "donor", "acceptor", "hbd", "hba", "nhoh", "nocount", "tpsa", "rotatable", "aromatic", "alert",
            "hydrogen", "aliphaticring", // with the rings they give the aromatic ones; with the other elements the weight
        ];
        Assert.All(StructureDescriptors.Names, name => Assert.DoesNotContain(forbidden, part => name.Contains(part, StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public void Random_smiles_are_the_same_molecule_spelt_in_many_ways()
    {
        foreach (string smiles in new[] { "CC(=O)Oc1ccccc1C(=O)O", "N[C@@H](C)C(=O)O", "F/C=C/F", "[Na+].[Cl-]", "C[C@H]1CC[C@@H](C(C)C)[C@@H](O)C1", "C1CC2(C1)CCN2", "[13CH4]" })
        {
            using Molecule molecule = Molecule.Parse(smiles);
            string[] spelt = [.. Enumerable.Range(0, 50).Select(seed => molecule.RandomSmiles((ulong)seed))];
            Assert.All(spelt, s =>
            {
                using Molecule again = Molecule.Parse(s);
                Assert.Equal(molecule.CanonicalSmiles, again.CanonicalSmiles);
            });
            Assert.Equal(spelt, Enumerable.Range(0, 50).Select(seed => molecule.RandomSmiles((ulong)seed)));
        }

        using Molecule aspirin = Molecule.Parse("CC(=O)Oc1ccccc1C(=O)O");
        string[] alone = [.. Enumerable.Range(0, 200).Select(seed => aspirin.RandomSmiles((ulong)seed))];
        Assert.True(alone.Distinct().Count() > 50);
        string[] together = new string[alone.Length];
        Parallel.For(0, together.Length, seed => together[seed] = aspirin.RandomSmiles((ulong)seed));
        Assert.Equal(alone, together);
    }
}
