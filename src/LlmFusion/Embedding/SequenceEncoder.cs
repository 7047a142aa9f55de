using System.Text.Json.Nodes;
using LlmFusion.Modalities;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Embedding;

/// <summary>
/// A small encoder of one sequence modality, trained with the fusion model when no pretrained one is used, in the form
/// that the paper gives it (P15): SMILES a RoBERTa with its class token, SELFIES a BART encoder with the mean of its last
/// hidden state, text a GPT-2 with the mean of its last hidden state.
/// </summary>
public sealed class SequenceEncoder : nn.Module
{
    private readonly Roberta? _roberta;
    private readonly BartEncoder? _bart;
    private readonly Gpt2? _gpt2;

    /// <summary>Builds the encoder of a modality.</summary>
    /// <param name="modality">A sequence modality.</param>
    /// <param name="config">config.json of the architecture that belongs to the modality.</param>
    /// <exception cref="CheckpointException">An option is unknown or out of range.</exception>
    public SequenceEncoder(Modality modality, JsonObject config)
        : base(nameof(SequenceEncoder))
    {
        Config = config;
        switch (modality)
        {
            case Modality.Smiles:
                RobertaConfig roberta = RobertaConfig.From(Element(config));
                Width = roberta.Width;
                register_module("model", _roberta = new Roberta(roberta));
                break;
            case Modality.Selfies:
                BartConfig bart = BartConfig.From(Element(config));
                Width = bart.Width;
                register_module("model", _bart = new BartEncoder(bart));
                break;
            case Modality.Text:
                Gpt2Config gpt2 = Gpt2Config.From(Element(config));
                Width = gpt2.Width;
                register_module("model", _gpt2 = new Gpt2(gpt2));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(modality), modality, "expected a sequence modality");
        }
    }

    /// <summary>config.json.</summary>
    public JsonObject Config { get; }

    /// <summary>Width of the embedding.</summary>
    public int Width { get; }

    /// <summary>The transformer, whose tensor names are Hugging Face's.</summary>
    public nn.Module Model => (nn.Module?)_roberta ?? (nn.Module?)_bart ?? _gpt2!;

    /// <summary>One vector per sequence.</summary>
    /// <param name="ids">(K, L) int64</param>
    /// <param name="mask">(K, L): 1 token, 0 padding; null where nothing is padded.</param>
    /// <returns>(K, d)</returns>
    public Tensor Forward(Tensor ids, Tensor? mask)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor embedding = _roberta is not null
            ? _roberta.EncodeClassToken(ids, mask)
            : Mean(_bart is not null ? _bart.Encode(ids, mask) : _gpt2!.Encode(ids, mask));
        return embedding.MoveToOuterDisposeScope();

        Tensor Mean(Tensor hidden) => mask is null ? hidden.mean([1]) : Pooling.MaskedMean(hidden, mask);
    }

    /// <summary>Nothing: the constructor registers by checkpoint name, and a parent's call would add the fields a second time.</summary>
    protected override void RegisterComponents()
    {
    }

    /// <summary>Width, layers and vocabulary of an encoder's config.json, without building it.</summary>
    /// <exception cref="CheckpointException">An option is unknown or out of range.</exception>
    public static (int Width, int Layers, int Vocabulary) SizesOf(Modality modality, JsonObject config)
    {
        switch (modality)
        {
            case Modality.Smiles:
                RobertaConfig roberta = RobertaConfig.From(Element(config));
                return (roberta.Width, roberta.Layers, roberta.VocabSize);
            case Modality.Selfies:
                BartConfig bart = BartConfig.From(Element(config));
                return (bart.Width, bart.EncoderLayers, bart.VocabSize);
            default:
                Gpt2Config gpt2 = Gpt2Config.From(Element(config));
                return (gpt2.Width, gpt2.Layers, gpt2.VocabSize);
        }
    }

    /// <summary>config.json of a new encoder.</summary>
    /// <param name="modality">A sequence modality.</param>
    /// <param name="size">Layers, width and heads.</param>
    /// <param name="vocabulary">Number of tokens.</param>
    /// <param name="maximumTokens">Longest sequence.</param>
    /// <param name="dropout">Dropout probability.</param>
    public static JsonObject NewConfig(Modality modality, SizePreset size, int vocabulary, int maximumTokens, double dropout) => modality switch
    {
        Modality.Smiles => new JsonObject
        {
            ["model_type"] = "roberta",
            ["vocab_size"] = vocabulary,
            ["hidden_size"] = size.Width,
            ["num_hidden_layers"] = size.EncoderLayers,
            ["num_attention_heads"] = size.Heads,
            ["intermediate_size"] = 4 * size.Width,
            ["hidden_act"] = "gelu",
            ["hidden_dropout_prob"] = dropout,
            ["attention_probs_dropout_prob"] = dropout,
            ["max_position_embeddings"] = maximumTokens + 2, // positions start behind the padding id
            ["type_vocab_size"] = 1,
            ["layer_norm_eps"] = 1e-5,
            ["pad_token_id"] = TokenVocabulary.Pad,
            ["bos_token_id"] = TokenVocabulary.Start,
            ["eos_token_id"] = TokenVocabulary.End,
        },
        Modality.Selfies => new JsonObject
        {
            ["model_type"] = "bart",
            ["vocab_size"] = vocabulary,
            ["d_model"] = size.Width,
            ["encoder_layers"] = size.EncoderLayers,
            ["encoder_attention_heads"] = size.Heads,
            ["encoder_ffn_dim"] = 4 * size.Width,
            ["decoder_layers"] = size.EncoderLayers,
            ["decoder_attention_heads"] = size.Heads,
            ["decoder_ffn_dim"] = 4 * size.Width,
            ["activation_function"] = "gelu",
            ["dropout"] = dropout,
            ["attention_dropout"] = dropout,
            ["activation_dropout"] = 0.0,
            ["max_position_embeddings"] = maximumTokens,
            ["scale_embedding"] = false,
            ["pad_token_id"] = TokenVocabulary.Pad,
            ["bos_token_id"] = TokenVocabulary.Start,
            ["eos_token_id"] = TokenVocabulary.End,
        },
        Modality.Text => BackboneConfig(size with { BackboneLayers = size.EncoderLayers }, maximumTokens, dropout, vocabulary),
        _ => throw new ArgumentOutOfRangeException(nameof(modality), modality, "expected a sequence modality"),
    };

    /// <summary>config.json of a GPT-2 of a preset's size.</summary>
    /// <param name="size">Layers, width and heads.</param>
    /// <param name="positions">Rows of the position table.</param>
    /// <param name="dropout">Dropout probability.</param>
    /// <param name="vocabulary">Number of tokens; a fusing model never looks one up.</param>
    public static JsonObject BackboneConfig(SizePreset size, int positions, double dropout, int vocabulary = 1) => new()
    {
        ["model_type"] = "gpt2",
        ["vocab_size"] = vocabulary,
        ["n_positions"] = positions,
        ["n_embd"] = size.Width,
        ["n_layer"] = size.BackboneLayers,
        ["n_head"] = size.Heads,
        ["activation_function"] = "gelu_new",
        ["resid_pdrop"] = dropout,
        ["embd_pdrop"] = dropout,
        ["attn_pdrop"] = dropout,
        ["layer_norm_epsilon"] = 1e-5,
    };

    private static System.Text.Json.JsonElement Element(JsonObject config) => System.Text.Json.JsonSerializer.SerializeToElement(config);
}
