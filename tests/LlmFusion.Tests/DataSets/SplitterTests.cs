using CsCheck;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public class SplitterTests
{
    // From an independent SplitMix64 and Fisher-Yates.
    private static readonly long[] GoldenValid = [1, 12];
    private static readonly long[] GoldenTest = [8, 15];

    [Fact]
    public void Random_parts_have_their_sizes_hold_every_row_once_and_keep_the_order()
    {
        Gen.Select(Gen.Int[0, 200], Gen.ULong, Gen.OneOf(new SplitFractions(0.8, 0.1, 0.1), new SplitFractions(0.5, 0.5, 0), new SplitFractions(0, 0, 1)))
            .Sample(
                (n, seed, fractions) =>
                {
                    DataSplits split = Splitter.Random(Rows(Enumerable.Repeat("C", n)), fractions, seed);
                    Assert.Equal(fractions.Sizes(n), split.InOrder().Select(p => p.Rows.Count));
                    Assert.Equal(Enumerable.Range(1, n).Select(i => (long)i), split.InOrder().SelectMany(p => p.Rows).Select(r => r.Number).Order());
                    foreach ((string name, IReadOnlyList<DataRow> rows) in split.InOrder())
                    {
                        Assert.Equal(rows.OrderBy(r => r.Number), rows);
                        Assert.All(rows, r => Assert.Equal(name, r.Sample!.Split));
                    }
                },
                iter: 100,
                threads: 1);
    }

    [Fact]
    public void A_seed_means_the_same_split_for_ever()
    {
        DataSplits split = Splitter.Random(Rows(Enumerable.Repeat("C", 20)), seed: 7);
        Assert.Equal(GoldenValid, split.Valid.Select(r => r.Number));
        Assert.Equal(GoldenTest, split.Test.Select(r => r.Number));
        Assert.Equal(split.Sha256, Splitter.Random(Rows(Enumerable.Repeat("C", 20)), seed: 7).Sha256);
        Assert.NotEqual(split.Sha256, Splitter.Random(Rows(Enumerable.Repeat("C", 20)), seed: 8).Sha256);
        Assert.Equal("test.csv, random 0.8/0.1/0.1, seed 7", split.Name);
    }

    [Fact]
    public void Grouped_never_divides_stereoisomers()
    {
        string[] smiles = [.. Enumerable.Range(1, 30).SelectMany(n => new[]
        {
            $"C[C@H](O){new string('C', n)}N", $"C[C@@H](O){new string('C', n)}N", $"N{new string('C', n)}C(O)C",
        })];
        DataSplits split = Splitter.Grouped(Rows(smiles), seed: 3);
        Assert.Equal([72, 9, 9], split.InOrder().Select(p => p.Rows.Count));
        Assert.Empty(Shared(split, m => m.CanonicalSmilesWithoutStereo));
        Assert.Equal(split.Sha256, Splitter.Grouped(Rows(smiles), seed: 3).Sha256);
    }

    [Fact]
    public void Scaffold_balanced_never_divides_a_scaffold_and_puts_large_ones_into_train()
    {
        string[] rings = ["c1ccccc1", "C1CCCCC1", "c1ccncc1", "C1CCOC1", "c1ccsc1", "C1CCNCC1", "c1ccc2ccccc2c1", "C1CC1", "c1cc[nH]c1", "C1CCC1"];
        string[] smiles = [.. rings.SelectMany((ring, r) => Enumerable.Range(1, r == 0 ? 40 : 4).Select(n => new string('C', n) + ring))];
        DataSplits split = Splitter.ScaffoldBalanced(Rows(smiles), seed: 1);
        Assert.Empty(Shared(split, m => m.MurckoScaffold));
        Assert.Equal(40, split.Train.Count(r => r.Smiles.EndsWith("c1ccccc1", StringComparison.Ordinal)));
        Assert.InRange(split.Valid.Count, 4, 8);
        Assert.InRange(split.Test.Count, 4, 12);
    }

    [Fact]
    public void Predefined_takes_the_rows_own_parts_and_refuses_a_row_without_one()
    {
        DataRow[] rows = [.. Rows(["C", "CC", "CCC"]).Zip(["test", "train", "train"], (r, part) => r with { Sample = r.Sample! with { Split = part } })];
        DataSplits split = Splitter.Predefined(rows);
        Assert.Equal((2, 0, 1), (split.Train.Count, split.Valid.Count, split.Test.Count));
        Assert.Contains("line 2", Assert.Throws<ArgumentException>(() => Splitter.Predefined(Rows(["C"]))).Message);
    }

    [Fact]
    public void Rows_that_are_no_samples_or_no_molecules_are_refused_in_file_order()
    {
        DataRow[] rows = [.. Rows(["C", "C1CC", "CC", "", "CCC"])];
        rows[3] = rows[3].Refuse("smiles", "nothing", "a SMILES");
        DataSplits split = Splitter.Grouped(rows);
        Assert.Equal([2L, 4L], split.Refused.Select(r => r.Number));
        Assert.Equal("\"C1CC\"", split.Refused[0].Error!.Found);
        Assert.Contains("unclosed ring", split.Refused[0].Error!.Message);
        Assert.Equal(3, split.InOrder().Sum(p => p.Rows.Count));
    }

    [Fact]
    public void A_split_is_written_with_the_columns_it_came_with_and_reads_back_the_same()
    {
        using var folder = new TemporaryFolder();
        folder.Write("in.csv", "id,smiles,note\n" + string.Concat(Enumerable.Range(1, 20).Select(i => $"m{i},{new string('C', i)},\"a, {i}\"\n")));
        using DataFile file = DataFile.Open(folder["in.csv"]);
        DataSplits split = Splitter.Random(file.Rows(), seed: 5);
        IReadOnlyList<string> paths = split.Save(folder["out"], "tsv.gz");
        Assert.Equal(["train.tsv.gz", "valid.tsv.gz", "test.tsv.gz"], paths.Select(p => Path.GetFileName(p)));
        List<DataRow> rows = [];
        foreach ((string path, string part) in paths.Zip(Parts.All))
        {
            using DataFile written = DataFile.Open(path, new DataFileOptions { Part = part });
            rows.AddRange(written.Rows());
        }

        Assert.Equal(split.Sha256, Splitter.Predefined(rows).Sha256);
        Assert.Equal(split.Test[1].Fields, rows[^1].Fields);
    }

    [Fact]
    public void Fractions_must_add_up_to_one()
    {
        Assert.Throws<ArgumentException>(() => new SplitFractions(0.8, 0.1, 0.2));
        Assert.Throws<ArgumentException>(() => new SplitFractions(1.1, -0.1, 0));
        Assert.Throws<ArgumentException>(() => new SplitFractions(double.NaN, 0, 0));
    }

    internal static IEnumerable<DataRow> Rows(IEnumerable<string> smiles)
    {
        var layout = new TableLayout("test.csv", ["smiles"]) { Smiles = 0 };
        return smiles.Select((s, i) => new DataRow(i + 1, i + 2, [s], new Sample($"{i + 1}", s, null, [], null), null) { Layout = layout });
    }

    private static IEnumerable<string> Shared(DataSplits split, Func<Molecule, string> key) =>
        split.InOrder().SelectMany(p => p.Rows.Select(r => (Key: Key(r.Smiles, key), p.Name))).Distinct()
            .GroupBy(x => x.Key).Where(g => g.Count() > 1).Select(g => g.Key);

    private static string Key(string smiles, Func<Molecule, string> key)
    {
        using Molecule molecule = Molecule.Parse(smiles);
        return key(molecule);
    }
}
