using System.Text;
using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public sealed class DataFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Columns_are_found_by_name_in_any_case()
    {
        List<DataRow> rows = Read("a.csv", "ID,y,SMILES,Description,note\nm1,1.5,CCO,an alcohol,x\nm2,,CC,,\n", "y");
        Assert.Equal(("m1", "CCO", "an alcohol"), (rows[0].Sample!.Id, rows[0].Sample!.Smiles, rows[0].Sample!.Text));
        Assert.Equal([1.5f], rows[0].Sample!.Targets);
        Assert.Equal(["m1", "1.5", "CCO", "an alcohol", "x"], rows[0].Fields);
        Assert.Null(rows[1].Sample!.Text);
        Assert.True(float.IsNaN(rows[1].Sample!.Targets[0]));
    }

    [Fact]
    public void Columns_are_found_by_option_and_rows_are_numbered_without_an_id()
    {
        string path = _folder.Write("a.csv", "structure,words,part,energy\nC,methane,Training,1\nCC,ethane,val,2\n");
        using DataFile file = DataFile.Open(path, new DataFileOptions
        {
            SmilesColumn = "structure",
            TextColumn = "words",
            SplitColumn = "part",
            Targets = ["homo"],
            TargetColumns = new Dictionary<string, string> { ["homo"] = "energy" },
        });
        List<Sample> samples = [.. file.Rows().Select(r => r.Sample!)];
        Assert.Equal([("1", "C", "methane", "train"), ("2", "CC", "ethane", "valid")], samples.Select(s => (s.Id, s.Smiles, s.Text!, s.Split!)));
        Assert.Equal(2f, samples[1].Targets[0]);
    }

    [Theory]
    [InlineData("a.csv", ",", "\n", "")]
    [InlineData("a.csv", ",", "\r\n", "\uFEFF")]
    [InlineData("a.tsv", "\t", "\r\n", "")]
    [InlineData("a.tsv.gz", "\t", "\n", "\uFEFF")]
    [InlineData("a.csv.gz", ",", "\r\n", "")]
    public void Lines_are_physical_lines_whatever_the_format(string name, string comma, string newLine, string mark)
    {
        string text = mark + "smiles,text,y\nC,\"two\nlines, \"\"quoted\"\"\",1\n\nCC,plain,2\nCCC,\"\n\n\",3\nO,x,bad\nN,,4"
            .Replace(",", comma).Replace("\n", newLine);
        List<DataRow> rows = Read(name, text, "y");
        Assert.Equal([2, 5, 6, 9, 10], rows.Select(r => r.Line));
        Assert.Equal([1, 2, 3, 4, 5], rows.Select(r => r.Number));
        Assert.Equal(("two\nlines, \"quoted\"".Replace("\n", newLine).Replace(",", comma)), rows[0].Sample!.Text);
        Assert.Equal("C", rows[0].Smiles);
        Assert.Equal(9, rows[3].Error!.Line);
        Assert.Equal(4f, rows[4].Sample!.Targets[0]);
    }

    [Theory]
    [InlineData("CC,x1.5", "y", "\"x1.5\"", "a number")]
    [InlineData("CC,\"1,5\"", "y", "\"1,5\"", "a number")]
    [InlineData("CC,NaN", "y", "\"NaN\"", "a number")]
    [InlineData("CC,1e999", "y", "\"1e999\"", "a number")]
    [InlineData("CC", null, "1 field", "2 fields, as in the header")]
    [InlineData("CC,1,2", null, "3 fields", "2 fields, as in the header")]
    [InlineData(" ,1", "smiles", "nothing", "a SMILES")]
    public void A_bad_row_says_where_what_was_found_and_what_was_expected(string line, string? column, string found, string expected)
    {
        List<DataRow> rows = Read("bad.csv", $"smiles,y\nC,1\n{line}\nCCC,3\n", "y");
        Assert.Equal(3, rows.Count);
        Assert.Null(rows[1].Sample);
        RowError error = rows[1].Error!;
        Assert.Equal((_folder["bad.csv"], 3L, column, found), (error.File, error.Line, error.Column, error.Found));
        Assert.StartsWith(expected, error.Expected);
        Assert.Contains("line 3", error.Message);
        Assert.Equal(3f, rows[2].Sample!.Targets[0]);
    }

    [Fact]
    public void Bytes_that_are_not_UTF_8_refuse_the_row()
    {
        string path = _folder.Write("latin1.csv", Encoding.Latin1.GetBytes("smiles,text\nC,gr\u00fcn\nCC,plain\n"));
        using DataFile file = DataFile.Open(path);
        List<DataRow> rows = [.. file.Rows()];
        Assert.Equal("bytes that are not UTF-8", rows[0].Error!.Found);
        Assert.NotNull(rows[1].Sample);
    }

    [Fact]
    public void A_NUL_far_into_a_file_refuses_the_row()
    {
        List<DataRow> rows = Read("a.csv", "smiles\n" + string.Concat(Enumerable.Repeat("CCCCCCCCC\n", 500)) + "C\0C\nC\n");
        Assert.Equal((502L, "a NUL character"), rows.Where(r => r.Error is not null).Select(r => (r.Line, r.Error!.Found)).Single());
    }

    [Fact]
    public void An_unknown_part_in_the_split_column_refuses_the_row()
    {
        using DataFile file = DataFile.Open(_folder.Write("a.csv", "smiles,split\nC,holdout\n"), new DataFileOptions { SplitColumn = "split" });
        Assert.Equal(("split", "\"holdout\"", "train, valid or test"), file.Rows().Select(r => (r.Error!.Column, r.Error.Found, r.Error.Expected)).Single());
    }

    [Theory]
    [InlineData("a.csv", "", "an empty file", "header")]
    [InlineData("a.csv", "\uFEFF", "an empty file", "header")]
    [InlineData("a.csv", "\n\n", "an empty file", "header")]
    [InlineData("a.csv.gz", "", "an empty file", "header")]
    [InlineData("a.csv", "a,y\n1,2\n", "\"a, y\"", "a column named smiles")]
    [InlineData("a.csv", "smiles,x\nC,2\n", "\"smiles, x\"", "a column named y")]
    [InlineData("a.csv", "CCO,1.5\nCC,2\n", "\"CCO, 1.5\"", "header line (the first line looks like data)")]
    [InlineData("a.csv", "smiles;y\nC;2\n", "\"smiles;y\"", "separated by commas, not by semicolons")]
    [InlineData("a.tsv", "smiles,y\nC,2\n", "\"smiles,y\"", "separated by tabs, not by commas")]
    [InlineData("a.csv", "smiles,y,y\nC,2,3\n", "\"y\" 2 times", "each column name once")]
    [InlineData("a.csv", "SMILES,Smiles,y\nC,2,3\n", "\"SMILES\" and \"Smiles\"", "one column of this name")]
    [InlineData("a.csv", "GIF89a\u0001\u0000\u0002", "binary data", "UTF-8 text")]
    [InlineData("a.csv", "PK\u0003\u0004xlsx", "a zip archive", "UTF-8 text")]
    [InlineData("a.csv", "PAR1", "Parquet", "UTF-8 text")]
    [InlineData("a.smi", "\u0000\u0001", "binary data", "UTF-8 text")]
    [InlineData("a.parquet", "smiles,y\nC,2\n", "data that is not Parquet", "Parquet")]
    [InlineData("a.parquet", "PAR1 and then something else", "damaged Parquet data", "whole")]
    [InlineData("a.parquet", "", "an empty file", "Parquet")]
    [InlineData("a.docx", "smiles,y\n", "the extension .docx", "csv, tsv")]
    [InlineData("a", "smiles,y\n", "a name without extension", "csv, tsv")]
    public void A_file_that_is_no_table_of_molecules_is_refused_as_a_whole(string name, string text, string found, string expected)
    {
        _folder.Write(name, text);
        RowError error = Assert.Throws<DataFileException>(() => DataFile.Open(_folder[name], new DataFileOptions { Targets = ["y"] })).Error;
        Assert.Equal(_folder[name], error.File);
        Assert.Contains(found, error.Found);
        Assert.Contains(expected, error.Expected);
    }

    [Fact]
    public void Missing_files_folders_UTF_16_and_false_gzip_are_named_as_such()
    {
        Assert.Equal("no such file", Assert.Throws<DataFileException>(() => DataFile.Open(_folder["none.csv"])).Error.Found);
        Assert.Equal("a folder", Assert.Throws<DataFileException>(() => DataFile.Open(Path.GetTempPath())).Error.Found);
        _folder.Write("wide.csv", Encoding.Unicode.GetPreamble().Concat(Encoding.Unicode.GetBytes("smiles\nC\n")).ToArray());
        Assert.Equal("UTF-16 text", Assert.Throws<DataFileException>(() => DataFile.Open(_folder["wide.csv"])).Error.Found);
        File.WriteAllText(_folder["plain.csv.gz"], "smiles\nC\n");
        Assert.Equal("data that is not gzip", Assert.Throws<DataFileException>(() => DataFile.Open(_folder["plain.csv.gz"])).Error.Found);
    }

    [Fact]
    public void A_gzip_file_cut_short_fails_where_it_ends_instead_of_ending_early()
    {
        string path = _folder.Write("a.csv.gz", "smiles,y\n" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"{new string('C', 1 + (i * 7919 % 13))},{i * 31}\n")));
        byte[] whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..^2000]);
        using DataFile file = DataFile.Open(path);
        int rows = 0;
        DataFileException e = Assert.Throws<DataFileException>(() =>
        {
            foreach (DataRow row in file.Rows())
                rows++;
        });
        Assert.Equal("damaged gzip data", e.Error.Found);
        Assert.InRange(rows, 1_000, 19_999);
        Assert.InRange(e.Error.Line, rows, rows + 10_000);
    }

    [Theory]
    [InlineData("smiles,text\nC,a\nCC,\"never closed\nCCC,b\n", 3)]
    [InlineData("smiles,text\nC,a\nCC,\"closed\" too early\nCCC,b\n", 3)]
    public void A_broken_quote_is_reported_with_the_line_it_begins_on(string text, long line)
    {
        using DataFile file = DataFile.Open(_folder.Write("a.csv", text));
        RowError error = Assert.Throws<DataFileException>(() => file.Rows().Count()).Error;
        Assert.Equal(line, error.Line);
        Assert.Contains("closing quote", error.Expected);
    }

    [Fact]
    public void Rows_can_be_read_again_and_not_after_the_file_is_closed()
    {
        DataFile file = DataFile.Open(_folder.Write("a.csv", "smiles\nC\nCC\n"));
        Assert.Equal(2, file.Rows().Count());
        Assert.Single(file.Rows().Take(1));
        Assert.Equal(2, file.Rows().Count());
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Rows().Count());
    }

    [Fact]
    public void A_smi_file_has_a_SMILES_and_perhaps_a_name_on_each_line()
    {
        List<DataRow> rows = Read("a.smi", "CCO ethyl alcohol\n\n# comment\nCC\tethane\nC\nCC |^1:0| radical\n");
        Assert.Equal([("CCO", "ethyl alcohol", 1L), ("CC", "ethane", 4L), ("C", "3", 5L)], rows.Take(3).Select(r => (r.Smiles, r.Id, r.Line)));
        Assert.Equal("a CXSMILES extension", rows[3].Error!.Found);
        Assert.Equal(2, Read("header.smi.gz", "SMILES name\nCCO a\nCC b\n").Count);
    }

    [Theory]
    [InlineData("a.csv", "smiles\n")]
    [InlineData("a.smi.gz", "")]
    public void Rows_that_were_passed_are_not_held(string name, string header)
    {
        _folder.Write(name, header + string.Concat(Enumerable.Repeat("CCO\n", 20_000)));
        using DataFile file = DataFile.Open(_folder[name]);
        List<WeakReference> rows = [];
        int alive = 0;
        foreach (DataRow row in file.Rows())
        {
            rows.Add(new WeakReference(row.Fields));
            if (row.Number != 20_000)
                continue;
            GC.Collect();
            alive = rows.Count(r => r.IsAlive);
        }

        Assert.InRange(alive, 0, 100);
    }

    private List<DataRow> Read(string name, string text, params string[] targets)
    {
        using DataFile file = DataFile.Open(_folder.Write(name, text), new DataFileOptions { Targets = targets });
        return [.. file.Rows()];
    }
}
