using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public sealed class CheckpointTests : IDisposable
{
    private static readonly Gpt2Config config = new() { VocabSize = 30, Positions = 16, Width = 16, Layers = 2, Heads = 2 };
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void A_saved_model_loads_bit_for_bit()
    {
        using Gpt2 model = new(config);
        Save(config.ToJson().ToJsonString(), Checkpoint.StateOf(model));
        using Gpt2 again = Gpt2.Load(folder.Path);
        Assert.Equal(config, again.Config);
        Same(model, again);
    }

    [Fact]
    public void Half_precision_weights_are_widened()
    {
        using Gpt2 model = new(config);
        Save(config.ToJson().ToJsonString(), Checkpoint.StateOf(model).ToDictionary(pair => pair.Key, pair => pair.Value.to_type(ScalarType.BFloat16)));
        using Gpt2 again = Gpt2.Load(folder.Path);
        Assert.All(Checkpoint.StateOf(again).Values, value => Assert.Equal(ScalarType.Float32, value.dtype));
        Assert.True(Checkpoint.StateOf(again)["wte.weight"].allclose(Checkpoint.StateOf(model)["wte.weight"], 0.01, 0));
    }

    [Fact]
    public void Missing_extra_and_misshapen_weights_are_all_named_and_nothing_is_changed()
    {
        using Gpt2 model = new(config);
        Dictionary<string, Tensor> before = Checkpoint.StateOf(model).ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        Dictionary<string, Tensor> tensors = before.ToDictionary(pair => pair.Key, pair => zeros_like(pair.Value));
        tensors.Remove("h.1.ln_2.bias");
        tensors["h.2.ln_1.weight"] = ones(16);
        tensors["wpe.weight"] = ones(17, 16);
        tensors["ln_f.bias"] = ones(16, dtype: ScalarType.Int64);
        CheckpointException error = Assert.Throws<CheckpointException>(() => Checkpoint.Load(model, tensors, source: "here"));
        Assert.StartsWith("here does not fit the model", error.Message);
        Assert.Contains("'h.1.ln_2.bias' ([16]) is missing", error.Message);
        Assert.Contains("'h.2.ln_1.weight' ([16]) is not in the model", error.Message);
        Assert.Contains("'wpe.weight' has the shape [17, 16], expected [16, 16]", error.Message);
        Assert.Contains("'ln_f.bias' holds Int64, expected Float32", error.Message);
        Assert.All(Checkpoint.StateOf(model), pair => Assert.True(pair.Value.equal(before[pair.Key]).all().item<bool>()));
    }

    [Fact]
    public void A_transposed_weight_is_refused()
    {
        using Gpt2 model = new(config);
        Dictionary<string, Tensor> tensors = new(Checkpoint.StateOf(model));
        tensors["h.0.mlp.c_fc.weight"] = tensors["h.0.mlp.c_fc.weight"].t();
        Assert.Contains("'h.0.mlp.c_fc.weight' has the shape [64, 16], expected [16, 64]",
            Assert.Throws<CheckpointException>(() => Checkpoint.Load(model, tensors)).Message);
    }

    [Fact]
    public void Tied_weights_stored_twice_must_be_equal()
    {
        using Gpt2 model = new(config);
        Dictionary<string, Tensor> tensors = Checkpoint.StateOf(model).ToDictionary(pair => "transformer." + pair.Key, pair => pair.Value);
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone();
        Save(config.ToJson().ToJsonString(), tensors);
        using (Gpt2 again = Gpt2.Load(folder.Path))
            Same(model, again);
        tensors["lm_head.weight"] = tensors["lm_head.weight"] + 1;
        Save(config.ToJson().ToJsonString(), tensors);
        Assert.Contains("are one weight in the model, but differ", Assert.Throws<CheckpointException>(() => Gpt2.Load(folder.Path)).Message);
        // Without the tie the head is another model's: it is left out, and there are no logits.
        Save((config with { TieWordEmbeddings = false }).ToJson().ToJsonString(), tensors);
        using Gpt2 untied = Gpt2.Load(folder.Path);
        Same(model, untied);
        Assert.Throws<InvalidOperationException>(() => untied.Logits(zeros(1, 1, 16)));
    }

    [Fact]
    public void Without_a_token_table_it_is_not_read()
    {
        using Gpt2 model = new(config);
        Save(config.ToJson().ToJsonString(), Checkpoint.StateOf(model));
        using Gpt2 again = Gpt2.Load(folder.Path, tokenEmbedding: false);
        Assert.DoesNotContain("wte.weight", Checkpoint.StateOf(again).Keys);
    }

    [Fact]
    public void Loading_leaves_no_tensors_behind()
    {
        string golden = GoldenFolder.Of("roberta-tiny");
        using Roberta model = Roberta.Load(golden);
        void Again() => Checkpoint.LoadFile(model, Path.Combine(golden, "model.safetensors"), model.CheckpointName);
        Again();
        long before = LiveTensors.Count();
        Again();
        Assert.Equal(before, LiveTensors.Count());
    }

    [Fact]
    public void A_folder_without_files_is_named()
    {
        Assert.Contains(folder["config.json"], Assert.Throws<CheckpointException>(() => Gpt2.Load(folder.Path)).Message);
        File.WriteAllText(folder["config.json"], config.ToJson().ToJsonString());
        Assert.Contains(folder["model.safetensors"], Assert.Throws<CheckpointException>(() => Gpt2.Load(folder.Path)).Message);
    }

    private void Save(string json, IReadOnlyDictionary<string, Tensor> tensors)
    {
        File.WriteAllText(folder["config.json"], json);
        Safetensors.Write(folder["model.safetensors"], tensors);
    }

    private static void Same(nn.Module expected, nn.Module actual)
    {
        IReadOnlyDictionary<string, Tensor> state = Checkpoint.StateOf(actual);
        Assert.Equal(Checkpoint.StateOf(expected).Keys, state.Keys);
        Assert.All(Checkpoint.StateOf(expected), pair => Assert.True(pair.Value.eq(state[pair.Key]).all().item<bool>(), pair.Key));
    }
}
