using System.Text.Json.Nodes;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

[Collection("Environment")]
public sealed class PredictCommandTests : IDisposable
{
    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task A_released_model_answers_with_intervals_flags_and_from_some_modalities()
    {
        await Done("train", "--data", "demo", "--targets", "qed", "--modalities", "smiles,fingerprint", "--fingerprint-size", "128", "--size", "tiny", "--epochs", "1", "--max-tokens", "32",
            "--calibration-fraction", "0.5", "--no-test", "-o", cli["run"]);
        await Done("models", "release", cli["run"], "-o", cli["mine"]);
        Assert.Contains("smiles+fingerprint", cli.Output, StringComparison.Ordinal);
        Assert.Contains("MB", cli.Error, StringComparison.Ordinal);

        await Done("predict", "--model", cli["mine"], "--smiles", "CCCCCC(=O)Nc1ccccc1", "--smiles", "C[Au]");
        Assert.Contains("90 % interval", cli.Output.Replace("90%", "90 %"), StringComparison.Ordinal);
        Assert.Contains("! C[Au] is unlike the molecules that qed were learned from (demo): holds Au", cli.Output, StringComparison.Ordinal);

        await Done("predict", "--model", cli["mine"], "--smiles", "CCCCCC(=O)Nc1ccccc1", "--modalities", "MFP", "--json");
        JsonNode prediction = JsonNode.Parse(cli.Output)![0]!;
        double value = (double)prediction["predictions"]!["qed"]!;
        Assert.True((double)prediction["intervals"]!["qed"]!["lower"]! < value && value < (double)prediction["intervals"]!["qed"]!["upper"]!);
        Assert.Empty(prediction["outside"]!.AsArray());

        await Done("evaluate", "--model", cli["mine"], "--data", "demo", "--json");
        Assert.InRange((double)JsonNode.Parse(cli.Output)!["targets"]!["qed"]!["prediction_interval90"]!["coverage"]!, 0.7, 1);
        await Done("bench", "predict", "--model", cli["mine"], "--molecules", "50", "--rounds", "1", "--json");
        Assert.True((double)JsonNode.Parse(cli.Output)!["molecules_per_second"]! > 0 && (double)JsonNode.Parse(cli.Output)!["fraction_of_flop_floor"]! > 0);
        Assert.Equal(ExitCode.WrongUse, await cli.Run("predict", "--model", cli["mine"], "--smiles", "C", "--modalities", "text"));

        // The run is the same model before it was rounded: together they differ by little, and have no intervals.
        await Done("predict", "--model", cli["mine"], "--model", cli["run"], "--smiles", "CCCCCC(=O)Nc1ccccc1", "--json");
        JsonNode together = JsonNode.Parse(cli.Output)![0]!;
        Assert.InRange((double)together["deviations"]!["qed"]!, 0, 0.01);
        Assert.Null(together["intervals"]);
        await Done("evaluate", "--model", cli["mine"], "--model", cli["run"], "--data", "demo", "--record", cli["record.json"]);
        Assert.Equal(2, JsonNode.Parse(File.ReadAllText(cli["record.json"]))!["models"]!.AsArray().Count);
        Assert.Equal(ExitCode.WrongUse, await cli.Run("bench", "predict", "--model", cli["mine"], "--model", cli["run"]));
    }

    [Fact]
    public async Task The_model_that_comes_with_the_program_answers_by_default()
    {
        // Aspirin has more heavy atoms than QM9's molecules, cyclopentanol has not.
        await Done("predict", "--smiles", "CC(=O)Oc1ccccc1C(=O)O", "--smiles", "OC1CCCC1", "--json");
        JsonNode aspirin = JsonNode.Parse(cli.Output)![0]!, known = JsonNode.Parse(cli.Output)![1]!;
        string[] targets = ["homo", "lumo", "gap", "alpha", "r2", "zpve", "cv", "logp", "qed"];
        Assert.Equal(targets, known["predictions"]!.AsObject().Select(p => p.Key));
        Assert.Equal("Hartree", (string?)known["units"]!["gap"]);
        foreach (string target in targets)
            Assert.True((double)known["intervals"]![target]!["lower"]! < (double)known["predictions"]![target]! && (double)known["predictions"]![target]! < (double)known["intervals"]![target]!["upper"]!, target);
        Assert.Contains("heavy atoms", (string)aspirin["outside"]!.AsArray().Single(o => (string?)o!["data"] == "qm9")!["reason"]!, StringComparison.Ordinal);
        Assert.DoesNotContain(known["outside"]!.AsArray(), o => (string?)o!["data"] == "qm9");
        Assert.InRange((double)known["predictions"]!["gap"]!, 0.2, 0.4); // QM9 has 0.3338
    }

    [Fact]
    public async Task A_name_that_is_no_model_says_what_can_be_done()
    {
        Assert.Equal(ExitCode.Failed, await cli.Run("predict", "--model", "no-such-model", "--smiles", "C"));
        Assert.Contains("no shipped model of that name", cli.Error, StringComparison.Ordinal);
        Assert.Contains("--model DIR", cli.Error, StringComparison.Ordinal);
    }

    private async Task Done(params string[] command) => Assert.True(await cli.Run(command) == ExitCode.Done, $"{string.Join(' ', command)}\n{cli.Output}\n{cli.Error}");
}
