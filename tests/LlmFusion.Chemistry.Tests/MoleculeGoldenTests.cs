using Xunit;

namespace LlmFusion.Chemistry.Tests;

/// <summary>Every computed value against Python RDKit's.</summary>
public class MoleculeGoldenTests
{
    [Fact]
    public void There_are_1500_molecules() => Assert.Equal(1500, GoldenMolecule.All.Count);

    [Fact]
    public void Canonical_smiles_are_equal() => ForAll((golden, molecule) => Assert.Equal(golden.Canonical, molecule.CanonicalSmiles));

    [Fact]
    public void Morgan_bits_and_counts_are_equal() => ForAll((golden, molecule) =>
    {
        Assert.Equal(golden.Bits2, molecule.MorganBits());
        Assert.Equal(golden.Counts2.Bits, molecule.MorganCounts().Bits);
        Assert.Equal(golden.Counts2.Counts, molecule.MorganCounts().Counts);
        Assert.Equal(golden.Counts3.Bits, molecule.MorganCounts(3, 1024).Bits);
        Assert.Equal(golden.Counts3.Counts, molecule.MorganCounts(3, 1024).Counts);
    });

    [Fact]
    public void LogP_tpsa_and_weight_agree_to_1e_9() => ForAll((golden, molecule) =>
    {
        Assert.Equal(golden.LogP, molecule.LogP, 1e-9);
        Assert.Equal(golden.Tpsa, molecule.Tpsa, 1e-9);
        Assert.Equal(golden.Weight, molecule.MolecularWeight, 1e-9);
    });

    [Fact]
    public void Qed_agrees_to_1e_6() => ForAll((golden, molecule) => Assert.Equal(golden.Qed, molecule.Qed, 1e-6));

    [Fact]
    public void Donors_acceptors_rotatable_bonds_and_rings_are_equal() => ForAll((golden, molecule) => Assert.Equal(
        (golden.Donors, golden.Acceptors, golden.Rotatable, golden.Rings),
        (molecule.HydrogenBondDonors, molecule.HydrogenBondAcceptors, molecule.RotatableBonds, molecule.Rings)));

    /// <summary>Runs on one thread; a failure names the molecule.</summary>
    private static void ForAll(Action<GoldenMolecule, Molecule> check)
    {
        foreach (GoldenMolecule golden in GoldenMolecule.All)
        {
            using Molecule molecule = Molecule.Parse(golden.Smiles);
            try
            {
                check(golden, molecule);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw new InvalidOperationException($"{golden.Smiles}: {e.Message}", e);
            }
        }
    }
}
