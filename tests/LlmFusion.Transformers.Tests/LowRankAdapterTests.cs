using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public sealed class LowRankAdapterTests : IDisposable
{
    private static readonly LlamaConfig llama = new() { VocabSize = 3, Positions = 16, Width = 16, Layers = 2, Heads = 4, KeyValueHeads = 2, Inner = 32 };

    public static readonly TheoryData<string> Names = new("gpt2", "llama", "granite");

    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory, MemberData(nameof(Names))]
    public void New_adapters_change_nothing_and_stand_where_PEFT_puts_them(string name)
    {
        using LanguageModel model = Make(name);
        Tensor embeddings = Embeddings(), before = model.Forward(null, embeddings);
        LowRankAdapters.Add(model, new LowRankConfig { Rank = 2 });
        Assert.True(before.equal(model.Forward(null, embeddings)).all().item<bool>());
        string[] expected = name == "gpt2"
            ? ["h.0.attn.c_attn.lora_A.weight [2, 16]", "h.0.attn.c_attn.lora_B.weight [48, 2]", "h.1.attn.c_attn.lora_A.weight [2, 16]", "h.1.attn.c_attn.lora_B.weight [48, 2]"]
            : [.. new[] { 0, 1 }.SelectMany(l => new[] { ("q", 16), ("v", 8) }.SelectMany(p => new[] { $"layers.{l}.self_attn.{p.Item1}_proj.lora_A.weight [2, 16]", $"layers.{l}.self_attn.{p.Item1}_proj.lora_B.weight [{p.Item2}, 2]" }))];
        Assert.Equal(expected, LowRankAdapters.StateOf(model).Select(t => $"{t.Key} [{string.Join(", ", t.Value.shape)}]"));
        Assert.All(LowRankAdapters.StateOf(model), t => Assert.True(LowRankAdapters.IsAdapter(t.Key) && model.state_dict().ContainsKey(t.Key)));
        // Kaiming's uniform distribution: a bound of 1 / sqrt(in), here 1 / 4, and B zero.
        foreach ((string tensor, Tensor value) in LowRankAdapters.StateOf(model))
            Assert.InRange(value.abs().max().item<float>(), tensor.Contains("lora_A") ? 0.1f : 0, tensor.Contains("lora_A") ? 0.25f : 0);
    }

    [Theory, MemberData(nameof(Names))]
    public void The_correction_is_that_of_weights_to_which_alpha_over_r_times_B_A_is_added_merged_or_not(string name)
    {
        using LanguageModel model = Make(name), other = Make(name);
        LowRankAdapters.Add(model, new LowRankConfig { Rank = 2, Alpha = 5, Targets = [name == "gpt2" ? "mlp.c_proj" : "mlp.down_proj"] });
        Randomise(model);
        Dictionary<string, Tensor> weights = Base(model).ToDictionary(t => t.Key, t => t.Value.clone());
        foreach (string layer in LowRankAdapters.StateOf(model).Keys.Where(k => k.EndsWith("lora_A.weight")).Select(k => k[..^".lora_A.weight".Length]))
        {
            Tensor a = model.state_dict()[layer + ".lora_A.weight"], b = model.state_dict()[layer + ".lora_B.weight"];
            Tensor correction = matmul(b, a) * (5.0 / 2);
            weights[layer + ".weight"] = weights[layer + ".weight"] + (name == "gpt2" ? correction.t() : correction);
        }

        Checkpoint.Load(other, weights);
        Tensor embeddings = Embeddings(), expected = other.Forward(null, embeddings);
        Assert.True((Make(name).Forward(null, embeddings) - expected).abs().max().item<float>() > 0.05, "the adapters changed next to nothing");
        Close(expected, model.Forward(null, embeddings));
        LowRankAdapters.Merge(model);
        Assert.Null(model.Adapters);
        Close(expected, model.Forward(null, embeddings));
        Assert.All(Base(model), t => Close(weights[t.Key], t.Value));
    }

    [Theory, MemberData(nameof(Names))]
    public void A_saved_folder_is_PEFTs_and_gives_the_same_numbers(string name)
    {
        using LanguageModel model = Make(name), loaded = Make(name);
        LowRankAdapters.Add(model, new LowRankConfig { Rank = 3, Alpha = 12, Dropout = 0.1 });
        Randomise(model);
        LowRankAdapters.Save(model, folder.Path, "org/base");
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder.Path, "adapter_config.json")))!.AsObject();
        Assert.Equal(("LORA", 3, 12, 0.1, name == "gpt2", "none", "org/base"), ((string?)config["peft_type"], (int)config["r"]!, (int)config["lora_alpha"]!, (double)config["lora_dropout"]!,
            (bool)config["fan_in_fan_out"]!, (string?)config["bias"], (string?)config["base_model_name_or_path"]));
        Assert.Equal(name == "gpt2" ? ["c_attn"] : ["q_proj", "v_proj"], config["target_modules"]!.AsArray().Select(t => (string?)t));
        Assert.Contains(name == "gpt2" ? "base_model.model.h.1.attn.c_attn.lora_B.weight" : "base_model.model.layers.1.self_attn.v_proj.lora_B.weight",
            Safetensors.ReadHeader(Path.Combine(folder.Path, "adapter_model.safetensors")).Entries.Select(e => e.Name));
        LowRankAdapters.Load(loaded, folder.Path);
        Assert.True(model.Forward(null, Embeddings()).equal(loaded.Forward(null, Embeddings())).all().item<bool>());
    }

    [Fact]
    public void Only_adapters_are_trained_where_the_rest_is_frozen_and_their_dropout_ends_with_training()
    {
        using LanguageModel model = Make("gpt2");
        LowRankAdapters.Add(model, new LowRankConfig { Rank = 2, Dropout = 0.5 });
        Randomise(model);
        foreach ((string name, Parameter value) in model.named_parameters()) value.requires_grad = LowRankAdapters.IsAdapter(name);
        Tensor embeddings = Embeddings();
        model.train();
        Tensor first = model.Forward(null, embeddings);
        Assert.False(first.equal(model.Forward(null, embeddings)).all().item<bool>());
        first.square().sum().backward();
        Assert.All(model.named_parameters(), p => Assert.Equal(LowRankAdapters.IsAdapter(p.name), p.parameter.grad is not null));
        model.eval();
        Assert.True(model.Forward(null, embeddings).equal(model.Forward(null, embeddings)).all().item<bool>());
    }

    [Theory]
    [InlineData("\"r\": 3", "\"r\": 17", "expected at most 16")]
    [InlineData("\"r\": 3", "\"r\": 0", "r is 0")]
    [InlineData("\"r\": 3", "\"r\": 2", "has the shape")]
    [InlineData("LORA", "LOHA", "peft_type")]
    [InlineData("\"use_dora\": false", "\"use_dora\": true", "use_dora")]
    [InlineData("\"use_rslora\": false", "\"use_rslora\": true", "use_rslora")]
    [InlineData("\"rank_pattern\": {}", "\"rank_pattern\": {\"h.0\": 2}", "rank_pattern")]
    [InlineData("c_attn", "c_fc", "is not in the model")]
    [InlineData("c_attn", "q_proj", "c_attn, c_proj, c_fc")]
    [InlineData("\"none\"", "\"all\"", "bias")]
    public void A_folder_that_does_not_fit_or_asks_for_more_is_refused_by_name(string found, string put, string said)
    {
        using (LanguageModel model = Make("gpt2"))
        {
            LowRankAdapters.Add(model, new LowRankConfig { Rank = 3 });
            LowRankAdapters.Save(model, folder.Path, null);
        }

        string path = Path.Combine(folder.Path, "adapter_config.json"), text = File.ReadAllText(path);
        Assert.Contains(found, text);
        File.WriteAllText(path, text.Replace(found, put));
        using LanguageModel loaded = Make("gpt2");
        Assert.Contains(said, Assert.Throws<CheckpointException>(() => LowRankAdapters.Load(loaded, folder.Path)).Message);
    }

    [Fact]
    public void Every_parameter_has_a_kind()
    {
        using LanguageModel gpt2 = Make("gpt2"), granite = Make("granite");
        using BartEncoder bart = new(new BartConfig { VocabSize = 9, Positions = 8, Width = 8, EncoderLayers = 1, EncoderHeads = 2, EncoderInner = 16, DecoderLayers = 1, DecoderHeads = 2, DecoderInner = 16 });
        LowRankAdapters.Add(gpt2, new LowRankConfig { Rank = 2 });
        Assert.Equal(["wpe.weight"], Of(gpt2, ParameterKind.Embedding));
        Assert.Equal(2 * (2 * 2) + 2, Of(gpt2, ParameterKind.Norm).Length);
        Assert.Equal(2 * 4, Of(gpt2, ParameterKind.Bias).Length);
        Assert.Equal(2 * 4, Of(gpt2, ParameterKind.Weight).Length);
        Assert.Equal(LowRankAdapters.StateOf(gpt2).Keys, Of(gpt2, ParameterKind.Adapter));
        Assert.Equal(["layers.0.input_layernorm.weight", "layers.0.post_attention_layernorm.weight", "layers.1.input_layernorm.weight", "layers.1.post_attention_layernorm.weight", "norm.weight"], Of(granite, ParameterKind.Norm).Order());
        Assert.Equal(["embed_positions.weight", "embed_tokens.weight"], Of(bart, ParameterKind.Embedding).Order());
        Assert.Equal(bart.named_parameters().Select(p => p.name), ParameterKinds.Of(bart).Select(p => p.Name));

        static string[] Of(nn.Module module, ParameterKind kind) => [.. ParameterKinds.Of(module).Where(p => p.Kind == kind).Select(p => p.Name)];
    }

    private static LanguageModel Make(string name)
    {
        manual_seed(11);
        LanguageModel model = name switch
        {
            "gpt2" => new Gpt2(new Gpt2Config { VocabSize = 3, Positions = 16, Width = 16, Layers = 2, Heads = 2, ResidualDropout = 0, EmbeddingDropout = 0, AttentionDropout = 0, InitializerRange = 0.2 }, tokenEmbedding: false),
            "llama" => new Llama(llama with { InitializerRange = 0.2 }, tokenEmbedding: false),
            _ => new Granite(new GraniteConfig { Llama = llama with { InitializerRange = 0.2 }, EmbeddingMultiplier = 2, AttentionMultiplier = 0.5, ResidualMultiplier = 0.7 }, tokenEmbedding: false),
        };
        model.eval();
        return model;
    }

    private static Tensor Embeddings()
    {
        manual_seed(12);
        return randn(3, 4, 16);
    }

    private static IEnumerable<KeyValuePair<string, Tensor>> Base(LanguageModel model) => model.state_dict().Where(t => !LowRankAdapters.IsAdapter(t.Key));

    private static void Randomise(LanguageModel model)
    {
        using IDisposable noGrad = no_grad();
        manual_seed(13);
        foreach (Tensor value in LowRankAdapters.StateOf(model).Values) value.normal_(0, 0.3);
    }

    private static void Close(Tensor expected, Tensor actual) => Assert.True((expected - actual).abs().max().item<float>() < 1e-5);
}
