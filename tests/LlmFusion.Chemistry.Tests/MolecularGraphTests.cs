using Xunit;

namespace LlmFusion.Chemistry.Tests;

public class MolecularGraphTests
{
    [Fact]
    public void Atoms_and_bonds_are_RDKits()
    {
        MolecularGraph graph = Of("[NH3+]C(C)C(=O)[O-]");
        Assert.Equal((6, 5), (graph.AtomCount, graph.BondCount));
        Atom[] atoms = [.. Atoms(graph)];
        Assert.Contains(new Atom(7, 1, 3, 1, false, Hybridisation.Sp3, 0, Chirality.None), atoms);
        Assert.Contains(new Atom(6, 0, 1, 3, false, Hybridisation.Sp3, 0, Chirality.None), atoms);
        Assert.Contains(new Atom(8, -1, 0, 1, false, Hybridisation.Sp2, 0, Chirality.None), atoms);
        Assert.Equal(1, Bonds(graph).Count(b => b.Type == BondType.Double));
        Assert.Equal(2, Bonds(graph).Count(b => b.IsConjugated)); // both to the carboxylate's oxygens
        Assert.DoesNotContain(Bonds(graph), b => b.InRing);
    }

    [Fact]
    public void Rings_are_sets_of_sizes()
    {
        MolecularGraph indane = Of("c1ccc2c(c1)CCC2");
        const int five = 1 << 2, six = 1 << 3, large = 1 << 6;
        Assert.Equal([five, five, five, five | six, five | six, six, six, six, six], Atoms(indane).Select(a => a.RingSizes).OrderBy(r => r == (five | six) ? 5 : r));
        Assert.Equal(6, Atoms(indane).Count(a => a.IsAromatic));
        Assert.All(Bonds(indane), bond => Assert.True(bond.InRing));
        Assert.All(Atoms(Of("C1CCCCCCCCCCC1")), atom => Assert.Equal(large, atom.RingSizes));
    }

    [Theory]
    [InlineData("C[C@H](N)C(=O)O", Chirality.S)]
    [InlineData("C[C@@H](N)C(=O)O", Chirality.R)]
    [InlineData("CC(N)C(=O)O", Chirality.None)]
    public void Stereocentres_have_their_labels(string smiles, Chirality expected) =>
        Assert.Equal(expected, Atoms(Of(smiles)).Single(a => a is { Element: 6, Degree: 3, Hydrogens: 1 }).Chirality);

    [Fact]
    public void A_stereocentre_without_a_label_is_one_all_the_same() =>
        Assert.Equal(2, Atoms(Of("C[C@H]1CC[C@@H](C)CC1")).Count(a => a.Chirality == Chirality.Other));

    [Theory]
    [InlineData("F/C=C/F", BondStereo.E)]
    [InlineData("F/C=C\\F", BondStereo.Z)]
    [InlineData("FC=CF", BondStereo.None)]
    public void Double_bonds_have_theirs(string smiles, BondStereo expected) =>
        Assert.Equal(expected, Bonds(Of(smiles)).Single(b => b.Type == BondType.Double).Stereo);

    [Theory]
    [InlineData("CC(=O)Oc1ccccc1C(=O)O", "OC(=O)c1ccccc1OC(C)=O", "c1cc(C(O)=O)c(OC(=O)C)cc1")]
    [InlineData("C[C@H](N)C(=O)O", "OC(=O)[C@H](C)N", "N[C@@H](C)C(O)=O")]
    [InlineData("F/C=C/Cl", "Cl/C=C/F", "C(=C/Cl)\\F")]
    [InlineData("C1CC1.[Na+].[Cl-]", "[Cl-].[Na+].C1CC1", "[Na+].C1CC1.[Cl-]")]
    public void The_graph_does_not_depend_on_how_the_molecule_was_written(params string[] spellings)
    {
        foreach (string spelling in spellings[1..])
        {
            MolecularGraph expected = Of(spellings[0]), graph = Of(spelling);
            Assert.Equal(Atoms(expected), Atoms(graph));
            Assert.Equal(Bonds(expected), Bonds(graph));
        }
    }

    // Cages, where the smallest set of rings is not the only one.
    [Theory]
    [InlineData("C1C2CC3CC1CC(C2)C3")]
    [InlineData("C12C3C4C1C5C2C3C45")]
    [InlineData("C1CC2CCC1C2")]
    [InlineData("OC12CC3C1C2N3")]
    [InlineData("C1C2C3C4C1C2C34")]
    [InlineData("CC12CC1C1OC21")]
    public void Nor_do_the_rings_of_cages(string smiles)
    {
        using Molecule molecule = Molecule.Parse(smiles);
        MolecularGraph expected = molecule.Graph();
        for (ulong seed = 0; seed < 20; seed++)
        {
            MolecularGraph graph = Of(molecule.RandomSmiles(seed));
            Assert.Equal(Atoms(expected), Atoms(graph));
            Assert.Equal(Bonds(expected), Bonds(graph));
        }
    }

    [Fact]
    public void A_lone_atom_is_a_graph_without_bonds()
    {
        MolecularGraph graph = Of("[U]");
        Assert.Equal((1, 0), (graph.AtomCount, graph.BondCount));
        Assert.Equal(92, graph.Atom(0).Element);
    }

    private static MolecularGraph Of(string smiles)
    {
        using Molecule molecule = Molecule.Parse(smiles);
        return molecule.Graph();
    }

    private static IEnumerable<Atom> Atoms(MolecularGraph graph) => Enumerable.Range(0, graph.AtomCount).Select(graph.Atom);

    private static IEnumerable<Bond> Bonds(MolecularGraph graph) => Enumerable.Range(0, graph.BondCount).Select(graph.Bond);
}
