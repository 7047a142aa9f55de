using System.Text.RegularExpressions;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public partial class DemoDataSetTests
{
    private const string Fingerprint = "3bbabb4580594fd1ae7b9c6746c7a0b42d93fb430e930b6d0d20a79c0d236f3b";

    private static readonly DataSplits Demo = Catalog.Open("demo");

    [Fact]
    public void It_has_two_thousand_different_molecules_in_a_fixed_split()
    {
        Assert.Equal((1600, 200, 200), (Demo.Train.Count, Demo.Valid.Count, Demo.Test.Count));
        Assert.Equal([1600, 200, 200], Catalog.Inspect(Catalog.Find("demo")).Molecules);
        Assert.Empty(Demo.Refused);
        Assert.Equal(("demo", 2000), (Demo.Name, All.Select(s => s.Id).Distinct().Count()));
        Assert.Equal(2000, All.Select(s => Of(s, m => m.CanonicalSmilesWithoutStereo)).Distinct().Count());
    }

    [Fact]
    public void It_is_the_same_everywhere() =>
        Assert.Equal(Fingerprint, Demo.Sha256);

    [Fact]
    public void Its_targets_are_those_of_RDKit()
    {
        foreach (Sample sample in All.Where((_, i) => i % 40 == 0))
        {
            Assert.Equal([(float)Of(sample, m => m.LogP), (float)Of(sample, m => m.Qed)], sample.Targets);
            Assert.Equal(sample.Smiles, Of(sample, m => m.CanonicalSmiles));
        }
    }

    [Fact]
    public void Its_molecules_are_small_and_differ_in_their_targets()
    {
        Assert.InRange(All.Average(s => Of(s, m => m.MolecularWeight)), 200, 350);
        Assert.InRange(All.Max(s => s.Targets[0]) - All.Min(s => s.Targets[0]), 6, 20);
        Assert.InRange(All.Max(s => s.Targets[1]) - All.Min(s => s.Targets[1]), 0.6, 1);
        Assert.All(All, s => Assert.DoesNotContain('.', s.Smiles));
    }

    [Fact]
    public void Its_texts_name_neither_a_target_nor_what_QED_is_computed_from()
    {
        Assert.All(All, s => Assert.Matches("^The molecule (is built on|has no ring)", s.Text));
        Assert.All(All, s => Assert.DoesNotMatch(Forbidden(), s.Text!));
        Assert.InRange(All.Select(s => s.Text).Distinct().Count(), 1500, 2000);
    }

    [Theory]
    [InlineData("pyridine")]
    [InlineData("benzofuran")]
    [InlineData("a carboxylic acid")]
    [InlineData("no ring")]
    public void Its_texts_tell_molecules_apart(string word) =>
        Assert.InRange(All.Count(s => s.Text!.Contains(word, StringComparison.Ordinal)), 20, 1000);

    [Fact]
    public void Its_texts_are_true_of_the_structure()
    {
        foreach (Sample sample in All)
        {
            Assert.Equal(sample.Text!.Contains("no ring", StringComparison.Ordinal), Of(sample, m => m.Rings) == 0);
            foreach ((string word, string element) in new[] { ("fluoro", "F"), ("chloro", "Cl"), ("bromo", "Br") })
                Assert.Equal(sample.Text.Contains(word, StringComparison.Ordinal), sample.Smiles.Contains(element, StringComparison.Ordinal));
            Assert.Equal(sample.Text.Contains("nitrile", StringComparison.Ordinal), sample.Smiles.Contains("C#N", StringComparison.Ordinal) || sample.Smiles.Contains("N#C", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void One_target_can_be_chosen()
    {
        DataSplits qed = Catalog.Open("demo", new CatalogOptions { Targets = ["qed"] });
        Assert.Equal(["qed"], qed.Targets);
        Assert.Equal(Demo.Test[7].Sample!.Targets[1], Assert.Single(qed.Test[7].Sample!.Targets));
        Assert.Equal(qed.Sha256, Demo.Sha256);
    }

    private static IEnumerable<Sample> All => Demo.InOrder().SelectMany(p => p.Rows).Select(r => r.Sample!);

    private static T Of<T>(Sample sample, Func<Molecule, T> value)
    {
        using Molecule molecule = Molecule.Parse(sample.Smiles);
        return value(molecule);
    }

    [GeneratedRegex(@"[0-9]|log ?p|qed|lipophil|hydropho|soluble|drug|weight|mass|donor|acceptor|polar|surface|tpsa|rotatable|aromatic|alert|heavy|\b(two|three|four|five)\b", RegexOptions.IgnoreCase)]
    private static partial Regex Forbidden();
}
