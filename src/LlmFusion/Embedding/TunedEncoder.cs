using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Tokenizers;

namespace LlmFusion.Embedding;

/// <summary>A pretrained encoder that is trained along with the fusion model: it begins as its checkpoint, and reads with the checkpoint's tokenizer.</summary>
/// <param name="origin">The checkpoint, which nobody else uses.</param>
public sealed class TunedEncoder(FrozenEncoder origin)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The checkpoint.</summary>
    public FrozenEncoder Origin => origin;

    /// <summary>The network; the model that trains it disposes it.</summary>
    public SequenceEncoder Network { get; } = origin.Network;

    /// <summary>Ids with the special tokens, and how many tokens were cut off.</summary>
    public TokenizedText Tokenize(string text) => origin.Tokenize(text);

    /// <summary>Writes config.json, tokenizer files and the trained weights, so that <see cref="FrozenEncoder.OpenSaved"/> finds them; returns the weights' sha256.</summary>
    public string Save(string folder)
    {
        Directory.CreateDirectory(folder);
        if (origin.Substitute is { } substitute) AtomicFile.Write(Path.Combine(folder, "vocab.json"), substitute.Vocabulary.ToJson());
        else
            foreach (string file in Tokenizer.Files.Where(f => File.Exists(Path.Combine(origin.Folder!.Path, f))))
                AtomicFile.Copy(Path.Combine(origin.Folder!.Path, file), Path.Combine(folder, file));
        // The checkpoint's own keys stay: its tokenizer may be named among them.
        JsonObject config = JsonObject.Create(origin.Config)!;
        foreach ((string key, JsonNode? value) in Network.Model.ConfigJson()) config[key] = value?.DeepClone();
        AtomicFile.Write(Path.Combine(folder, "config.json"), config.ToJsonString(Indented));
        Safetensors.Write(Path.Combine(folder, "model.safetensors"), Network.Model.state_dict(), new Dictionary<string, string> { ["format"] = "pt" });
        return CheckpointFiles.Sha256(folder);
    }
}
