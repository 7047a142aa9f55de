using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public class ConfigTests
{
    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    [Fact]
    public void An_empty_config_is_Hugging_Faces_default()
    {
        Assert.Equal(new Gpt2Config(), Gpt2Config.From(Json("{}")));
        Assert.Equal(new BartConfig(), BartConfig.From(Json("{}")));
        RobertaConfig roberta = RobertaConfig.From(Json("{}"));
        Assert.Equal((512, 2, 1e-12), (roberta.Positions, roberta.TokenTypes, roberta.LayerNormEpsilon));
    }

    [Fact]
    public void Configs_survive_json()
    {
        Gpt2Config gpt2 = new() { Width = 32, Heads = 4, Inner = 7, ScaleAttention = false, ScaleAttentionByInverseLayer = true, LayerNormEpsilon = 1e-7 };
        Assert.Equal(gpt2, Gpt2Config.From(Stream(gpt2.ToJson())));
        Assert.Equal(new Gpt2Config(), Gpt2Config.From(Stream(new Gpt2Config().ToJson())));
        RobertaConfig roberta = new() { Width = 32, Heads = 4, Inner = 7, PadToken = 3, HiddenDropout = 0.25, TieWordEmbeddings = false };
        Assert.Equal(roberta, RobertaConfig.From(Stream(roberta.ToJson())));
        BartConfig bart = new() { Width = 32, EncoderHeads = 4, DecoderHeads = 2, ScaleEmbedding = true, ActivationDropout = 0.5, Activation = "relu" };
        Assert.Equal(bart, BartConfig.From(Stream(bart.ToJson())));
    }

    [Theory]
    [InlineData("{\"model_type\":\"llama\"}", "model_type is 'llama', expected 'gpt2'")]
    [InlineData("{\"add_cross_attention\":true}", "add_cross_attention = true is not implemented")]
    [InlineData("{\"pruned_heads\":{\"0\":[1]}}", "pruned_heads")]
    [InlineData("{\"activation_function\":\"mish\"}", "'mish' is not implemented")]
    [InlineData("{\"n_embd\":\"768\"}", "n_embd is \"768\", expected an integer")]
    [InlineData("{\"n_embd\":1e99}", "n_embd is 1e99, expected an integer")]
    [InlineData("{\"n_embd\":770}", "n_embd is 770, expected a multiple of n_head = 12")]
    [InlineData("{\"n_head\":0}", "n_head is 0")]
    [InlineData("{\"n_layer\":-1}", "n_layer is -1")]
    [InlineData("{\"attn_pdrop\":1}", "attn_pdrop is 1, expected from 0 to below 1")]
    [InlineData("{\"scale_attn_weights\":\"no\"}", "scale_attn_weights is \"no\", expected true or false")]
    [InlineData("[]", "expected a JSON object")]
    public void What_gpt2_cannot_do_is_named(string json, string expected) =>
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => Gpt2Config.From(Json(json))).Message);

    [Theory]
    [InlineData("{\"is_decoder\":true}", "is_decoder")]
    [InlineData("{\"add_cross_attention\":true}", "add_cross_attention")]
    [InlineData("{\"position_embedding_type\":\"relative_key\"}", "position_embedding_type is relative_key, expected absolute")]
    [InlineData("{\"hidden_act\":\"mish\"}", "'mish'")]
    [InlineData("{\"max_position_embeddings\":2}", "max_position_embeddings is 2")]
    [InlineData("{\"pad_token_id\":-1}", "pad_token_id is -1")]
    public void What_roberta_cannot_do_is_named(string json, string expected) =>
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => RobertaConfig.From(Json(json))).Message);

    [Theory]
    [InlineData("{\"normalize_before\":true}", "normalize_before")]
    [InlineData("{\"normalize_embedding\":false}", "normalize_embedding = false")]
    [InlineData("{\"static_position_embeddings\":true}", "static_position_embeddings")]
    [InlineData("{\"add_final_layer_norm\":true}", "add_final_layer_norm")]
    [InlineData("{\"encoder_layerdrop\":1.5}", "encoder_layerdrop is 1.5")]
    [InlineData("{\"quantization_config\":{}}", "quantization_config")]
    [InlineData("{\"d_model\":1000}", "d_model is 1000")]
    public void What_bart_cannot_do_is_named(string json, string expected) =>
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => BartConfig.From(Json(json))).Message);

    [Fact]
    public void A_bart_with_layerdrop_can_be_used_and_not_trained()
    {
        using DisposeScope scope = NewDisposeScope();
        using BartEncoder encoder = new(BartConfig.From(Json("{\"decoder_layerdrop\":0.1,\"d_model\":16,\"vocab_size\":9,\"encoder_layers\":1,\"decoder_layers\":1}")));
        Tensor ids = tensor(new long[] { 0, 5, 2 }).view(1, 3);
        Assert.Contains("0.1", Assert.Throws<NotSupportedException>(() => encoder.Encode(ids)).Message);
        encoder.eval();
        Assert.Equal([1, 3, 16], encoder.Encode(ids).shape);
    }

    [Fact]
    public void Keys_that_change_nothing_are_ignored() =>
        Assert.Equal(new Gpt2Config(), Gpt2Config.From(Json("{\"summary_type\":\"cls_index\",\"use_cache\":true,\"reorder_and_upcast_attn\":true,\"n_inner\":null,\"whatever\":{}}")));

    [Fact]
    public void A_stream_that_is_no_json_is_refused() =>
        Assert.Contains("not valid JSON", Assert.Throws<CheckpointException>(() => Gpt2Config.From(new MemoryStream("{"u8.ToArray()))).Message);

    [Fact]
    public void A_model_checks_a_config_made_in_code() =>
        Assert.Contains("n_embd is 10", Assert.Throws<CheckpointException>(() => new Gpt2(new Gpt2Config { Width = 10 })).Message);

    /// <summary>Hugging Face's gelu_new: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).</summary>
    [Fact]
    public void Gelu_new_is_the_tanh_formula()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = linspace(-8, 8, 4001, dtype: ScalarType.Float64);
        Tensor wanted = 0.5 * x * (1 + (Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x.pow(3)))).tanh());
        Assert.True(Activations.Of("gelu_new")(x).allclose(wanted, 1e-12, 1e-14));
        Assert.True(Activations.Of("gelu_new")(x.to_type(ScalarType.Float32)).to_type(ScalarType.Float64).allclose(wanted, 1e-5, 1e-6));
        Assert.False(Activations.Of("gelu")(x).allclose(wanted, 1e-5, 1e-5));
    }

    [Theory]
    [InlineData("relu", 0)]
    [InlineData("silu", -0.2689414213699951)]
    [InlineData("swish", -0.2689414213699951)]
    [InlineData("tanh", -0.7615941559557649)]
    [InlineData("gelu", -0.15865525393145707)]
    [InlineData("gelu_fast", -0.15880800939172324)]
    public void Activations_of_minus_one(string name, double expected)
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal(expected, Activations.Of(name)(tensor(-1.0)).item<double>(), 12);
    }

    private static MemoryStream Stream(JsonObject json) => new(Encoding.UTF8.GetBytes(json.ToJsonString()));
}
