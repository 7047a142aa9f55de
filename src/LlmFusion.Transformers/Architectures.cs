using System.Text.Json;

namespace LlmFusion.Transformers;

/// <summary>The architectures by the <c>model_type</c> of a config.json.</summary>
public static class Architectures
{
    /// <summary>Every model_type that can be an encoder.</summary>
    public static IReadOnlyList<string> Encoders { get; } = ["gpt2", "roberta", "bart", "llama", "granite"];

    /// <summary>Every model_type that can be the fusing language model.</summary>
    public static IReadOnlyList<string> LanguageModels { get; } = ["gpt2", "llama", "granite"];

    /// <summary>A new model with weights from torch's generator.</summary>
    /// <param name="config">A parsed config.json.</param>
    /// <exception cref="CheckpointException">The architecture or an option is unknown, or a value is impossible.</exception>
    public static Transformer New(JsonElement config) => Create(config, initialize: true);

    /// <summary>A new language model with weights from torch's generator, without a token table: it reads embeddings only.</summary>
    /// <param name="config">A parsed config.json.</param>
    /// <exception cref="CheckpointException">The architecture cannot fuse, or as <see cref="New"/>.</exception>
    public static LanguageModel NewLanguageModel(JsonElement config) => CreateLanguageModel(config, tokenEmbedding: false, initialize: true);

    /// <summary>Loads the encoder that a Hugging Face folder holds: of a BART its encoder, of the others all but their heads.</summary>
    /// <exception cref="CheckpointException">A file is missing, damaged, of an unknown architecture, or does not fit.</exception>
    public static Transformer Load(string folder) => Load(folder, config => Create(config, initialize: false));

    /// <summary>Loads the language model of a Hugging Face folder without its token table: it reads embeddings only.</summary>
    /// <exception cref="CheckpointException">As <see cref="Load(string)"/>, or the architecture cannot fuse.</exception>
    public static LanguageModel LoadLanguageModel(string folder) =>
        Load(folder, config => CreateLanguageModel(config, tokenEmbedding: false, initialize: false));

    /// <summary>Reads a folder's config.json.</summary>
    /// <exception cref="CheckpointException">It is missing or not JSON.</exception>
    public static JsonElement ReadConfig(string folder) => ConfigReader.ParseFile(Path.Combine(folder, "config.json"), json => json.Clone());

    /// <summary>What config.json says the architecture is.</summary>
    /// <exception cref="CheckpointException">It does not say, or this program does not know it.</exception>
    public static string ModelType(JsonElement config)
    {
        string? type = config.ValueKind == JsonValueKind.Object && config.TryGetProperty("model_type", out JsonElement value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return type is not null && Encoders.Contains(type) ? type
            : throw new CheckpointException($"config.json: model_type is {(type is null ? "missing" : $"'{type}'")}, known are {string.Join(", ", Encoders)}");
    }

    private static T Load<T>(string folder, Func<JsonElement, T> create) where T : Transformer
    {
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

    private static Transformer Create(JsonElement config, bool initialize) => ModelType(config) switch
    {
        "roberta" => new Roberta(RobertaConfig.From(config), withPooler: false, withLanguageHead: false, initialize),
        "bart" => new BartEncoder(BartConfig.From(config), ownTokens: true, initialize),
        _ => CreateLanguageModel(config, tokenEmbedding: true, initialize),
    };

    private static LanguageModel CreateLanguageModel(JsonElement config, bool tokenEmbedding, bool initialize) => ModelType(config) switch
    {
        "gpt2" => new Gpt2(Gpt2Config.From(config), tokenEmbedding, initialize),
        "llama" => new Llama(LlamaConfig.From(config), tokenEmbedding, languageHead: false, initialize),
        "granite" => new Granite(GraniteConfig.From(config), tokenEmbedding, languageHead: false, initialize),
        string other => throw new CheckpointException($"config.json: model_type is '{other}', which reads no embeddings; a language model is one of {string.Join(", ", LanguageModels)}"),
    };
}
