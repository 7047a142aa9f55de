using System.Globalization;
using System.Text.Json;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>The tokenizers of transformers whose settings matter here.</summary>
internal enum TokenizerFamily { Gpt2, Roberta, Bert }

/// <summary>What the files beside the vocabulary say: tokenizer_config.json, special_tokens_map.json, added_tokens.json, config.json.</summary>
internal sealed record TokenizerSettings
{
    private const int SaneLength = 10_000_000;
    private const string Mask = "mask_token";

    private static readonly string[] Names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", Mask];

    private static readonly (TokenizerFamily Family, string[] Classes, string[] ModelTypes)[] Families =
    [
        (TokenizerFamily.Gpt2, ["GPT2Tokenizer"], ["gpt2", "gpt_neo", "gptj", "gpt_bigcode", "starcoder2", "granite"]),
        (TokenizerFamily.Roberta, ["RobertaTokenizer", "BartTokenizer", "LongformerTokenizer", "LEDTokenizer"],
            ["roberta", "roberta-prelayernorm", "bart", "longformer", "led", "data2vec-text"]),
        (TokenizerFamily.Bert, ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"], ["bert", "distilbert", "electra"]),
    ];

    // Classes that are every tokenizer.json's: they say nothing.
    private static readonly string[] General = ["PreTrainedTokenizer", "TokenizersBackend"];

    /// <summary>Which tokenizer of transformers it is; null: another, or not said.</summary>
    public TokenizerFamily? Family { get; init; }

    /// <summary>The class or the model type that says it, for messages; null: not said.</summary>
    public string? FamilySaidBy { get; private init; }

    private string? ClassName { get; init; }

    /// <summary>bos_token, pad_token and the like, where a file names them.</summary>
    public IReadOnlyDictionary<string, AddedToken> Named { get; private init; } = new Dictionary<string, AddedToken>();

    /// <summary>Special tokens without a role.</summary>
    public IReadOnlyList<AddedToken> Additional { get; private init; } = [];

    /// <summary>Added tokens with their ids, in the order of those.</summary>
    public IReadOnlyList<(int Id, AddedToken Token)> Declared { get; private init; } = [];

    public bool? AddPrefixSpace { get; private init; }

    public bool AddBeginToken { get; private init; }

    public bool AddEndToken { get; private init; }

    public bool LowerCase { get; private init; } = true;

    public bool HandleChinese { get; private init; } = true;

    public bool? StripAccents { get; private init; }

    public bool TruncateLeft { get; private init; }

    /// <summary>The most tokens a model takes; null: not said, or the placeholder of 10^30.</summary>
    public int? MaximumLength { get; private init; }

    public static TokenizerSettings From(string folder)
    {
        (string? modelClass, string? modelType) = TokenizerFile.Find(folder, "config.json") is { } model
            ? model.Read(root => (root.TextOrNull("tokenizer_class"), root.TextOrNull("model_type")))
            : default;
        Dictionary<string, AddedToken> named = new(StringComparer.Ordinal);
        List<AddedToken> additional = [];
        SortedDictionary<int, AddedToken> declared = [];
        HashSet<string> plain = [];
        TokenizerSettings settings = TokenizerFile.Find(folder, "tokenizer_config.json") is { } config
            ? config.Read(root => FromConfig(root, named, plain, additional, declared))
            : new TokenizerSettings();

        // Older files, which newer ones replace.
        if (declared.Count == 0)
        {
            TokenizerFile.Find(folder, "special_tokens_map.json")?.Read(root => ReadNamed(root, named, plain, additional));
            TokenizerFile.Find(folder, "added_tokens.json")?.Read(root =>
            {
                foreach (JsonProperty property in root.Properties)
                {
                    bool special = named.Values.Concat(additional).Any(token => token.Content == property.Name);
                    if (!declared.TryAdd(root.Id(property.Name, property.Value), new AddedToken(property.Name, special, Normalized: !special)))
                        throw root.Wrong($"two tokens have the id {property.Value}");
                }
                return declared.Count;
            });
        }
        string? className = settings.ClassName ?? modelClass;
        if (className is not null)
            className = className.EndsWith("Fast", StringComparison.Ordinal) ? className[..^4] : className;
        string? saidBy = className is null || General.Contains(className) ? modelType ?? className : className;
        TokenizerFamily? family = Families.Where(known => known.Classes.Concat(known.ModelTypes).Contains(saidBy))
            .Select(known => (TokenizerFamily?)known.Family).FirstOrDefault();
        // RobertaTokenizer makes its <mask> so where a file gives no more than the text of it.
        if (family == TokenizerFamily.Roberta && named.TryGetValue(Mask, out AddedToken? mask) && plain.Contains(Mask))
            named[Mask] = mask with { LeftStrip = true };
        return settings with
        {
            Family = family,
            FamilySaidBy = saidBy,
            Named = named,
            Additional = additional,
            Declared = [.. declared.Select(pair => (pair.Key, pair.Value))],
        };
    }

    /// <summary>The classes and model types that say which tokenizer it is, for messages.</summary>
    public static string Known => string.Join(", ", Families.SelectMany(family => family.Classes.Concat(family.ModelTypes)));

    private static TokenizerSettings FromConfig(JsonSection root, Dictionary<string, AddedToken> named, HashSet<string> plain,
        List<AddedToken> additional, SortedDictionary<int, AddedToken> declared)
    {
        if (root.SectionOrNull("added_tokens_decoder") is { } decoder)
        {
            foreach (JsonProperty property in decoder.Properties)
            {
                if (!int.TryParse(property.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) || id > Vocabulary.MaximumId)
                    throw decoder.Wrong($"'{property.Name}' is no id");
                declared[id] = AddedToken.From(decoder.Section(property.Name));
            }
        }
        ReadNamed(root, named, plain, additional);
        string side = root.TextOrNull("truncation_side") ?? "right";
        if (side is not ("left" or "right"))
            throw root.Wrong($"truncation_side is '{side}', expected left or right");
        return new TokenizerSettings
        {
            ClassName = root.TextOrNull("tokenizer_class"),
            AddPrefixSpace = root.FlagOrNull("add_prefix_space"),
            AddBeginToken = root.Flag("add_bos_token", false),
            AddEndToken = root.Flag("add_eos_token", false),
            LowerCase = root.Flag("do_lower_case", true),
            HandleChinese = root.Flag("tokenize_chinese_chars", true),
            StripAccents = root.FlagOrNull("strip_accents"),
            TruncateLeft = side == "left",
            MaximumLength = LengthOrNull(root, "model_max_length") ?? LengthOrNull(root, "max_len"),
        };
    }

    private static int? LengthOrNull(JsonSection root, string key) => root.Find(key) is not { } found
        ? null
        : found.ValueKind != JsonValueKind.Number ? throw root.Kind(key, found, "a number")
        : found.GetDouble() is >= 1 and <= SaneLength and double length ? (int)length : null;

    private static int ReadNamed(JsonSection root, Dictionary<string, AddedToken> named, HashSet<string> plain, List<AddedToken> additional)
    {
        foreach (string name in Names)
        {
            if (root.Find(name) is not { } value)
                continue;
            named[name] = Token(root, name, value);
            if (value.ValueKind == JsonValueKind.String)
                plain.Add(name);
            else
                plain.Remove(name);
        }
        foreach (string key in new[] { "additional_special_tokens", "extra_special_tokens" })
        {
            // Newer files may give each a name, under which nobody asks for it here.
            if (root.Find(key) is { ValueKind: JsonValueKind.Object } names)
                additional.AddRange(names.EnumerateObject().Select(item => Token(root, key, item.Value)));
            else
                additional.AddRange(root.Items(key).Select(item => Token(root, key, item)));
        }
        return named.Count;
    }

    private static AddedToken Token(JsonSection root, string key, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => new AddedToken(value.GetString()!, Special: true, Normalized: false),
        JsonValueKind.Object => AddedToken.From(root.Nested(key, value), special: true) with { Special = true },
        _ => throw root.Kind(key, value, "a token"),
    };
}
