using System.Text.Json.Nodes;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary><c>baseline</c>, and what other commands make of its folder.</summary>
public sealed class BaselineCommandTests : IDisposable
{
    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task A_baseline_is_grown_measured_and_predicts()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("baseline", "--data", "demo", "--targets", "logp", "--train-rows", "200", "--trials", "2", "--search-rows", "100", "--early-stopping", "5", "--json", "-o", cli["model"]));
        double measured = (double)JsonNode.Parse(cli.Output)!["rows"]!.AsArray().Single(r => (string?)r!["split"] == "test" && (string?)r["predictor"] == "xgboost")!["metrics"]!["mae"]!;
        Assert.Contains("logp: trial 2 of 2", cli.Error);
        Assert.Equal(ExitCode.Done, await cli.Run("evaluate", "--model", cli["model"], "--data", "demo", "--json"));
        Assert.Equal(measured, (double)JsonNode.Parse(cli.Output)!["targets"]!["logp"]!["mae"]!, 1e-6);
        Assert.Equal(ExitCode.Done, await cli.Run("predict", "--model", cli["model"], "--smiles", "CCO"));
        Assert.Contains("logp", cli.Output);
        Assert.Equal(ExitCode.Failed, await cli.Run("baseline", "--data", "demo", "-o", cli["model"]));
        Assert.Contains("--overwrite", cli.Error);
        Assert.Equal(ExitCode.Failed, await cli.Run("train", "--data", "demo", "--init", cli["model"], "-o", cli["other"]));
        Assert.Contains("is a baseline", cli.Error);
    }
}
