using System.Text.Json;
using LlmFusion.Tests.Embedding;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

[Collection("Environment")]
public sealed class EmbedCommandTests : IDisposable
{
    private readonly CommandLine cli = new();
    private readonly HubEnvironment environment;
    private readonly string encoder;
    private readonly string file;

    public EmbedCommandTests()
    {
        environment = new HubEnvironment(cli["hf"], "http://127.0.0.1:1", cli["store"]);
        encoder = TinyCheckpoint.Write(cli["encoder"], "roberta");
        file = cli.Write("molecules.csv", "id,smiles", "a,CCO", "b,not a molecule", "c,OCC", "d,c1ccccc1", "e," + new string('N', 60));
    }

    public void Dispose()
    {
        environment.Dispose();
        cli.Dispose();
    }

    [Fact]
    public async Task Rows_keep_their_place_and_what_is_wrong_says_why()
    {
        Assert.Equal(ExitCode.SomeRowsRefused, await cli.Run("embed", file, "--encoder", encoder, "-o", cli["out.csv"]));
        string[][] rows = [.. File.ReadAllLines(cli["out.csv"]).Select(line => line.Split(','))];
        Assert.Equal(["id", "smiles", .. Enumerable.Range(0, 16).Select(i => $"e{i}"), "error"], rows[0]);
        Assert.Equal(["a", "b", "c", "d", "e"], rows.Skip(1).Select(row => row[0]));
        Assert.Equal("", rows[2][2]);
        Assert.Contains("not a molecule", File.ReadAllLines(cli["out.csv"])[2]);
        // The same molecule, spelt otherwise: canonical SMILES are read.
        Assert.Equal(rows[1][2..18], rows[3][2..18]);
        Assert.NotEqual(rows[1][2..18], rows[4][2..18]);
        Assert.Contains("3 sequences computed, 0 from the store", cli.Error);
        Assert.Contains("1 sequences are longer than the 40 tokens", cli.Error);

        Assert.Equal(ExitCode.SomeRowsRefused, await cli.Run("embed", file, "--encoder", encoder, "-o", cli["again.csv"]));
        Assert.Contains("0 sequences computed, 3 from the store", cli.Error);
        Assert.Equal(File.ReadAllText(cli["out.csv"]), File.ReadAllText(cli["again.csv"]));

        Assert.Equal(ExitCode.SomeRowsRefused, await cli.Run("embed", file, "--encoder", encoder, "-o", cli["given.csv"], "--no-store", "--smiles-form", "as-given"));
        Assert.Contains("4 sequences computed", cli.Error);
    }

    [Fact]
    public async Task The_store_reports_and_is_cleared()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("models", "store", "--json"));
        Assert.Contains("\"encoders\": []", cli.Output);
        await cli.Run("embed", file, "--encoder", encoder, "-o", cli["out.parquet"]);
        Assert.Equal(ExitCode.Done, await cli.Run("models", "store", "--json"));
        using (JsonDocument report = JsonDocument.Parse(cli.Output))
        {
            JsonElement stored = Assert.Single(report.RootElement.GetProperty("encoders").EnumerateArray());
            Assert.Equal(encoder, stored.GetProperty("encoder").GetString());
            Assert.Equal(3, stored.GetProperty("embeddings").GetInt32());
        }

        Assert.Equal(ExitCode.WrongUse, await cli.Run("models", "store", "--encoder", encoder));
        Assert.Equal(ExitCode.Done, await cli.Run("models", "store", "--clear", "--encoder", "another"));
        Assert.Contains(encoder, cli.Error);
        Assert.Equal(ExitCode.Done, await cli.Run("models", "store", "--clear"));
        Assert.Contains("3 embeddings forgotten", cli.Error);
    }

    [Fact]
    public async Task Verify_fails_where_a_folder_has_no_record_and_passes_where_all_agree()
    {
        Assert.Equal(ExitCode.Failed, await cli.Run("models", "verify", encoder));
        Assert.Contains("golden.safetensors: not found", cli.Error);
        Assert.Contains("0 of 1 folders pass", cli.Error);
        string golden = Path.Combine(AppContext.BaseDirectory, "Golden", "roberta-tiny");
        Assert.Equal(ExitCode.Done, await cli.Run("models", "verify", golden, "--json"));
        using JsonDocument report = JsonDocument.Parse(cli.Output);
        Assert.All(report.RootElement[0].GetProperty("tensors").EnumerateArray(), tensor => Assert.True(tensor.GetProperty("passed").GetBoolean()));
        Assert.Equal(ExitCode.Failed, await cli.Run("models", "verify", golden, encoder));
        Assert.Contains("1 of 2 folders pass", cli.Error);
    }

    [Fact]
    public async Task The_benchmark_says_what_it_measured()
    {
        string sequences = cli.Write("tokens.json", "[[0, 5, 6, 2], [0, 7, 2], [0, 5, 6, 2]]");
        Assert.Equal(ExitCode.Done, await cli.Run("bench", "embed", "--sequences", sequences, "--threads", "1", "--json"));
        using JsonDocument result = JsonDocument.Parse(cli.Output);
        Assert.Equal(3, result.RootElement.GetProperty("sequences").GetInt32());
        Assert.Equal(11, result.RootElement.GetProperty("tokens").GetInt32());
        foreach (string name in new[] { "sequences_per_second", "matmul_gflops", "useful_fraction" }) Assert.True(result.RootElement.GetProperty(name).GetDouble() > 0, name);
        Assert.Equal(ExitCode.Failed, await cli.Run("bench", "embed", "--sequences", cli.Write("wrong.json", "[[0, 5000]]")));
        Assert.Contains("0 to 766", cli.Error);
    }
}
