using System.Diagnostics;
using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

public sealed class FeaturizeCommandTests : IDisposable
{
    private const string Header = "id,smiles,canonical_smiles,selfies,morgan,logp,qed,mol_weight,tpsa,hbd,hba,rotatable_bonds,rings,error";

    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Theory]
    [InlineData("out.csv")]
    [InlineData("out.parquet")]
    public async Task Every_row_is_in_its_place_and_refused_ones_end_with_3(string name)
    {
        string input = cli.Write("in.csv", "name,smiles", "a,OCC", "b,C1CC", "c", "d,c1ccccc1");
        Assert.Equal(ExitCode.SomeRowsRefused, await cli.Run("featurize", input, "-o", cli[name]));
        Assert.Empty(cli.Output);
        Assert.Equal($"4 rows, 2 refused: {cli[name]}{Environment.NewLine}", cli.Error);

        using DataFile output = DataFile.Open(cli[name]);
        Assert.Equal(Header.Split(','), output.Columns);
        List<DataRow> rows = [.. output.Rows()];
        Assert.Equal(["a", "b", "c", "d"], rows.Select(r => r.Fields[0]));
        Assert.Equal(["CCO", "", "", "c1ccccc1"], rows.Select(r => r.Fields[2]));
        Assert.Contains("in.csv, line 3, column smiles: found \"C1CC\"", rows[1].Fields[13], StringComparison.Ordinal);
        Assert.Contains("in.csv, line 4: found 1 field, expected 2 fields", rows[2].Fields[13], StringComparison.Ordinal);
        Assert.Equal("", rows[3].Fields[13]);
    }

    [Fact]
    public async Task Columns_and_fingerprint_are_chosen_by_options()
    {
        string input = cli.Write("in.csv", "key,structure", "k1,CCCCc1ccccc1");
        Assert.Equal(ExitCode.Done, await cli.Run(
            "featurize", input, "-o", cli["out.csv"], "--smiles-column", "structure", "--id-column", "key", "--radius", "0", "--size", "32"));
        string[] fields = File.ReadAllLines(cli["out.csv"])[1].Split(',');
        Assert.Equal("k1", fields[0]);
        int[] bits = [.. fields[4].Split(' ').Select(int.Parse)];
        Assert.Equal(bits.Order(), bits);
        Assert.All(bits, bit => Assert.InRange(bit, 0, 31));
        // Of radius 0 there are only kinds of atoms: CH3, CH2, aromatic CH, aromatic C.
        Assert.InRange(bits.Length, 1, 4);
    }

    [Fact]
    public async Task Standard_output_is_the_table_and_nothing_else()
    {
        string input = cli.Write("in.csv", "smiles", "CCO", "C1CC");
        using var program = new Process
        {
            StartInfo = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
            {
                ArgumentList = { typeof(Application).Assembly.Location, "featurize", input, "-o", "-" },
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            },
        };
        program.Start();
        Task<string> error = program.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string[] lines = (await program.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).TrimEnd('\n').Split('\n');
        await program.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.SomeRowsRefused, program.ExitCode);
        Assert.Equal(3, lines.Length);
        Assert.Equal(Header, lines[0]);
        Assert.StartsWith("1,CCO,CCO,[C][C][O],", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("2,C1CC,,,", lines[2], StringComparison.Ordinal);
        Assert.Equal("2 rows, 1 refused" + Environment.NewLine, await error);
    }

    [Theory]
    [InlineData("--radius", "-1", "--radius: got -1, expected a whole number from 0 on")]
    [InlineData("--size", "many", "--size: got many, expected a whole number from 1 on")]
    public async Task Nonsense_is_wrong_use(string option, string value, string message)
    {
        string input = cli.Write("in.csv", "smiles", "CCO");
        Assert.Equal(ExitCode.WrongUse, await cli.Run("featurize", input, "-o", cli["out.csv"], option, value));
        Assert.Contains($"error: {message}", cli.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(cli["out.csv"]));
    }

    [Fact]
    public async Task Without_an_output_it_is_wrong_use_and_without_a_file_it_fails()
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run("featurize", cli.Write("in.csv", "smiles", "CCO")));
        Assert.Equal(ExitCode.Failed, await cli.Run("featurize", cli["none.csv"], "-o", cli["out.csv"]));
        Assert.Equal($"error: {cli["none.csv"]}: found no such file, expected a file{Environment.NewLine}", cli.Error);
        Assert.Equal(ExitCode.Failed, await cli.Run("featurize", cli["in.csv"], "-o", cli["out.csv"], "--smiles-column", "structure"));
        Assert.Contains("expected a column named structure", cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_names_the_columns_and_gives_examples()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("featurize", "--help"));
        Assert.Contains(Header.Replace(",", ", ", StringComparison.Ordinal), cli.Output, StringComparison.Ordinal);
        Assert.Contains("./llmfusion featurize molecules.csv -o features.csv", cli.Output, StringComparison.Ordinal);
    }
}
