using System.Text.Json;
using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

public sealed class DataCommandTests : IDisposable
{
    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task List_names_every_data_set_and_its_licence()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("data", "list", "--json"));
        using (JsonDocument list = JsonDocument.Parse(cli.Output))
        {
            Assert.Equal(["demo", "qm9", "chebi20", "chebi20-captioned"], list.RootElement.EnumerateArray().Select(e => e.GetProperty("name").GetString()));
            Assert.Equal(["Apache-2.0", "CC0", "CC BY 4.0", "CC BY 4.0"], list.RootElement.EnumerateArray().Select(e => e.GetProperty("licence").GetString()));
            Assert.True(list.RootElement[0].GetProperty("available").GetBoolean());
        }

        Assert.Equal(ExitCode.Done, await cli.Run("data", "list"));
        Assert.Contains("built in", cli.Output, StringComparison.Ordinal);
        Assert.Empty(cli.Error);
    }

    [Fact]
    public async Task Info_says_where_files_belong_and_how_to_get_them()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("data", "info", "QM9", "--json"));
        using (JsonDocument info = JsonDocument.Parse(cli.Output))
        {
            JsonElement root = info.RootElement;
            Assert.Equal("qm9", root.GetProperty("name").GetString());
            Assert.Equal(["train", "valid", "test"], root.GetProperty("files").EnumerateArray().Select(f => f.GetProperty("part").GetString()));
            Assert.All(root.GetProperty("files").EnumerateArray(), f => Assert.StartsWith(root.GetProperty("folder").GetString()!, f.GetProperty("path").GetString()!, StringComparison.Ordinal));
            Assert.Equal(root.GetProperty("available").GetBoolean(), root.GetProperty("how_to_get").ValueKind == JsonValueKind.Null);
            Assert.Equal("Hartree", root.GetProperty("targets")[0].GetProperty("unit").GetString());
        }

        Assert.Equal(ExitCode.Done, await cli.Run("data", "info", "chebi20"));
        Assert.Contains("CC BY 4.0", cli.Output, StringComparison.Ordinal);
        Assert.Contains("blender-nlp/MolT5", cli.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Done, await cli.Run("data", "info", "demo"));
        Assert.Contains("the program makes it itself", cli.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.WrongUse, await cli.Run("data", "info", "zinc"));
        Assert.Contains("got zinc, expected demo, qm9, chebi20", cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Describe_finds_the_columns_of_numbers_and_counts_what_is_wrong()
    {
        string file = cli.Write("a.csv", "id,smiles,homo,note,part", "1,CCO,1,x,train", "2,OCC,3,y,test", "3,C1CC,5,z,test", "4,CC,,1,valid", "5,CC");
        Assert.Equal(ExitCode.SomeRowsRefused, await cli.Run("data", "describe", file, "--split-column", "part", "--json"));
        Assert.Empty(cli.Error);
        using JsonDocument description = JsonDocument.Parse(cli.Output);
        JsonElement root = description.RootElement;
        Assert.Equal((5, 1, 1, 1), (Count("rows"), Count("bad_rows"), Count("invalid_molecules"), Count("duplicates")));
        JsonElement target = Assert.Single(root.GetProperty("targets").EnumerateArray());
        Assert.Equal(("homo", "Hartree", 2, 1), (target.GetProperty("name").GetString(), target.GetProperty("unit").GetString(), target.GetProperty("count").GetInt32(), target.GetProperty("missing").GetInt32()));
        Assert.Equal((2.0, 1.0), (target.GetProperty("mean").GetDouble(), target.GetProperty("variance").GetDouble()));
        Assert.Equal(["train", "valid", "test"], root.GetProperty("parts").EnumerateArray().Select(p => p.GetProperty("part").GetString()));
        Assert.Equal([0, 1, 0], root.GetProperty("overlaps").EnumerateArray().Select(o => o.GetProperty("molecules").GetInt32()));
        Assert.Equal([4, 6], root.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("line").GetInt32()));

        int Count(string name) => root.GetProperty(name).GetInt32();
    }

    [Fact]
    public async Task Describe_takes_three_files_and_shows_what_they_share()
    {
        string train = cli.Write("train.csv", "smiles,y", "C[C@H](N)O,1", "CCO,2"), test = cli.Write("test.tsv", "smiles\ty", "C[C@@H](N)O\t3");
        Assert.Equal(ExitCode.Done, await cli.Run("data", "describe", "--train", train, "--test", test));
        Assert.Matches(@"train, test\s+canonical SMILES\s+0\s+0\s+0", cli.Output);
        Assert.Matches(@"train, test\s+ignoring stereochemistry\s+1\s+1\s+1", cli.Output);
        Assert.Matches(@"y\s+3\s+0\s+2\s+0.66667\s+1\s+3", cli.Output);
        Assert.Empty(cli.Error);
    }

    [Fact]
    public async Task Describe_shows_bad_rows_where_they_are_and_an_empty_target_as_null()
    {
        string file = cli.Write("a.csv", "smiles,y", "CCO,many");
        Assert.Equal(ExitCode.SomeRowsRefused, await cli.Run("data", "describe", file, "--targets", "y"));
        Assert.Contains("a.csv, line 2, column y: found \"many\", expected a number", cli.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.SomeRowsRefused, await cli.Run("data", "describe", file, "--targets", "y", "--json"));
        using JsonDocument description = JsonDocument.Parse(cli.Output);
        Assert.Equal(JsonValueKind.Null, description.RootElement.GetProperty("targets")[0].GetProperty("mean").ValueKind);
    }

    [Fact]
    public async Task Describe_knows_data_sets_by_name()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("data", "describe", "--data", "demo", "--json"));
        using JsonDocument description = JsonDocument.Parse(cli.Output);
        Assert.Equal((2000, 0), (description.RootElement.GetProperty("rows").GetInt32(), description.RootElement.GetProperty("duplicates_ignoring_stereo").GetInt32()));
        Assert.Equal(["logp", "qed"], description.RootElement.GetProperty("targets").EnumerateArray().Select(t => t.GetProperty("name").GetString()));
    }

    [Theory]
    [InlineData("describe")]
    [InlineData("describe", "a.csv", "--data", "demo")]
    [InlineData("describe", "a.csv", "--train", "b.csv")]
    [InlineData("describe", "--train", "b.csv", "--split-column", "part")]
    [InlineData("describe", "--data", "zinc")]
    [InlineData("split", "-o", "x")]
    [InlineData("split", "a.csv")]
    [InlineData("split", "a.csv", "-o", "x", "--method", "alphabetic")]
    [InlineData("split", "a.csv", "-o", "x", "--fractions", "0.8,0.1")]
    [InlineData("split", "a.csv", "-o", "x", "--fractions", "0.8,0.1,0.2")]
    [InlineData("split", "a.csv", "-o", "x", "--seed", "-1")]
    [InlineData("split", "a.csv", "-o", "x", "--format", "xlsx")]
    [InlineData("nonsense")]
    public async Task Nonsense_is_wrong_use(params string[] args)
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run(["data", .. args]));
        Assert.StartsWith("error: ", cli.Error, StringComparison.Ordinal);
        Assert.Empty(cli.Output);
    }

    [Fact]
    public async Task Files_that_are_no_tables_fail_with_where_and_why()
    {
        Assert.Equal(ExitCode.Failed, await cli.Run("data", "describe", cli.Write("a.csv", "smiles,y,y", "C,1,2")));
        Assert.Contains("a.csv, line 1, column y: found the column name \"y\" 2 times", cli.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failed, await cli.Run("data", "split", cli.Write("b.csv", "structure", "C"), "-o", cli["out"]));
        Assert.Contains("expected a column named smiles", cli.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(cli["out"]));
    }

    [Theory]
    [InlineData("random")]
    [InlineData("scaffold")]
    [InlineData("grouped")]
    public async Task Split_writes_three_files_with_every_column(string method)
    {
        string file = cli.Write("a.tsv", ["note\tsmiles", .. Enumerable.Range(1, 20).Select(i => $"n {i}\t{new string('C', i)}c1ccccc1{new string('N', i % 3)}")]);
        Assert.Equal(ExitCode.Done, await cli.Run("data", "split", file, "-o", cli["out"], "--method", method, "--fractions", "0.5,0.25,0.25", "--seed", "3", "--json"));
        using JsonDocument split = JsonDocument.Parse(cli.Output);
        Assert.Equal(64, split.RootElement.GetProperty("sha256").GetString()!.Length);
        List<string> lines = [];
        foreach (JsonElement part in split.RootElement.GetProperty("parts").EnumerateArray())
        {
            Assert.Equal(cli[Path.Combine("out", part.GetProperty("part").GetString() + ".tsv")], part.GetProperty("file").GetString());
            string[] written = File.ReadAllLines(part.GetProperty("file").GetString()!);
            Assert.Equal("note\tsmiles", written[0]);
            Assert.Equal(part.GetProperty("rows").GetInt32(), written.Length - 1);
            lines.AddRange(written.Skip(1));
        }

        Assert.Equal(File.ReadAllLines(file).Skip(1).Order(), lines.Order());
        string first = cli.Output;
        Assert.Equal(ExitCode.Done, await cli.Run("data", "split", file, "-o", cli["out"], "--method", method, "--fractions", "0.5,0.25,0.25", "--seed", "3", "--json"));
        Assert.Equal(first, cli.Output);
    }

    [Fact]
    public async Task Split_leaves_out_bad_rows_and_says_which()
    {
        string file = cli.Write("a.csv", "smiles", "C", "CC", "C1CC", "CCC");
        Assert.Equal(ExitCode.SomeRowsRefused, await cli.Run("data", "split", file, "-o", cli["out"], "--method", "grouped", "--format", "parquet"));
        Assert.Contains("a.csv, line 4, column smiles: found \"C1CC\"", cli.Error, StringComparison.Ordinal);
        Assert.Matches(@"train\s+2\s", cli.Output);
        int rows = 0;
        foreach (string part in Parts.All)
        {
            using DataFile written = DataFile.Open(cli[Path.Combine("out", part + ".parquet")]);
            rows += written.Rows().Count();
        }

        Assert.Equal(3, rows);
    }

    [Fact]
    public async Task Split_never_replaces_the_file_it_reads()
    {
        string file = cli.Write("train.csv", "smiles", "C", "CC", "CCC");
        Assert.Equal(ExitCode.Failed, await cli.Run("data", "split", file, "-o", Path.GetDirectoryName(file)!));
        Assert.Contains("would be replaced", cli.Error, StringComparison.Ordinal);
        Assert.Equal(["smiles", "C", "CC", "CCC"], File.ReadAllLines(file));
    }
}
