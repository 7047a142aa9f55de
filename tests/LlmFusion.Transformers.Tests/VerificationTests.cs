using System.Text.Json.Nodes;
using LlmFusion.Transformers.Verification;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>Verification fails where something is wrong.</summary>
public sealed class VerificationTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_changed_weight_fails_what_it_changes_and_says_by_how_much()
    {
        CopyOf("gpt2-tiny-lm");
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> weights = Safetensors.Read(folder["model.safetensors"]);
        // Not the same everywhere: the normalization would take that out again.
        weights["transformer.wpe.weight"].select(1, 0).add_(0.01);
        Safetensors.Write(folder["model.safetensors"], weights);
        VerificationReport report = CheckpointVerification.Run(folder.Path);
        Assert.False(report.Passed);
        Assert.Equal("deviates", report.Checks.Single(check => check.Name == "last_hidden_state").Problem);
        Assert.InRange(report.Checks.Single(check => check.Name == "hidden_states.0").Deviation, 0.009, 0.011);
        // The path of ready embeddings without positions does not see the table.
        Assert.True(report.Checks.Single(check => check.Name == "embeds_minus_wpe.last_hidden_state").Passed);
    }

    [Fact]
    public void A_number_that_is_none_fails()
    {
        CopyOf("gpt2-tiny-lm");
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> weights = Safetensors.Read(folder["model.safetensors"]);
        weights["transformer.ln_f.bias"].fill_(float.NaN);
        Safetensors.Write(folder["model.safetensors"], weights);
        Assert.Equal("is not a number", CheckpointVerification.Run(folder.Path).Checks.Single(check => check.Name == "embeds.mean").Problem);
    }

    [Fact]
    public void An_output_that_is_not_known_fails_and_is_not_left_out()
    {
        CopyOf("roberta-tiny");
        JsonObject json = JsonNode.Parse(File.ReadAllText(folder["golden.json"]))!.AsObject();
        json["tensors"]!.AsArray().Add(new JsonObject { ["name"] = "all_ones_mask", ["role"] = "expected", ["atol"] = 1e-5, ["rtol"] = 1e-5 });
        File.WriteAllText(folder["golden.json"], json.ToJsonString());
        TensorCheck check = CheckpointVerification.Run(folder.Path).Checks.Single(item => !item.Passed);
        Assert.Equal("all_ones_mask", check.Name);
    }

    [Theory]
    [InlineData("golden.json", "not found")]
    [InlineData("golden.safetensors", "not found")]
    [InlineData("config.json", "not found")]
    public void A_missing_file_is_named(string file, string says)
    {
        CopyOf("roberta-tiny");
        File.Delete(folder[file]);
        CheckpointException error = Assert.Throws<CheckpointException>(() => CheckpointVerification.Run(folder.Path));
        Assert.Contains(file, error.Message);
        Assert.Contains(says, error.Message);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"tensors\":[{}]}")]
    [InlineData("{\"tensors\":[{\"name\":\"cls\",\"role\":\"expected\"}]}")]
    [InlineData("{\"tensors\":[{\"name\":\"none\",\"role\":\"expected\",\"atol\":1,\"rtol\":1}]}")]
    [InlineData("not json")]
    public void A_record_of_another_form_is_refused(string json)
    {
        CopyOf("roberta-tiny");
        File.WriteAllText(folder["golden.json"], json);
        Assert.Contains("golden.json", Assert.Throws<CheckpointException>(() => CheckpointVerification.Run(folder.Path)).Message);
    }

    private void CopyOf(string name)
    {
        foreach (string file in Directory.GetFiles(GoldenFolder.Of(name)))
            File.Copy(file, folder[Path.GetFileName(file)]);
    }
}
