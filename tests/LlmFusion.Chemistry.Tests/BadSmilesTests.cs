using System.Text.Json;
using Xunit;

namespace LlmFusion.Chemistry.Tests;

/// <summary>Odd and broken SMILES: RDKit's verdict with RDKit's own reason, and selfies' verdict, which differs.</summary>
public class BadSmilesTests
{
    /// <summary>Recorded from Python RDKit 2022.09.3 and selfies 2.2.0: JSON-escaped SMILES, verdict, strict SELFIES.</summary>
    public static TheoryData<string, string, string> Recorded()
    {
        var data = new TheoryData<string, string, string>();
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Golden", "bad_smiles.txt")).Where(l => !l.StartsWith('#')))
        {
            string[] fields = line.Split('\t');
            data.Add(JsonSerializer.Deserialize<string>(fields[0])!, fields[1], fields[2]);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Recorded))]
    public void Every_line_gets_the_recorded_verdicts(string smiles, string rdkit, string selfies)
    {
        if (Molecule.TryParse(smiles, out Molecule? molecule, out string reason))
        {
            using (molecule) Assert.Equal(rdkit, "OK " + molecule.CanonicalSmiles);
            Assert.Empty(reason);
        }
        else
        {
            Assert.Equal("None", rdkit);
            Assert.NotEmpty(reason);
        }
        string encoded;
        try
        {
            encoded = Selfies.Encode(smiles);
        }
        catch (SelfiesException)
        {
            encoded = "ERROR";
        }
        Assert.Equal(selfies, encoded);
    }

    [Theory]
    [InlineData("C(C)(C)(C)(C)C", "Explicit valence for atom # 0 C, 5, is greater than permitted")]
    [InlineData("c1cccc1", "Can't kekulize mol.  Unkekulized atoms: 0 1 2 3 4")]
    [InlineData("()C", "SMILES Parse Error: syntax error while parsing: ()C")]
    [InlineData("C)", "SMILES Parse Error: extra close parentheses while parsing: C)")]
    [InlineData("C1CC", "SMILES Parse Error: unclosed ring for input: 'C1CC'")]
    [InlineData("C11", "SMILES Parse Error: duplicated ring closure 1 bonds atom 0 to itself for input: 'C11'")]
    public void The_exception_carries_RDKits_own_reason(string smiles, string reason)
    {
        var thrown = Assert.Throws<InvalidMoleculeException>(() => Molecule.Parse(smiles));
        Assert.Equal((smiles, reason), (thrown.Smiles, thrown.Reason));
        Assert.Contains(smiles, thrown.Message, StringComparison.Ordinal);
        Assert.Contains(reason, thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "the molecule has no atoms")]
    [InlineData("CC\0CC", "NUL character at position 3")]
    [InlineData("\uD83D\uDE00", "SMILES Parse Error: syntax error while parsing:")]
    public void What_is_no_molecule_at_all_is_refused(string smiles, string reason)
    {
        Assert.False(Molecule.TryParse(smiles, out _, out string found));
        Assert.StartsWith(reason, found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stray_megabyte_is_refused_at_once_and_not_repeated_in_the_message()
    {
        var thrown = Assert.Throws<InvalidMoleculeException>(() => Molecule.Parse(new string('C', 1_000_000)));
        Assert.Equal("1000000 characters, at most 3000 are read", thrown.Reason);
        Assert.True(thrown.Message.Length < 400);
    }

    [Fact]
    public void Deep_nesting_is_read_or_refused_but_never_fatal()
    {
        string nested = string.Concat(Enumerable.Repeat("C(", 200)) + "C" + new string(')', 200);
        using Molecule molecule = Molecule.Parse(nested);
        Assert.Equal(molecule.CanonicalSmiles, Recanonical(Selfies.Decode(Selfies.Encode(nested))));

        string hostile = string.Concat(Enumerable.Repeat("C(", 200_000)) + "C" + string.Concat(Enumerable.Repeat(")C", 200_000));
        Assert.Contains("nested too deeply", Assert.Throws<SelfiesException>(() => Selfies.Encode(hostile)).Reason, StringComparison.Ordinal);
    }

    private static string Recanonical(string smiles)
    {
        using Molecule molecule = Molecule.Parse(smiles);
        return molecule.CanonicalSmiles;
    }
}
