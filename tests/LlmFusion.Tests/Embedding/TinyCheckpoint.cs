using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Embedding;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Embedding;

/// <summary>Model folders in Hugging Face's layout with random weights: small enough for a test, whole enough for every step.</summary>
internal static class TinyCheckpoint
{
    private const string SelfiesTokens = "[C] [O] [N] [S] [Cl] [=C] [=O] [#N] [Branch1] [=Branch1] [Ring1] [=N]";

    /// <summary>Longest sequence of each of them.</summary>
    public const int Positions = 40;

    /// <summary>Writes a checkpoint with weights of its own seed, and a tokenizer that reads SMILES (RoBERTa), SELFIES (BART) or text (all others).</summary>
    /// <returns>The folder.</returns>
    public static string Write(string folder, string modelType, int seed = 1, int width = 16)
    {
        Directory.CreateDirectory(folder);
        string[] vocabulary = WriteTokenizer(folder, modelType);
        JsonObject config = Config(modelType, vocabulary.Length, width);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        using DisposeScope scope = NewDisposeScope();
        manual_seed(seed);
        using Transformer model = Architectures.New(JsonSerializer.SerializeToElement(config));
        // Larger weights than one begins with: embeddings of different texts shall differ visibly.
        Dictionary<string, Tensor> weights = model.state_dict().ToDictionary(p => p.Key, p => p.Value.is_floating_point() ? p.Value * 3 : p.Value);
        Safetensors.Write(Path.Combine(folder, "model.safetensors"), weights, new Dictionary<string, string> { ["format"] = "pt" });
        return folder;
    }

    /// <summary>Opens a folder.</summary>
    public static FrozenEncoder Open(string folder, string options = "") =>
        FrozenEncoder.Open(EncoderChoice.Parse("tiny" + options), new ModelFolder(folder, null, null));

    /// <summary>Another folder with the same files.</summary>
    public static string Copy(string folder, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.EnumerateFiles(folder)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
        return to;
    }

    private static JsonObject Config(string modelType, int vocabulary, int width) => modelType switch
    {
        "roberta" => new JsonObject
        {
            ["model_type"] = modelType,
            ["vocab_size"] = vocabulary,
            ["hidden_size"] = width,
            ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 2,
            ["intermediate_size"] = 2 * width,
            ["hidden_act"] = "gelu",
            ["hidden_dropout_prob"] = 0.1,
            ["attention_probs_dropout_prob"] = 0.1,
            ["max_position_embeddings"] = Positions + 2,
            ["type_vocab_size"] = 1,
            ["layer_norm_eps"] = 1e-5,
            ["pad_token_id"] = 1,
        },
        "bart" => new JsonObject
        {
            ["model_type"] = modelType,
            ["vocab_size"] = vocabulary,
            ["d_model"] = width,
            ["encoder_layers"] = 2,
            ["encoder_attention_heads"] = 2,
            ["encoder_ffn_dim"] = 2 * width,
            ["decoder_layers"] = 1,
            ["decoder_attention_heads"] = 2,
            ["decoder_ffn_dim"] = 2 * width,
            ["activation_function"] = "gelu",
            ["dropout"] = 0.1,
            ["max_position_embeddings"] = Positions,
            ["scale_embedding"] = false,
            ["pad_token_id"] = 1,
        },
        "gpt2" => new JsonObject
        {
            ["model_type"] = modelType,
            ["vocab_size"] = vocabulary,
            ["n_positions"] = Positions,
            ["n_embd"] = width,
            ["n_layer"] = 2,
            ["n_head"] = 2,
            ["activation_function"] = "gelu_new",
            ["layer_norm_epsilon"] = 1e-5,
        },
        _ => new JsonObject
        {
            ["model_type"] = modelType,
            ["vocab_size"] = vocabulary,
            ["hidden_size"] = width,
            ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 2,
            ["num_key_value_heads"] = 1,
            ["intermediate_size"] = 2 * width,
            ["hidden_act"] = "silu",
            ["max_position_embeddings"] = Positions,
            ["rms_norm_eps"] = 1e-5,
            ["rope_theta"] = 10000.0,
            ["tie_word_embeddings"] = true,
        },
    };

    /// <summary>Byte-level BPE that joins two carbons, with vocab.json and merges.txt; of a BART whole words, with tokenizer.json.</summary>
    private static string[] WriteTokenizer(string folder, string modelType)
    {
        string[] special = modelType is "roberta" or "bart" ? ["<s>", "<pad>", "</s>", "<unk>"] : ["<|endoftext|>"];
        string[] known = modelType == "bart" ? SelfiesTokens.Split(' ') : [.. Enumerable.Range('!', '~' - '!' + 1).Select(c => $"{(char)c}"), "\u0120", "CC"];
        string[] vocabulary = [.. special, .. known];
        Dictionary<string, int> ids = vocabulary.Index().ToDictionary(t => t.Item, t => t.Index);
        if (modelType == "bart")
        {
            File.WriteAllText(Path.Combine(folder, "tokenizer.json"), JsonSerializer.Serialize(new Dictionary<string, object?>
            {
                ["version"] = "1.0",
                ["added_tokens"] = Array.Empty<object>(),
                ["pre_tokenizer"] = new { type = "WhitespaceSplit" },
                ["model"] = new { type = "WordLevel", vocab = ids, unk_token = "<unk>" },
            }));
            return vocabulary;
        }

        File.WriteAllText(Path.Combine(folder, "vocab.json"), JsonSerializer.Serialize(ids));
        File.WriteAllText(Path.Combine(folder, "merges.txt"), "#version: 0.2\nC C\n");
        // The class says which special tokens go around a text.
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), $$"""{"tokenizer_class": "{{(modelType == "roberta" ? "RobertaTokenizer" : "GPT2Tokenizer")}}"}""");
        return vocabulary;
    }
}
