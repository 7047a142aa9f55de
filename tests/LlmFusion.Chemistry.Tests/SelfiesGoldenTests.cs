using Xunit;

namespace LlmFusion.Chemistry.Tests;

/// <summary>Encoder and decoder against selfies 2.2.0.</summary>
public class SelfiesGoldenTests
{
    [Fact]
    public void Encoding_equals_the_original()
    {
        foreach (GoldenMolecule golden in GoldenMolecule.All)
        {
            if (golden.Selfies == "ERROR") Assert.Throws<SelfiesException>(() => Selfies.Encode(golden.Smiles));
            else Assert.Equal((golden.Smiles, golden.Selfies), (golden.Smiles, Selfies.Encode(golden.Smiles)));
        }
    }

    [Fact]
    public void Decoding_gives_back_the_molecule()
    {
        foreach (GoldenMolecule golden in GoldenMolecule.All.Where(g => g.Selfies != "ERROR"))
        {
            using Molecule decoded = Molecule.Parse(Selfies.Decode(golden.Selfies));
            Assert.Equal((golden.Smiles, golden.Canonical), (golden.Smiles, decoded.CanonicalSmiles));
        }
    }
}
