using System.Xml.Linq;
using Xunit;

namespace LlmFusion.Chemistry.Tests;

public class MoleculeTests
{
    [Theory]
    [InlineData("CC(C)Cc1ccc(cc1)C(C)C(=O)O", "c1ccccc1")]
    [InlineData("O=C(Nc1ccccc1)C1CCN(CC1)Cc1ccncc1", "O=C(Nc1ccccc1)C1CCN(Cc2ccncc2)CC1")]
    [InlineData("C[C@H]1CC[C@@H](C)CC1", "C1CCCCC1")]
    [InlineData("CCO", "")]
    public void The_Murcko_scaffold_is_rings_and_linkers(string smiles, string scaffold)
    {
        using Molecule molecule = Molecule.Parse(smiles);
        Assert.Equal(scaffold, molecule.MurckoScaffold);
    }

    [Fact]
    public void Without_stereo_the_isomers_are_equal()
    {
        using Molecule left = Molecule.Parse("C/C=C/[C@H](N)O"), right = Molecule.Parse("C/C=C\\[C@@H](N)O");
        Assert.NotEqual(left.CanonicalSmiles, right.CanonicalSmiles);
        Assert.Equal("CC=CC(N)O", left.CanonicalSmilesWithoutStereo);
        Assert.Equal("CC=CC(N)O", right.CanonicalSmilesWithoutStereo);
    }

    [Fact]
    public void The_fingerprint_ignores_chirality_and_honours_radius_and_size()
    {
        using Molecule left = Molecule.Parse("N[C@@H](C)C(=O)O"), right = Molecule.Parse("N[C@H](C)C(=O)O");
        Assert.Equal(left.MorganBits(), right.MorganBits());
        Assert.True(left.MorganBits(radius: 0).Length < left.MorganBits(radius: 2).Length);
        Assert.All(left.MorganBits(size: 64), bit => Assert.InRange(bit, 0, 63));
        Assert.Throws<ArgumentOutOfRangeException>(() => left.MorganBits(radius: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => left.MorganBits(size: 0));
    }

    [Fact]
    public void Svg_is_a_document_of_the_asked_size()
    {
        using Molecule molecule = Molecule.Parse("CC(=O)Oc1ccccc1C(=O)O");
        XElement svg = XDocument.Parse(molecule.ToSvg(320, 240)).Root!;
        Assert.Equal("svg", svg.Name.LocalName);
        Assert.Equal(("320px", "240px"), (svg.Attribute("width")!.Value, svg.Attribute("height")!.Value));
        Assert.True(svg.Elements().Count() > 10);
    }

    [Fact]
    public void A_disposed_molecule_says_so()
    {
        Molecule molecule = Molecule.Parse("C");
        molecule.Dispose();
        molecule.Dispose();
        Assert.Throws<ObjectDisposedException>(() => molecule.LogP);
    }

    [Fact]
    public void Rdkit_tells_its_version() => Assert.Matches(@"^\d{4}\.\d{2}\.\d+", Rdkit.Version);

    /// <summary>Both many molecules at once and one molecule from many threads, errors included, give what one thread gives.</summary>
    [Fact]
    public void Molecules_are_thread_safe()
    {
        GoldenMolecule[] sample = [.. GoldenMolecule.All.Where((_, i) => i % 10 == 0)];
        Molecule[] shared = [.. sample.Select(g => Molecule.Parse(g.Smiles))];
        Parallel.For(0, 8 * sample.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            GoldenMolecule golden = sample[i % sample.Length];
            Molecule molecule = shared[i % sample.Length];
            Assert.Equal(golden.Canonical, molecule.CanonicalSmiles);
            Assert.Equal(golden.Bits2, molecule.MorganBits());
            Assert.Equal(golden.Qed, molecule.Qed, 1e-6);
            Assert.Equal(golden.Tpsa, molecule.Tpsa, 1e-9);
            using Molecule mine = Molecule.Parse(golden.Smiles);
            Assert.Equal(golden.Canonical, mine.CanonicalSmiles);
            string bad = $"C{i}((C";
            Assert.Contains(bad, Assert.Throws<InvalidMoleculeException>(() => Molecule.Parse(bad)).Reason, StringComparison.Ordinal);
        });
        foreach (Molecule molecule in shared) molecule.Dispose();
    }
}
