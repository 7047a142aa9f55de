using System.Globalization;
using System.Text.Json.Nodes;
using LlmFusion.Transformers.Verification;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>Every architecture in every variant found in the wild: all recorded outputs and gradients equal Hugging Face's.</summary>
public class ParityTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("gpt2-tiny")]
    [InlineData("gpt2-tiny-gelu-ninner")]
    [InlineData("gpt2-tiny-invlayer")]
    [InlineData("gpt2-tiny-legacy-buffers")]
    [InlineData("gpt2-tiny-lm")]
    [InlineData("gpt2-tiny-noscale")]
    [InlineData("roberta-tiny")]
    [InlineData("roberta-tiny-noprefix")]
    [InlineData("roberta-tiny-bin")]
    [InlineData("roberta-tiny-bin-legacy")]
    [InlineData("roberta-tiny-bin-pickle")]
    [InlineData("bart-tiny")]
    [InlineData("bart-tiny-noprefix")]
    [InlineData("bart-tiny-scaled")]
    [InlineData("bart-tiny-scaled-noprefix")]
    [InlineData("llama-tiny")]
    [InlineData("llama-tiny-base")]
    [InlineData("llama-tiny-bf16")]
    [InlineData("llama-tiny-bias-mha")]
    [InlineData("llama-tiny-headdim")]
    [InlineData("llama-tiny-rope-linear")]
    [InlineData("llama-tiny-rope-llama3")]
    [InlineData("llama-tiny-sharded")]
    [InlineData("llama-tiny-tied")]
    [InlineData("granite-tiny")]
    [InlineData("granite-tiny-untied")]
    public void Equals_Hugging_Face(string name)
    {
        VerificationReport report = CheckpointVerification.Run(GoldenFolder.Of(name));
        Assert.NotEmpty(report.Checks);
        foreach (TensorCheck check in report.Checks)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} {check.Name} max deviation {check.Deviation:E2}"));
            Assert.True(check.Passed, $"{name}: {check.Name} {check.Problem} (by {check.Deviation:E2}, allowed {check.Atol:E1} + {check.Rtol:E1} x)");
        }

        Assert.True(report.Passed);
    }

    [Theory]
    [InlineData("gpt2-tiny", "last_hidden_state", "attention_mask")]
    [InlineData("gpt2-tiny-lm", "last_hidden_state", "attention_mask")]
    [InlineData("llama-tiny", "last_hidden_state_right", "attention_mask_right")]
    [InlineData("granite-tiny", "last_hidden_state_right", "attention_mask_right")]
    [InlineData("roberta-tiny", "last_hidden_state", "attention_mask")]
    [InlineData("bart-tiny", "encoder.last_hidden_state", "attention_mask")]
    [InlineData("bart-tiny-scaled-noprefix", "encoder.last_hidden_state", "attention_mask")]
    public void A_folder_loads_as_an_encoder_without_its_heads(string name, string recorded, string mask)
    {
        using DisposeScope scope = NewDisposeScope();
        GoldenRecord golden = GoldenRecord.Read(GoldenFolder.Of(name));
        using Transformer model = Architectures.Load(GoldenFolder.Of(name));
        model.eval();
        Tensor hidden = model.Encode(golden["input_ids"], golden[mask]);
        Assert.Null(golden.Compare(recorded, hidden).Problem);
        Assert.Equal(hidden.shape[2], model.Width);
        Assert.DoesNotContain(Checkpoint.StateOf(model).Keys, key => key.Contains("lm_head") || key.Contains("decoder"));
        Tensor first = model.EncodeClassToken(golden["input_ids"], golden[mask]);
        Assert.True(first.allclose(Pooling.ClassToken(hidden), rtol: 1e-5, atol: 1e-5), "the class token alone differs from the whole");
    }

    [Theory]
    [InlineData("gpt2-tiny")]
    [InlineData("llama-tiny")]
    [InlineData("llama-tiny-tied")]
    [InlineData("granite-tiny")]
    [InlineData("granite-tiny-untied")]
    public void A_folder_loads_as_a_fusing_language_model_without_its_token_table(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        GoldenRecord golden = GoldenRecord.Read(GoldenFolder.Of(name));
        using LanguageModel model = Architectures.LoadLanguageModel(GoldenFolder.Of(name));
        model.eval();
        Assert.False(model.HasTokenEmbedding);
        Assert.Null(golden.Compare("embeds.last_hidden_state", model.Forward(null, golden["inputs_embeds"])).Problem);
        Assert.Throws<ArgumentException>(() => model.Forward(golden["input_ids"]));
        Assert.Throws<InvalidOperationException>(() => model.Logits(golden["inputs_embeds"]));
    }

    [Theory]
    [InlineData("gpt2-tiny")]
    [InlineData("roberta-tiny")]
    [InlineData("bart-tiny")]
    [InlineData("llama-tiny-rope-llama3")]
    [InlineData("llama-tiny-rope-linear")]
    [InlineData("llama-tiny-headdim")]
    [InlineData("granite-tiny")]
    public void A_config_written_back_makes_the_same_model(string name)
    {
        using Transformer model = Architectures.Load(GoldenFolder.Of(name));
        using Transformer again = Architectures.New(System.Text.Json.JsonSerializer.SerializeToElement(model.ConfigJson()));
        Assert.True(JsonNode.DeepEquals(model.ConfigJson(), again.ConfigJson()));
        Checkpoint.Load(again, Checkpoint.StateOf(model));
        using DisposeScope scope = NewDisposeScope();
        model.eval();
        again.eval();
        Tensor ids = tensor(new long[] { 0, 5, 6, 7, 2 }).view(1, 5);
        Assert.True(model.Encode(ids).allclose(again.Encode(ids), 0, 0));
    }

    [Theory]
    [InlineData("""{"hidden_size":48}""", "missing")]
    [InlineData("""{"model_type":"mamba"}""", "'mamba'")]
    [InlineData("""{"model_type":5}""", "missing")]
    [InlineData("""{"model_type":"llama","num_attention_heads":4,"hidden_size":48,"rope_scaling":{"rope_type":"yarn","factor":2}}""", "'yarn'")]
    [InlineData("""{"model_type":"llama","num_attention_heads":4,"hidden_size":48,"rope_scaling":{"type":"linear"}}""", "factor is missing")]
    [InlineData("""{"model_type":"llama","num_attention_heads":4,"hidden_size":48,"rope_parameters":{"rope_type":"default","partial_rotary_factor":0.5}}""", "partial_rotary_factor is 0.5")]
    [InlineData("""{"model_type":"llama","num_attention_heads":4,"num_key_value_heads":3,"hidden_size":48}""", "num_key_value_heads is 3")]
    [InlineData("""{"model_type":"llama","num_attention_heads":5,"hidden_size":48}""", "hidden_size is 48")]
    [InlineData("""{"model_type":"granite","num_attention_heads":4,"hidden_size":48,"logits_scaling":0}""", "logits_scaling is 0")]
    [InlineData("""{"model_type":"llama","num_attention_heads":4,"hidden_size":48,"partial_rotary_factor":0.5}""", "partial_rotary_factor is 0.5")]
    [InlineData("""{"model_type":"llama","num_attention_heads":4,"hidden_size":48,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":1e20}}""", "original_max_position_embeddings is 1e20")]
    public void What_is_not_known_is_refused_by_name(string config, string named)
    {
        CheckpointException error = Assert.Throws<CheckpointException>(() => Architectures.New(System.Text.Json.JsonDocument.Parse(config).RootElement));
        Assert.Contains(named, error.Message);
    }

    /// <summary>config.json is as hostile as the weights: what it asks for must be in them before memory is asked for it.</summary>
    [Theory]
    [InlineData("gpt2-tiny", "n_positions", 2_000_000_000)]
    [InlineData("gpt2-tiny", "n_layer", 2_000_000_000)]
    [InlineData("gpt2-tiny", "n_inner", 2_000_000_000)]
    [InlineData("gpt2-tiny", "vocab_size", 2_000_000_000)]
    [InlineData("roberta-tiny", "max_position_embeddings", 2_000_000_000)]
    [InlineData("roberta-tiny", "type_vocab_size", 2_000_000_000)]
    [InlineData("bart-tiny", "encoder_layers", 2_000_000_000)]
    [InlineData("llama-tiny", "head_dim", 2_000_000_000)]
    [InlineData("granite-tiny", "intermediate_size", 2_000_000_000)]
    public void Sizes_that_the_weights_do_not_have_are_refused_before_memory_is_asked_for(string name, string key, int value)
    {
        using TemporaryFolder folder = new();
        foreach (string file in Directory.GetFiles(GoldenFolder.Of(name))) File.Copy(file, folder[Path.GetFileName(file)]);
        JsonObject config = JsonNode.Parse(File.ReadAllText(folder["config.json"]))!.AsObject();
        config[key] = value;
        File.WriteAllText(folder["config.json"], config.ToJsonString());
        foreach (Action load in new Action[] { () => Architectures.Load(folder.Path).Dispose(), () => CheckpointVerification.Run(folder.Path) })
            Assert.Contains("expected at least", Assert.Throws<CheckpointException>(load).Message);
    }

    [Theory]
    [InlineData("roberta-tiny", "classifier.dense.weight")]
    [InlineData("roberta-tiny-noprefix", "qa_outputs.bias")]
    [InlineData("roberta-tiny", "norm_mean")]
    [InlineData("bart-tiny", "classification_head.out_proj.weight")]
    [InlineData("bart-tiny", "model.encoder.version")]
    public void Heads_of_fine_tuning_and_old_versions_are_left_out(string name, string extra)
    {
        using TemporaryFolder folder = new();
        using DisposeScope scope = NewDisposeScope();
        File.Copy(Path.Combine(GoldenFolder.Of(name), "config.json"), folder["config.json"]);
        Dictionary<string, Tensor> weights = Safetensors.Read(Path.Combine(GoldenFolder.Of(name), "model.safetensors"));
        weights[extra] = ones(3);
        Safetensors.Write(folder["model.safetensors"], weights);
        Architectures.Load(folder.Path).Dispose();
        weights["surprise.weight"] = ones(3);
        Safetensors.Write(folder["model.safetensors"], weights);
        Assert.Contains("surprise.weight", Assert.Throws<CheckpointException>(() => Architectures.Load(folder.Path)).Message);
    }

    [Fact]
    public void Rotary_settings_of_transformers_5_mean_the_same()
    {
        static LlamaConfig Of(string more) => LlamaConfig.From(System.Text.Json.JsonDocument.Parse(
            $$"""{"model_type":"llama","num_attention_heads":4,"hidden_size":48,{{more}}}""").RootElement);
        Assert.Equal(Of("\"rope_theta\":500.0,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}"),
            Of("\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2.0,\"rope_theta\":500.0}"));
    }

    [Theory]
    [InlineData("roberta")]
    [InlineData("bart")]
    public void An_encoder_cannot_fuse(string type)
    {
        CheckpointException error = Assert.Throws<CheckpointException>(() =>
            Architectures.NewLanguageModel(System.Text.Json.JsonDocument.Parse($$"""{"model_type":"{{type}}"}""").RootElement));
        Assert.Contains("reads no embeddings", error.Message);
    }
}
