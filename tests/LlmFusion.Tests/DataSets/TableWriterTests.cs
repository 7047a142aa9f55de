using CsCheck;
using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public sealed class TableWriterTests : IDisposable
{
    private static readonly OutputColumn[] Columns =
        [new("smiles"), new("text"), new("real", ColumnKind.Real), new("whole", ColumnKind.Integer)];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a.csv")]
    [InlineData("a.tsv")]
    [InlineData("a.csv.gz")]
    [InlineData("a.tsv.gz")]
    [InlineData("a.parquet")]
    public void What_is_written_reads_back_to_the_same_text_and_bits(string name)
    {
        Gen<string> awkward = Gen.OneOf<char>(Gen.OneOf('"', ',', '\t', '\n', '\r', ' ', ';', '#', '\'', 'ü', '=', '-'), Gen.Char['a', 'c']).Array[0, 8].Select(c => new string(c));
        Gen.Select(awkward, Gen.Double, Gen.Long).Array[0, 20].Sample(
            cases =>
            {
                using (TableWriter writer = TableWriter.Open(_folder[name], Columns))
                {
                    foreach ((string text, double real, long whole) in cases)
                        writer.Write(["C", text, real, whole]);
                    writer.Commit();
                }

                using DataFile file = DataFile.Open(_folder[name]);
                Assert.Equal(Columns.Select(c => c.Name), file.Columns);
                List<DataRow> rows = [.. file.Rows()];
                Assert.Equal(cases.Length, rows.Count);
                foreach ((DataRow row, (string text, double real, long whole)) in rows.Zip(cases))
                {
                    Assert.Equal(text, row.Fields[1]);
                    Assert.Equal(double.IsNaN(real) ? "" : real.ToString("R"), row.Fields[2]);
                    Assert.True(double.IsNaN(real) || BitConverter.DoubleToInt64Bits(double.Parse(row.Fields[2])) == BitConverter.DoubleToInt64Bits(real));
                    Assert.Equal(whole.ToString(), row.Fields[3]);
                }
            },
            iter: 40,
            threads: 1);
    }

    [Fact]
    public void Text_is_exactly_this()
    {
        Write("a.csv", w => w.Write(["C", "a \"b\", c", 0.1f, 7]), w => w.Write([null, "", float.NaN, null]));
        Assert.Equal("smiles,text,real,whole\nC,\"a \"\"b\"\", c\",0.1,7\n,,,\n", File.ReadAllText(_folder["a.csv"]));
    }

    [Fact]
    public void A_single_blank_field_is_not_a_blank_line()
    {
        using (TableWriter writer = TableWriter.Open(_folder["one.csv"], ["smiles"]))
        {
            writer.Write(["C"]);
            writer.Write([""]);
            writer.Commit();
        }

        using DataFile file = DataFile.Open(_folder["one.csv"]);
        Assert.Equal([null, "nothing"], file.Rows().Select(r => r.Error?.Found));
    }

    [Fact]
    public void Parquet_is_written_and_read_by_row_group()
    {
        const int Rows = 40_000;
        using (TableWriter writer = TableWriter.Open(_folder["a.parquet"], Columns))
        {
            for (int i = 0; i < Rows; i++)
                writer.Write(["C", i % 3 == 0 ? null : $"t{i}", i % 5 == 0 ? null : i / 7.0, i]);
            writer.Commit();
        }

        using DataFile file = DataFile.Open(_folder["a.parquet"], new DataFileOptions { Targets = ["real", "whole"] });
        long n = 0;
        foreach (DataRow row in file.Rows())
        {
            Assert.Equal(n % 3 == 0 ? null : $"t{n}", row.Sample!.Text);
            Assert.Equal([n % 5 == 0 ? float.NaN : (float)(n / 7.0), n], row.Sample.Targets);
            Assert.Equal(++n, row.Line);
        }

        Assert.Equal(Rows, n);
    }

    [Fact]
    public void Without_commit_nothing_is_left_and_an_older_file_stays()
    {
        File.WriteAllText(_folder["a.csv"], "older");
        using (TableWriter writer = TableWriter.Open(_folder["a.csv"], Columns))
            writer.Write(["C", "", 1.0, 1L]);
        Assert.Equal(["a.csv"], _folder.Names);
        Assert.Equal("older", File.ReadAllText(_folder["a.csv"]));
        Write("a.csv");
        Assert.Equal("smiles,text,real,whole\n", File.ReadAllText(_folder["a.csv"]));
        Assert.Equal(["a.csv"], _folder.Names);
    }

    [Fact]
    public void A_link_keeps_pointing_to_the_file_that_is_replaced()
    {
        _folder.Write("real.csv", "older");
        File.CreateSymbolicLink(_folder["link.csv"], "real.csv");
        Write("link.csv");
        Assert.StartsWith("smiles", File.ReadAllText(_folder["real.csv"]));
        Assert.NotNull(new FileInfo(_folder["link.csv"]).LinkTarget);
    }

    [Fact]
    public void Wrong_use_is_refused()
    {
        Assert.Contains("csv", Assert.Throws<ArgumentException>(() => TableWriter.Open(_folder["a.xlsx"], ["a"])).Message);
        Assert.Contains("2 times", Assert.Throws<ArgumentException>(() => TableWriter.Open(_folder["a.csv"], ["a", "a"])).Message);
        Assert.Throws<ArgumentException>(() => TableWriter.Open(_folder["a.csv"], Array.Empty<string>()));
        Assert.ThrowsAny<IOException>(() => TableWriter.Open(Path.Combine(_folder["none"], "a.csv"), ["a"]));
        using TableWriter writer = TableWriter.Open(_folder["a.parquet"], Columns);
        Assert.Contains("expected 4", Assert.Throws<ArgumentException>(() => writer.Write(["C"])).Message);
        Assert.Contains("column real", Assert.Throws<ArgumentException>(() => writer.Write(["C", "", "x", 1L])).Message);
    }

    private void Write(string name, params Action<TableWriter>[] rows)
    {
        using TableWriter writer = TableWriter.Open(_folder[name], Columns);
        foreach (Action<TableWriter> row in rows)
            row(writer);
        writer.Commit();
    }
}
