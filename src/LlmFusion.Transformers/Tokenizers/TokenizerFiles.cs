using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// The files of a tokenizer that was made here, as Hugging Face's tokenizers and transformers read them: names and contents.
/// </summary>
public static class TokenizerFiles
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Ids and order as RoBERTa has them, but <mask>, which follows <unk>.
    private static readonly (string Role, string Token)[] Special =
        [("bos_token", "<s>"), ("pad_token", "<pad>"), ("eos_token", "</s>"), ("unk_token", "<unk>"), ("mask_token", "<mask>"), ("cls_token", "<s>"), ("sep_token", "</s>")];

    /// <summary>One token a word, <c>&lt;s&gt;</c> in front and <c>&lt;/s&gt;</c> behind.</summary>
    /// <param name="tokens">The index is the id; the first five are <c>&lt;s&gt; &lt;pad&gt; &lt;/s&gt; &lt;unk&gt; &lt;mask&gt;</c>.</param>
    /// <param name="pattern">Each match is a word; white space between words is dropped.</param>
    /// <param name="maximumLength">The most tokens that the model takes.</param>
    public static IReadOnlyDictionary<string, string> WordLevel(IReadOnlyList<string> tokens, string pattern, int maximumLength)
    {
        string[] special = [.. Special.Select(s => s.Token).Distinct()];
        if (!tokens.Take(special.Length).SequenceEqual(special))
            throw new ArgumentException($"tokens: got {string.Join(' ', tokens.Take(special.Length))} in front, expected {string.Join(' ', special)}");
        JsonObject whole = Whole(
            special,
            new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray(
                    new JsonObject { ["type"] = "WhitespaceSplit" },
                    new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated", ["invert"] = false }),
            },
            new JsonObject
            {
                ["type"] = "TemplateProcessing",
                ["single"] = new JsonArray(SpecialToken("<s>"), Sequence("A"), SpecialToken("</s>")),
                ["pair"] = new JsonArray(SpecialToken("<s>"), Sequence("A"), SpecialToken("</s>"), SpecialToken("</s>"), Sequence("B"), SpecialToken("</s>")),
                ["special_tokens"] = new JsonObject { ["<s>"] = Template("<s>", 0), ["</s>"] = Template("</s>", 2) },
            },
            null,
            new JsonObject { ["type"] = "WordLevel", ["vocab"] = Vocabulary(tokens), ["unk_token"] = "<unk>" });
        return new Dictionary<string, string>
        {
            ["tokenizer.json"] = whole.ToJsonString(Json),
            ["tokenizer_config.json"] = Settings(Special, maximumLength).ToJsonString(Json),
        };
    }

    /// <summary>Byte pair encoding as GPT-2's, without special tokens around a text; <c>vocab.json</c> and <c>merges.txt</c> say the same again.</summary>
    /// <param name="vocabulary">Of <see cref="BpeTrainer"/>, its one special token in front.</param>
    /// <param name="maximumLength">The most tokens that the model takes.</param>
    public static IReadOnlyDictionary<string, string> ByteLevelBpe(BpeVocabulary vocabulary, int maximumLength)
    {
        JsonObject bytes = new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = true };
        string end = vocabulary.Tokens[0];
        JsonObject whole = Whole([end], bytes, bytes.DeepClone(), bytes.DeepClone(), new JsonObject
        {
            ["type"] = "BPE",
            ["dropout"] = null,
            ["unk_token"] = null,
            ["continuing_subword_prefix"] = null,
            ["end_of_word_suffix"] = null,
            ["fuse_unk"] = false,
            ["byte_fallback"] = false,
            ["ignore_merges"] = false,
            ["vocab"] = Vocabulary(vocabulary.Tokens),
            ["merges"] = new JsonArray([.. vocabulary.Merges.Select(m => (JsonNode)new JsonArray(m.Left, m.Right))]),
        });
        return new Dictionary<string, string>
        {
            ["tokenizer.json"] = whole.ToJsonString(Json),
            ["tokenizer_config.json"] = Settings([("bos_token", end), ("eos_token", end), ("unk_token", end), ("pad_token", end)], maximumLength).ToJsonString(Json),
            ["vocab.json"] = Vocabulary(vocabulary.Tokens).ToJsonString(Json),
            ["merges.txt"] = string.Concat(["#version: 0.2\n", .. vocabulary.Merges.Select(m => $"{m.Left} {m.Right}\n")]),
        };
    }

    private static JsonObject Whole(string[] special, JsonNode preTokenizer, JsonNode postProcessor, JsonNode? decoder, JsonObject model) => new()
    {
        ["version"] = "1.0",
        ["truncation"] = null,
        ["padding"] = null,
        ["added_tokens"] = new JsonArray([.. special.Select((token, id) => (JsonNode)new JsonObject
        {
            ["id"] = id,
            ["content"] = token,
            ["single_word"] = false,
            ["lstrip"] = false,
            ["rstrip"] = false,
            ["normalized"] = false,
            ["special"] = true,
        })]),
        ["normalizer"] = null,
        ["pre_tokenizer"] = preTokenizer,
        ["post_processor"] = postProcessor,
        ["decoder"] = decoder,
        ["model"] = model,
    };

    /// <summary>The class that takes a tokenizer.json as it is.</summary>
    private static JsonObject Settings(IEnumerable<(string Role, string Token)> roles, int maximumLength)
    {
        JsonObject settings = new() { ["tokenizer_class"] = "PreTrainedTokenizerFast", ["model_max_length"] = maximumLength, ["clean_up_tokenization_spaces"] = false };
        foreach ((string role, string token) in roles) settings[role] = token;
        return settings;
    }

    private static JsonObject Vocabulary(IReadOnlyList<string> tokens) => new(tokens.Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id)));

    private static JsonObject SpecialToken(string token) => new() { ["SpecialToken"] = new JsonObject { ["id"] = token, ["type_id"] = 0 } };

    private static JsonObject Sequence(string name) => new() { ["Sequence"] = new JsonObject { ["id"] = name, ["type_id"] = 0 } };

    private static JsonObject Template(string token, int id) => new() { ["id"] = token, ["ids"] = new JsonArray(id), ["tokens"] = new JsonArray(token) };
}
