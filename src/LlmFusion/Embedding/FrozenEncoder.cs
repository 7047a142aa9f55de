using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Modalities;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;
using LlmFusion.Transformers.Tokenizers;

namespace LlmFusion.Embedding;

/// <summary>
/// A pretrained encoder with its tokenizer, never trained (paper, P5). The network is loaded when the first sequence has to
/// be computed: where the store has all embeddings, it never is.
/// </summary>
public sealed class FrozenEncoder : IDisposable
{
    private readonly Lazy<SequenceEncoder> _network;
    private readonly Func<string, TokenizedText> _tokenize;

    private FrozenEncoder(string name, JsonElement config, PoolingKind pooling, int maximumTokens, Func<string, TokenizedText> tokenize, Func<Transformer> load)
    {
        Name = name;
        Config = config;
        Shape = Architectures.ShapeOf(config);
        Pooling = pooling;
        MaximumTokens = maximumTokens;
        _tokenize = tokenize;
        _network = new(() =>
        {
            SequenceEncoder network = new(load(), pooling);
            network.eval();
            foreach (TorchSharp.Modules.Parameter parameter in network.parameters()) parameter.requires_grad = false;
            return network;
        });
    }

    /// <summary>As the user named it.</summary>
    public string Name { get; }

    /// <summary>config.json.</summary>
    public JsonElement Config { get; }

    /// <summary>Its sizes.</summary>
    public TransformerShape Shape { get; }

    /// <summary>Width of the embedding.</summary>
    public int Width => Shape.Width;

    /// <summary>How a sequence becomes one vector.</summary>
    public PoolingKind Pooling { get; }

    /// <summary>Longest sequence in tokens; what is beyond is cut off and counted.</summary>
    public int MaximumTokens { get; }

    /// <summary>Whether it was trained along with the model that it is read from, whose own it stays.</summary>
    public bool IsOwn { get; private init; }

    /// <summary>Where its files are; null for one with random weights.</summary>
    public ModelFolder? Folder { get; private init; }

    /// <summary>sha256 of its weights; null for random ones.</summary>
    public string? WeightsSha256 { get; private init; }

    /// <summary>sha256 over config.json and its tokenizer's files, their names and contents.</summary>
    public string FilesSha256 { get; private init; } = "";

    /// <summary>The substitute vocabulary of an encoder that was made without a checkpoint; null where the checkpoint brought its own.</summary>
    public InputTokenizer? Substitute { get; private init; }

    /// <summary>sha256 over everything that changes an embedding but the input; null where the embeddings are not to be kept.</summary>
    public string? Identity { get; private init; }

    /// <summary>The network, loaded at first use.</summary>
    /// <exception cref="CheckpointException">Its files cannot be used.</exception>
    public SequenceEncoder Network => _network.Value;

    /// <summary>How many numbers its weights are. No weight is read for it: the network is only laid out.</summary>
    public long CountParameters()
    {
        if (_network.IsValueCreated) return _network.Value.parameters().Sum(p => p.numel());
        using Transformer outline = Architectures.New(Config, initialize: false);
        return outline.parameters().Sum(p => p.numel());
    }

    /// <summary>Opens a checkpoint folder.</summary>
    /// <param name="choice">Pooling and length.</param>
    /// <param name="folder">The folder with config.json, weights and tokenizer files.</param>
    /// <param name="change">Changes config.json (dropout, say) before the network is built; null: as it is.</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or asks for what is not implemented.</exception>
    public static FrozenEncoder Open(EncoderChoice choice, ModelFolder folder, Func<JsonElement, JsonElement>? change = null) => Open(choice, folder, change, own: false);

    private static FrozenEncoder Open(EncoderChoice choice, ModelFolder folder, Func<JsonElement, JsonElement>? change, bool own)
    {
        JsonElement config = Architectures.ReadConfig(folder.Path);
        TransformerShape shape = Architectures.ShapeOf(config);
        ModelPreset? preset = ModelPresets.All.FirstOrDefault(p => p.Id == folder.Id || p.FormerIds.Contains(folder.Id));
        Tokenizer tokenizer = Tokenizer.Load(folder.Path);
        if (tokenizer.VocabularySize > shape.VocabSize)
            throw new CheckpointException($"{folder.Path}: the tokenizer has {tokenizer.VocabularySize} tokens, the model's vocab_size is {shape.VocabSize}");
        PoolingKind pooling = choice.Pooling ?? preset?.Pooling ?? DefaultPooling(shape);
        int longest = Math.Min(shape.MaximumLength, tokenizer.MaximumLength ?? int.MaxValue);
        if (choice.MaximumTokens > longest)
            throw new ArgumentException($"max-tokens of {choice.Model}: got {choice.MaximumTokens}, expected at most the {longest} that the model can read");
        int maximum = choice.MaximumTokens ?? Math.Min(longest, preset?.MaximumTokens ?? int.MaxValue);
        string sha256 = CheckpointFiles.Sha256(folder.Path);
        string filesSha256 = HashOf(config, [.. Tokenizer.Files.Where(f => File.Exists(PathOf(f))).Select(f => (f, File.ReadAllBytes(PathOf(f))))]);
        return new FrozenEncoder(choice.Model, config, pooling, maximum, text => tokenizer.Encode(text, maximum), () => Architectures.Load(folder.Path, change))
        {
            Folder = folder,
            IsOwn = own,
            WeightsSha256 = sha256,
            FilesSha256 = filesSha256,
            Identity = IdentityOf(sha256, filesSha256, pooling, maximum),
        };

        string PathOf(string file) => Path.Combine(folder.Path, file);
    }

    /// <summary>An encoder of an architecture with random weights from torch's generator, and a vocabulary of the training split: every real size runs offline.</summary>
    public static FrozenEncoder Random(EncoderChoice choice, JsonObject config, InputTokenizer substitute)
    {
        JsonElement json = JsonSerializer.SerializeToElement(config);
        Transformer model = Architectures.New(json);
        return Substituted(choice.Model, json, choice.Pooling ?? DefaultPooling(Architectures.ShapeOf(json)), substitute, () => model);
    }

    /// <summary>Opens what <see cref="Save"/> wrote.</summary>
    /// <param name="name">As the user named it.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="modality">What it reads.</param>
    /// <param name="pooling">As it was trained with.</param>
    /// <param name="maximumTokens">As it was trained with.</param>
    /// <param name="substitute">Whether its vocabulary is a substitute.</param>
    /// <param name="own">Whether it was trained along with the model of the folder.</param>
    public static FrozenEncoder OpenSaved(string name, string folder, Modality modality, PoolingKind pooling, int maximumTokens, bool substitute, bool own = false)
    {
        if (!substitute) return Open(new EncoderChoice { Model = name, Pooling = pooling, MaximumTokens = maximumTokens }, new ModelFolder(folder, null, null), null, own);
        InputTokenizer tokenizer = new(modality, TokenVocabulary.Load(Path.Combine(folder, "vocab.json")), maximumTokens);
        return Substituted(name, Architectures.ReadConfig(folder), pooling, tokenizer, () => Architectures.Load(folder), CheckpointFiles.Sha256(folder), own);
    }

    /// <summary>Ids with the special tokens, and how many tokens were cut off.</summary>
    public TokenizedText Tokenize(string text) => _tokenize(text);

    /// <summary>Writes config.json, weights and tokenizer, so that <see cref="OpenSaved"/> finds them; returns the weights' sha256.</summary>
    public string Save(string folder)
    {
        Directory.CreateDirectory(folder);
        if (Folder is not null)
        {
            foreach (string file in CheckpointFiles.Names(Folder.Path).Concat(Tokenizer.Files).Append("config.json").Where(f => File.Exists(Path.Combine(Folder.Path, f))))
                AtomicFile.Copy(Path.Combine(Folder.Path, file), Path.Combine(folder, file));
        }
        else
        {
            AtomicFile.Write(Path.Combine(folder, "config.json"), JsonSerializer.Serialize(Config, Indented));
            AtomicFile.Write(Path.Combine(folder, "vocab.json"), Substitute!.Vocabulary.ToJson());
            Safetensors.Write(Path.Combine(folder, "model.safetensors"), Network.Model.state_dict(), new Dictionary<string, string> { ["format"] = "pt" });
        }

        return CheckpointFiles.Sha256(folder);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_network.IsValueCreated) _network.Value.Dispose();
    }

    /// <summary>RoBERTa was pretrained with a class token in front; of the others the mean says more than any one token.</summary>
    private static PoolingKind DefaultPooling(TransformerShape shape) => shape.ModelType == "roberta" ? PoolingKind.ClassToken : PoolingKind.Mean;

    private static FrozenEncoder Substituted(string name, JsonElement config, PoolingKind pooling, InputTokenizer tokenizer, Func<Transformer> load, string? sha256 = null, bool own = false)
    {
        string filesSha256 = HashOf(config, [("vocab.json", Encoding.UTF8.GetBytes(tokenizer.Vocabulary.ToJson()))]);
        return new(name, config, pooling, tokenizer.MaximumTokens, text => new TokenizedText(tokenizer.Encode(text, out int dropped), dropped), load)
        {
            Substitute = tokenizer,
            IsOwn = own,
            WeightsSha256 = sha256,
            FilesSha256 = filesSha256,
            Identity = sha256 is null ? null : IdentityOf(sha256, filesSha256, pooling, tokenizer.MaximumTokens),
        };
    }

    // The first line changes whenever the same input would give other numbers.
    private static string IdentityOf(string weights, string files, PoolingKind pooling, int maximumTokens) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"embedding 1\n{weights}\n{files}\n{pooling}\n{maximumTokens}\n")));

    private static string HashOf(JsonElement config, (string Name, byte[] Bytes)[] tokenizer) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        JsonSerializer.Serialize(config) + string.Concat(tokenizer.Select(f => $"\n{f.Name} {Convert.ToHexStringLower(SHA256.HashData(f.Bytes))}")))));

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
}
