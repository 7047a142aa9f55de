using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Transformers.Hub;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests.Hub;

public sealed class ModelPresetsTests
{
    public static TheoryData<string> Names => [.. ModelPresets.All.Select(preset => preset.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_preset_has_a_config_of_its_type(string name)
    {
        ModelPreset preset = ModelPresets.Find(name.ToUpperInvariant())!;
        ModelSummary summary = ModelSummary.Of(preset.Config());
        Assert.Equal(preset.ModelType, summary.ModelType);
        Assert.Contains($"{summary.Width} wide", preset.About, StringComparison.Ordinal);
        Assert.Contains($"{summary.Layers} layers", preset.About, StringComparison.Ordinal);
        Assert.True(preset.MaximumTokens is null || preset.MaximumTokens <= summary.Positions);
        // A copy: who changes it changes nobody else's.
        preset.Config()["vocab_size"] = 1;
        Assert.NotEqual(1, (int)preset.Config()["vocab_size"]!);
    }

    [Fact]
    public void The_papers_models_have_their_shapes()
    {
        RobertaConfig chemberta = RobertaConfig.From(Element("chemberta"));
        Assert.Equal((767, 768, 6, 12, 512), (chemberta.VocabSize, chemberta.Width, chemberta.Layers, chemberta.Heads, chemberta.MaxLength));
        BartConfig selfbart = BartConfig.From(Element("selfbart"));
        Assert.Equal(1024, selfbart.Width);
        foreach ((string name, int width, int layers, int heads) in new[] { ("gpt2", 768, 12, 12), ("gpt2-medium", 1024, 24, 16), ("gpt2-large", 1280, 36, 20) })
        {
            Gpt2Config gpt2 = Gpt2Config.From(Element(name));
            Assert.Equal((50257, width, layers, heads), (gpt2.VocabSize, gpt2.Width, gpt2.Layers, gpt2.Heads));
        }
    }

    [Fact]
    public void A_summary_counts_the_parameters_of_the_headers()
    {
        using TemporaryFolder folder = new();
        using DisposeScope scope = NewDisposeScope();
        File.WriteAllText(folder["config.json"], """{"model_type":"gpt2","architectures":["GPT2LMHeadModel"],"n_embd":8,"n_layer":2,"n_head":4,"n_positions":16,"vocab_size":10}""");
        Safetensors.Write(folder["real"], new Dictionary<string, Tensor> { ["a"] = zeros(3, 4), ["b"] = zeros(5) });
        File.CreateSymbolicLink(folder["model.safetensors"], "real");
        ModelSummary summary = ModelSummary.Of(folder.Path);
        Assert.Equal(("gpt2", "GPT2LMHeadModel", 8, 2, 4, 16, 10, 17), (summary.ModelType, summary.Architecture, summary.Width, summary.Layers, summary.Heads, summary.Positions, summary.Vocabulary, summary.Parameters));
        Assert.Equal(new FileInfo(folder["real"]).Length, summary.Files.Single(file => file.Name == "model.safetensors").Bytes);
        File.Delete(folder["model.safetensors"]);
        Assert.Null(ModelSummary.Of(folder.Path).Parameters);
        File.WriteAllText(folder["config.json"], "[]");
        Assert.Contains("expected a JSON object", Assert.Throws<CheckpointException>(() => ModelSummary.Of(folder.Path)).Message, StringComparison.Ordinal);
    }

    private static JsonElement Element(string name) => JsonSerializer.SerializeToElement<JsonNode>(ModelPresets.Find(name)!.Config());
}
