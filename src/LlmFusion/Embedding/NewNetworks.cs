using System.Text.Json.Nodes;
using LlmFusion.Modalities;
using LlmFusion.Transformers;

namespace LlmFusion.Embedding;

/// <summary>
/// The networks that are trained along when no pretrained one is used, in the form that the paper gives them (P15): SMILES
/// a RoBERTa with its class token, SELFIES a BART encoder with the mean of its last hidden state, text a GPT-2 with the mean
/// of its last hidden state; the fusing language model a GPT-2. The graph, which the paper does not have, a message-passing network.
/// </summary>
public static class NewNetworks
{
    /// <summary>How an encoder of a modality makes one vector of a sequence.</summary>
    public static PoolingKind Pooling(Modality modality) => modality.Kind == ModalityKind.Smiles ? PoolingKind.ClassToken : PoolingKind.Mean;

    /// <summary>config.json of a new encoder.</summary>
    /// <param name="modality">A sequence modality.</param>
    /// <param name="size">Layers, width and heads.</param>
    /// <param name="vocabulary">Number of tokens.</param>
    /// <param name="maximumTokens">Longest sequence.</param>
    /// <param name="dropout">Dropout probability.</param>
    public static JsonObject Encoder(Modality modality, SizePreset size, int vocabulary, int maximumTokens, double dropout) => modality.Kind switch
    {
        ModalityKind.Smiles => new JsonObject
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
        ModalityKind.Selfies => new JsonObject
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
        ModalityKind.Text => Backbone(size with { BackboneLayers = size.EncoderLayers }, maximumTokens, dropout, vocabulary),
        _ => throw new ArgumentOutOfRangeException(nameof(modality), modality, "expected a sequence modality"),
    };

    /// <summary>The shape of a new graph encoder.</summary>
    /// <param name="width">Width of an atom's state.</param>
    /// <param name="layers">Rounds of messages.</param>
    public static GraphNetworkConfig Graph(int width, int layers) => new() { Features = GraphFeatures.Count, Relations = GraphFeatures.Relations, Width = width, Layers = layers };

    /// <summary>config.json of a mean with an MLP that has the weights of the GPT-2 of a preset's size.</summary>
    /// <param name="size">Layers and width.</param>
    /// <param name="dropout">Dropout probability.</param>
    /// <param name="concatenated">Tokens that are concatenated in the place of their mean; 0: the mean.</param>
    public static JsonObject MeanMlp(SizePreset size, double dropout, int concatenated = 0) =>
        new MeanMlpConfig { Width = size.Width, Layers = size.BackboneLayers, Inner = 6 * size.Width, Dropout = dropout, Concatenated = concatenated }.ToJson();

    /// <summary>config.json of a Llama with the weights of the GPT-2 of a preset's size: 4 d² in its attention and 8 d² in its MLP of three matrices.</summary>
    /// <param name="size">Layers, width and heads.</param>
    /// <param name="positions">Longest sequence.</param>
    /// <param name="dropout">Dropout probability.</param>
    public static LlamaConfig Llama(SizePreset size, int positions, double dropout) => new()
    {
        VocabSize = 1,
        Positions = positions,
        Width = size.Width,
        Layers = size.BackboneLayers,
        Heads = size.Heads,
        KeyValueHeads = size.Heads,
        Inner = (8 * size.Width + 2) / 3,
        AttentionDropout = dropout,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = true,
    };

    /// <summary>config.json of a Granite of the same size, with the multipliers of granite-3.1-2b; that of attention is 1 / width of a head.</summary>
    /// <inheritdoc cref="Llama"/>
    public static GraniteConfig Granite(SizePreset size, int positions, double dropout) => new()
    {
        Llama = Llama(size, positions, dropout),
        EmbeddingMultiplier = 12,
        AttentionMultiplier = (double)size.Heads / size.Width,
        ResidualMultiplier = 0.22,
        LogitsScaling = 8,
    };

    /// <summary>config.json of a GPT-2 of a preset's size.</summary>
    /// <param name="size">Layers, width and heads.</param>
    /// <param name="positions">Rows of the position table.</param>
    /// <param name="dropout">Dropout probability.</param>
    /// <param name="vocabulary">Number of tokens; a fusing model never looks one up.</param>
    public static JsonObject Backbone(SizePreset size, int positions, double dropout, int vocabulary = 1) => new()
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
}
