using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Pretraining;

/// <summary>
/// Writes an encoder as transformers' <c>AutoModel</c> loads it without a remark. Two of its models have parts that the encoder
/// lacks, and that transformers would otherwise make up: a RoBERTa its pooler, which is written as the identity (pooler_output =
/// tanh(class token)), and a BART its decoder, of which one layer is written as it was drawn. This program reads neither.
/// </summary>
internal static class EncoderFolder
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes config.json and model.safetensors beside the tokenizer's files; returns the weights' sha256.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="encoder">A RoBERTa, a BART encoder, or a GPT-2.</param>
    /// <param name="config">Its config.json as it was made from.</param>
    /// <param name="tokenizer">Its tokenizer, whose special ids config.json tells.</param>
    public static string Write(string folder, Transformer encoder, JsonObject config, Tokenizer tokenizer)
    {
        using DisposeScope scope = NewDisposeScope();
        JsonObject json = (JsonObject)config.DeepClone();
        foreach ((string key, JsonNode? value) in encoder.ConfigJson()) json[key] = value?.DeepClone();
        (json["bos_token_id"], json["eos_token_id"], json["pad_token_id"]) = (tokenizer.BeginToken, tokenizer.EndToken, tokenizer.PadToken);
        Dictionary<string, Tensor> weights = new(Checkpoint.StateOf(encoder));
        switch (encoder)
        {
            case Roberta:
                weights["pooler.dense.weight"] = eye(encoder.Width);
                weights["pooler.dense.bias"] = zeros(encoder.Width);
                break;
            case BartEncoder bart:
                manual_seed(0).Dispose(); // of the decoder, which nobody reads: the file shall not depend on when the run was resumed
                using (Bart whole = new(bart.Config))
                {
                    weights = new(Checkpoint.StateOf(whole).ToDictionary(w => w.Key, w => w.Value.detach().clone()));
                    foreach ((string name, Tensor value) in Checkpoint.StateOf(bart)) weights[name == "embed_tokens.weight" ? "shared.weight" : "encoder." + name] = value;
                }

                (json["decoder_start_token_id"], json["forced_eos_token_id"]) = (tokenizer.EndToken, tokenizer.EndToken);
                break;
        }

        AtomicFile.Write(Path.Combine(folder, "config.json"), json.ToJsonString(Indented));
        Safetensors.Write(Path.Combine(folder, "model.safetensors"), weights, new Dictionary<string, string> { ["format"] = "pt" });
        return CheckpointFiles.Sha256(folder);
    }
}
