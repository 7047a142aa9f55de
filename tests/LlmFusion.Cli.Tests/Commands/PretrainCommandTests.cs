using System.Text.Json.Nodes;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary><c>pretrain</c> from its arguments to its folder.</summary>
public sealed class PretrainCommandTests : IDisposable
{
    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task A_folder_of_an_encoder_and_the_record_of_its_making_come_out()
    {
        await File.WriteAllTextAsync(cli["m.csv"], "smiles\n" + string.Concat(Enumerable.Range(1, 14).Select(n => new string('C', n) + "O\n")), TestContext.Current.CancellationToken);
        Assert.Equal(ExitCode.Done, await cli.Run("pretrain", "smiles", "-o", cli["encoder"], "--size", "tiny", "--objective", "mlm", "--data", "none", "--exclude", "none",
            "--file", cli["m.csv"], "--epochs", "1", "--batch-size", "8", "--device", "cpu", "--json"));
        JsonNode record = JsonNode.Parse(cli.Output)!;
        Assert.Equal("mlm", (string?)record["config"]!["objective"]);
        Assert.Equal(14, (int)record["corpus"]![0]!["kept"]!);
        Assert.Null(record["losses"]!["descriptors"]);
        Assert.Equal(record.ToJsonString(), JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cli["encoder"], "pretraining.json"), TestContext.Current.CancellationToken))!.ToJsonString());
        Assert.Equal(ExitCode.Failed, await cli.Run("pretrain", "smiles", "-o", cli["encoder"], "--data", "none", "--file", cli["m.csv"]));
        Assert.Contains("already holds a model", cli.Error);
    }

    [Theory]
    [InlineData("nothing to read", "pretrain", "-o", "out")]
    [InlineData("no folder", "pretrain", "smiles")]
    [InlineData("--resume goes on", "pretrain", "smiles", "--resume", "out")]
    public async Task Wrong_use_is_told(string problem, params string[] arguments)
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run(arguments));
        Assert.Contains(problem, cli.Error);
    }
}
