using CsCheck;
using Xunit;

namespace LlmFusion.Chemistry.Tests;

/// <summary>The rules of the SELFIES grammar, one by one.</summary>
public class SelfiesTests
{
    [Theory]
    [InlineData("[C][=C][F]", "C=CF")]
    [InlineData("[C][=O].[Na+1]", "C=O.[Na+1]")]
    [InlineData("", "")]
    [InlineData("[nop][C][nop][C]", "CC")]
    [InlineData("[F][C]", "FC")]
    [InlineData("[F][=C]", "FC")]                                        // F has one bond: the double bond becomes single
    [InlineData("[C][#O]", "C=O")]
    [InlineData("[O][F][C]", "OF")]                                      // after F nothing can follow
    [InlineData("[C][Branch1][C][O][N]", "C(O)N")]
    [InlineData("[C][=Branch1][C][=O][O]", "C(=O)O")]
    [InlineData("[F][Branch1][C][O][N]", "FCON")]                        // one free bond makes no branch: the symbol alone is skipped
    [InlineData("[C][C][C][C][C][C][Ring1][=Branch1]", "C1CCCCC1")]
    [InlineData("[C][=C][C][=C][C][=C][Ring1][=Branch1]", "C1=CC=CC=C1")]
    [InlineData("[C][C][C][=Ring1][Ring1]", "C=1CC=1")]
    [InlineData("[C][C][Ring1][C]", "C=C")]                              // a ring onto a bond raises its order
    [InlineData("[C][Ring1][C]", "C")]                                   // a ring to itself is left out
    [InlineData("[Ring1][C][C]", "CC")]                                  // before the first atom rings and branches mean nothing
    [InlineData("[C][epsilon][C]", "C")]
    [InlineData("[C@H1][Branch1][C][F][Branch1][C][Cl][Br]", "[C@H1](F)(Cl)Br")]
    [InlineData("[F][/C][=C][/F]", "F/C=C/F")]
    [InlineData("[13C][O]", "[13C]O")]
    [InlineData("[CH0][C]", "[CH0]C")]
    [InlineData("[CH4][C]", "[CH4]")]
    public void Decoding(string selfies, string smiles) => Assert.Equal(smiles, Selfies.Decode(selfies));

    [Theory]
    [InlineData("[C][Xx]", "unknown symbol '[Xx]'")]
    [InlineData("[C][CH9]", "unknown symbol '[CH9]'")]                   // more hydrogens than carbon has bonds
    [InlineData("[C][Branch4][C][C]", "unknown symbol '[Branch4]'")]
    [InlineData("[C][--Ring1][C]", "unknown symbol '[--Ring1]'")]
    [InlineData("[C]x[C]", "unknown symbol 'x[C]'")]
    [InlineData("[C][C", "'[' at position 4 is never closed")]
    public void Decoding_refuses(string selfies, string reason) =>
        Assert.Equal(reason, Assert.Throws<SelfiesException>(() => Selfies.Decode(selfies)).Reason);

    [Theory]
    [InlineData("C[N+](=O)[O-]", "[C][N+1][=Branch1][C][=O][O-1]")]
    [InlineData("C.C", "[C].[C]")]
    [InlineData("F/C=C/C/C=C\\C", "[F][/C][=C][/C][/C][=C][\\C]")]
    [InlineData("[Cu++]", "[Cu+2]")]
    [InlineData("[CH3:7]C", "[CH3][C]")]                                 // the atom class is dropped
    [InlineData("[C]", "[CH0]")]
    public void Encoding(string smiles, string selfies) => Assert.Equal(selfies, Selfies.Encode(smiles));

    [Fact]
    public void Strict_refuses_what_would_decode_to_another_molecule_and_lenient_does_not()
    {
        var thrown = Assert.Throws<SelfiesException>(() => Selfies.Encode("CN(=O)=O"));
        Assert.Equal("it violates the semantic constraints: N (atom 2) has 5 bonds, at most 3 allowed", thrown.Reason);
        Assert.Contains("CN(=O)=O", thrown.Message, StringComparison.Ordinal);
        Assert.Equal("[C][N][=Branch1][C][=O][=O]", Selfies.Encode("CN(=O)=O", strict: false));
        Assert.Equal("CN(O)O", Selfies.Decode("[C][N][=Branch1][C][=O][=O]"));
    }

    [Fact]
    public void Splitting_keeps_every_symbol()
    {
        Assert.Equal(["[C]", "[=O]", ".", "[Na+1]"], Selfies.Split("[C][=O].[Na+1]"));
        Assert.Empty(Selfies.Split(""));
        Assert.Throws<SelfiesException>(() => Selfies.Split("[C][=O"));
    }

    /// <summary>The promise of SELFIES: every sequence of symbols stands for a molecule that RDKit accepts.</summary>
    [Fact]
    public void Any_sequence_of_symbols_decodes_to_a_valid_molecule()
    {
        string[] alphabet =
        [
            "[C]", "[=C]", "[#C]", "[N]", "[=N]", "[#N]", "[O]", "[=O]", "[F]", "[S]", "[=S]", "[P]", "[Cl]", "[N+1]", "[=N+1]", "[O-1]",
            "[C@@H1]", "[Ring1]", "[=Ring1]", "[Ring2]", "[Branch1]", "[=Branch1]", "[#Branch1]", "[Branch2]", "[=Branch2]",
        ];
        Gen.Int[0, alphabet.Length - 1].Select(i => alphabet[i]).Array[1, 60].Sample(
            symbols =>
            {
                string smiles = Selfies.Decode(string.Concat(symbols));
                if (smiles.Length == 0) return; // branches and rings alone
                Assert.True(Molecule.TryParse(smiles, out Molecule? molecule, out string reason), $"{string.Concat(symbols)} -> {smiles}: {reason}");
                molecule.Dispose();
            },
            iter: 1000);
    }

    /// <summary>CPython 3.11's own answers to [s.pop() for _ in range(len(s))], s = set(i for i in numbers).</summary>
    [Theory]
    [InlineData(new[] { 0, 1, 2 }, new[] { 0, 1, 2 })]
    [InlineData(new[] { 3, 40 }, new[] { 40, 3 })]
    [InlineData(new[] { 7, 8, 15, 16 }, new[] { 8, 16, 15, 7 })]
    [InlineData(new[] { 1, 9, 17, 25, 33 }, new[] { 1, 33, 9, 17, 25 })]
    [InlineData(new[] { 2, 4, 10, 64, 66, 130, 258 }, new[] { 64, 2, 66, 4, 130, 258, 10 })]
    [InlineData(new[] { 5, 13, 21, 29, 37, 45, 77, 99 }, new[] { 99, 37, 5, 13, 45, 77, 21, 29 })]
    public void Unmatched_atoms_are_taken_in_the_order_of_a_Python_set(int[] numbers, int[] order) =>
        Assert.Equal(order, SelfiesKekulizer.InSetOrder(numbers));
}
