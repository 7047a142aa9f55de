using System.Text.Json;

namespace LlmFusion.Transformers;

/// <summary>The sizes that a config.json gives a model.</summary>
/// <param name="ModelType">The architecture.</param>
/// <param name="Width">Width d of the hidden state.</param>
/// <param name="Layers">Number of layers; of a BART its encoder's.</param>
/// <param name="VocabSize">Tokens in the vocabulary.</param>
/// <param name="MaximumLength">The longest sequence, in tokens.</param>
/// <param name="Weights">Numbers in the matrices of the layers and in the position table: no checkpoint has fewer. A floating-point number, as a hostile config.json may ask for any.</param>
public sealed record TransformerShape(string ModelType, int Width, int Layers, int VocabSize, int MaximumLength, double Weights)
{
    /// <summary>Fails where weights cannot be those of such a model: before memory is asked for it.</summary>
    /// <param name="numbers">How many numbers the weights hold.</param>
    /// <param name="tokenEmbedding">Whether they hold the token table.</param>
    /// <param name="source">Where they are, for the message.</param>
    /// <exception cref="CheckpointException">They are too few.</exception>
    public void RequireIn(long numbers, bool tokenEmbedding, string source)
    {
        double least = Weights + (tokenEmbedding ? (double)VocabSize * Width : 0);
        if (numbers < least)
            throw new CheckpointException($"{source}: holds {numbers:N0} numbers, expected at least {least:N0} for the {Layers:N0} layers of width {Width:N0} that config.json asks for");
    }
}

/// <summary>The architectures by the <c>model_type</c> of a config.json.</summary>
public static class Architectures
{
    /// <summary>Every model_type that can be an encoder.</summary>
    public static IReadOnlyList<string> Encoders { get; } = ["gpt2", "roberta", "bart", "llama", "granite"];

    /// <summary>Every model_type that can be the fusing language model.</summary>
    public static IReadOnlyList<string> LanguageModels { get; } = ["gpt2", "llama", "granite", MeanMlpConfig.ModelType];

    /// <summary>A new model.</summary>
    /// <param name="config">A parsed config.json.</param>
    /// <param name="initialize">Weights from torch's generator; false leaves them to be loaded.</param>
    /// <exception cref="CheckpointException">The architecture or an option is unknown, or a value is impossible.</exception>
    public static Transformer New(JsonElement config, bool initialize = true) => ModelType(config) switch
    {
        "roberta" => new Roberta(RobertaConfig.From(config), withPooler: false, withLanguageHead: false, initialize),
        "bart" => new BartEncoder(BartConfig.From(config), ownTokens: true, initialize),
        MeanMlpConfig.ModelType => throw new CheckpointException($"config.json: model_type is '{MeanMlpConfig.ModelType}', which reads no tokens; an encoder is one of {string.Join(", ", Encoders)}"),
        _ => NewLanguageModel(config, tokenEmbedding: true, initialize),
    };

    /// <summary>A new language model, by default without a token table: then it reads embeddings only.</summary>
    /// <param name="config">A parsed config.json.</param>
    /// <param name="tokenEmbedding">With a token table.</param>
    /// <param name="initialize">Weights from torch's generator; false leaves them to be loaded.</param>
    /// <exception cref="CheckpointException">The architecture cannot fuse, or as <see cref="New"/>.</exception>
    public static LanguageModel NewLanguageModel(JsonElement config, bool tokenEmbedding = false, bool initialize = true) => ModelType(config) switch
    {
        "gpt2" => new Gpt2(Gpt2Config.From(config), tokenEmbedding, initialize),
        "llama" => new Llama(LlamaConfig.From(config), tokenEmbedding, languageHead: false, initialize),
        "granite" => new Granite(GraniteConfig.From(config), tokenEmbedding, languageHead: false, initialize),
        MeanMlpConfig.ModelType => new MeanMlp(MeanMlpConfig.From(config), initialize),
        _ => throw NoLanguageModel(config),
    };

    /// <summary>Fails where an architecture cannot fuse.</summary>
    /// <exception cref="CheckpointException">It reads no embeddings, or as <see cref="New"/>.</exception>
    public static void RequireLanguageModel(JsonElement config)
    {
        if (!LanguageModels.Contains(ShapeOf(config).ModelType)) throw NoLanguageModel(config);
    }

    /// <summary>Loads the encoder that a Hugging Face folder holds: of a BART its encoder, of the others all but their heads.</summary>
    /// <exception cref="CheckpointException">A file is missing, damaged, of an unknown architecture, or does not fit.</exception>
    /// <param name="folder">The folder.</param>
    /// <param name="change">Changes its config.json (dropout, say) before the model is built; null: as it is.</param>
    public static Transformer Load(string folder, Func<JsonElement, JsonElement>? change = null) =>
        Load(folder, tokenEmbedding: true, config => New(change is null ? config : change(config), initialize: false));

    /// <summary>Loads the language model of a Hugging Face folder without its token table: it reads embeddings only.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="change">Changes its config.json (dropout, say) before the model is built; null: as it is.</param>
    /// <exception cref="CheckpointException">As <see cref="Load(string, Func{JsonElement, JsonElement})"/>, or the architecture cannot fuse.</exception>
    public static LanguageModel LoadLanguageModel(string folder, Func<JsonElement, JsonElement>? change = null) =>
        Load(folder, tokenEmbedding: false, config => NewLanguageModel(change is null ? config : change(config), initialize: false));

    /// <summary>The sizes, without building the model.</summary>
    /// <exception cref="CheckpointException">As <see cref="New"/>.</exception>
    public static TransformerShape ShapeOf(JsonElement config)
    {
        string type = ModelType(config);
        switch (type)
        {
            case "gpt2":
                Gpt2Config gpt2 = Gpt2Config.From(config);
                return new TransformerShape(type, gpt2.Width, gpt2.Layers, gpt2.VocabSize, gpt2.Positions,
                    Weights(gpt2.Layers, gpt2.Width, 4.0 * gpt2.Width, 2.0 * (gpt2.Inner ?? 4.0 * gpt2.Width), gpt2.Positions));
            case "roberta":
                RobertaConfig roberta = RobertaConfig.From(config);
                return new TransformerShape(type, roberta.Width, roberta.Layers, roberta.VocabSize, roberta.MaxLength,
                    Weights(roberta.Layers, roberta.Width, 4.0 * roberta.Width, 2.0 * roberta.Inner, (double)roberta.Positions + roberta.TokenTypes));
            case "bart":
                BartConfig bart = BartConfig.From(config);
                return new TransformerShape(type, bart.Width, bart.EncoderLayers, bart.VocabSize, bart.Positions,
                    Weights(bart.EncoderLayers, bart.Width, 4.0 * bart.Width, 2.0 * bart.EncoderInner, bart.Positions));
            case MeanMlpConfig.ModelType:
                MeanMlpConfig mlp = MeanMlpConfig.From(config);
                return new TransformerShape(type, mlp.Width, mlp.Layers, 1, mlp.Concatenated > 0 ? mlp.Concatenated : int.MaxValue, Weights(mlp.Layers, mlp.Width, 0, 2.0 * mlp.Inner, (double)mlp.Concatenated * mlp.Width));
            default:
                LlamaConfig llama = type == "llama" ? LlamaConfig.From(config) : GraniteConfig.From(config).Llama;
                return new TransformerShape(type, llama.Width, llama.Layers, llama.VocabSize, llama.Positions,
                    Weights(llama.Layers, llama.Width, 2.0 * ((double)llama.Heads + llama.KeyValueHeads) * llama.HeadWidthOrDefault, 3.0 * llama.Inner, 0));
        }
    }

    /// <summary>Fails where a folder's weights cannot be those that its config.json asks for.</summary>
    /// <exception cref="CheckpointException">They are too few, or a file is missing or damaged.</exception>
    internal static void RequireRoom(string folder, JsonElement config, bool tokenEmbedding) =>
        ShapeOf(config).RequireIn(CheckpointFiles.Entries(folder).Sum(entry => entry.Shape.Aggregate(1L, (product, n) => checked(product * n))), tokenEmbedding, folder);

    /// <summary>Layers times width times what stands against it in attention and MLP, and rows of the width.</summary>
    private static double Weights(int layers, int width, double attention, double mlp, double rows) => width * (layers * (attention + mlp) + rows);

    /// <summary>Reads a folder's config.json.</summary>
    /// <exception cref="CheckpointException">It is missing or not JSON.</exception>
    public static JsonElement ReadConfig(string folder) => ConfigReader.ParseFile(Path.Combine(folder, "config.json"), json => json.Clone());

    /// <summary>What config.json says the architecture is.</summary>
    /// <exception cref="CheckpointException">It does not say, or this program does not know it.</exception>
    public static string ModelType(JsonElement config)
    {
        string? type = config.ValueKind == JsonValueKind.Object && config.TryGetProperty("model_type", out JsonElement value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return type is not null && (Encoders.Contains(type) || type == MeanMlpConfig.ModelType) ? type
            : throw new CheckpointException($"config.json: model_type is {(type is null ? "missing" : $"'{type}'")}, known are {string.Join(", ", Encoders)}");
    }

    private static T Load<T>(string folder, bool tokenEmbedding, Func<JsonElement, T> create) where T : Transformer
    {
        RequireRoom(folder, ReadConfig(folder), tokenEmbedding);
        T model = ConfigReader.ParseFile(Path.Combine(folder, "config.json"), create);
        try
        {
            Checkpoint.LoadFolder(model, folder, model.CheckpointName);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static CheckpointException NoLanguageModel(JsonElement config) =>
        new($"config.json: model_type is '{ModelType(config)}', which reads no embeddings; a language model is one of {string.Join(", ", LanguageModels)}");
}
