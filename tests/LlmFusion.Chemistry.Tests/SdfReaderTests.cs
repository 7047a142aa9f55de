using Xunit;

namespace LlmFusion.Chemistry.Tests;

public class SdfReaderTests
{
    private const string Ethanol = """
        ethanol
          test

          3  2  0  0  0  0  0  0  0  0999 V2000
            0.0000    0.0000    0.0000 C   0  0
            1.5000    0.0000    0.0000 C   0  0
            2.2000    1.2000    0.0000 O   0  0
          1  2  1  0
          2  3  1  0
        M  END
        """;

    private static string Record(string block, params string[] properties) => $"{block}\n{string.Concat(properties)}$$$$\n";

    private static List<SdfRecord> Read(string text) => [.. SdfReader.Read(new StringReader(text))];

    [Fact]
    public void A_record_is_a_molecule_with_its_properties_in_order()
    {
        SdfRecord record = Assert.Single(Read(Record(Ethanol, "> <id>\n17\n\n", ">  25  <note> (1)\nfirst line\nsecond > line\n\n", "> <empty>\n\n")));
        Assert.Equal((1, 1, "ethanol", "CCO", null), (record.Index, record.Line, record.Name, record.Smiles, record.Error));
        Assert.Equal([new("id", "17"), new("note", "first line\nsecond > line"), new("empty", "")], record.Properties);
    }

    [Fact]
    public void A_bad_structure_keeps_its_place_with_RDKits_reason()
    {
        string miscounted = Ethanol.Replace("3  2  0", "3  4  0", StringComparison.Ordinal);
        string overbonded = Ethanol.Replace("2.2000    1.2000    0.0000 O", "2.2000    1.2000    0.0000 F", StringComparison.Ordinal).Replace("2  3  1  0", "2  3  3  0", StringComparison.Ordinal);
        List<SdfRecord> records = Read(Record(Ethanol) + Record(miscounted, "> <id>\n2\n\n") + Record(overbonded) + Record(Ethanol));
        Assert.Equal([1, 2, 3, 4], records.Select(r => r.Index));
        Assert.Equal([1L, 12, 26, 37], records.Select(r => r.Line));
        Assert.Equal(["CCO", null, null, "CCO"], records.Select(r => r.Smiles));
        Assert.NotNull(records[1].Error);
        Assert.Equal("2", Assert.Single(records[1].Properties).Value);
        Assert.Contains("Explicit valence for atom # 2 F, 3, is greater than permitted", records[2].Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_last_separator_may_be_missing_and_windows_lines_are_read()
    {
        List<SdfRecord> records = Read((Record(Ethanol) + Ethanol + "\n> <id>\n2\n").Replace("\n", "\r\n", StringComparison.Ordinal));
        Assert.Equal(["CCO", "CCO"], records.Select(r => r.Smiles));
        Assert.Equal("2", Assert.Single(records[1].Properties).Value);
        Assert.Single(Read(Record(Ethanol) + "\n\n"));
        Assert.Empty(Read(""));
    }

    [Fact]
    public void A_truncated_record_says_so()
    {
        Assert.Equal("the file ends within the record: no 'M  END'", Assert.Single(Read(Ethanol[..120])).Error);
        Assert.Equal("the record has no 'M  END' before '$$$$'", Assert.Single(Read("name\n> <id>\n1\n\n$$$$\n")).Error);
    }

    [Fact]
    public void Records_are_streamed()
    {
        int lines = 0;
        using var reader = new CountingReader(new StringReader(string.Concat(Enumerable.Repeat(Record(Ethanol), 100))), () => lines++);
        Assert.Equal("CCO", SdfReader.Read(reader).First().Smiles);
        Assert.Equal(11, lines);
    }

    private sealed class CountingReader(TextReader inner, Action count) : TextReader
    {
        public override string? ReadLine()
        {
            count();
            return inner.ReadLine();
        }
    }
}
