using Xunit;

namespace LlmFusion.Chemistry.Tests;

public class SmilesAtomsTests
{
    [Theory]
    [InlineData("CCO", "C C O")]
    [InlineData("c1ccc(Cl)nc1Br", "C C C C Cl N C Br")]
    [InlineData("C[C@@H](N)C(=O)[O-].[Na+]", "C C N C O O Na")]
    [InlineData("[2H]C([2H])[13CH3]", "C C")]
    [InlineData("c1c[nH]c[se]1", "C C N C Se")]
    [InlineData("C%12CC%12*", "C C C *")]
    [InlineData("[H][H]", "")]
    [InlineData("[Cl-].[cH-]1cccc1", "Cl C C C C C")]
    [InlineData("B(O)I", "B O I")]
    [InlineData("[H]OC |$;Si$| Nina", "O C")]
    [InlineData("C[#34]C[#1]", "C #34 C")]
    public void Heavy_atoms_are_those_of_the_molecule(string smiles, string elements) =>
        Assert.Equal(elements, string.Join(' ', SmilesAtoms.HeavyAtoms(smiles)));
}
