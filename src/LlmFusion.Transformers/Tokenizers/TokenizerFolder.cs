namespace LlmFusion.Transformers.Tokenizers;

/// <summary>A tokenizer from the files of a Hugging Face folder, put together as transformers does.</summary>
internal static class TokenizerFolder
{
    private static readonly Dictionary<TokenizerFamily, (string Name, string Token)[]> Defaults = new()
    {
        [TokenizerFamily.Gpt2] = [("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>")],
        [TokenizerFamily.Roberta] =
        [
            ("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>"), ("sep_token", "</s>"), ("pad_token", "<pad>"),
            ("cls_token", "<s>"), ("mask_token", "<mask>"),
        ],
        [TokenizerFamily.Bert] = [("unk_token", "[UNK]"), ("sep_token", "[SEP]"), ("pad_token", "[PAD]"), ("cls_token", "[CLS]"), ("mask_token", "[MASK]")],
    };

    // None of them changes an encoding; only the first can be followed back.
    private static readonly string[] Decoders = ["ByteLevel", "WordPiece", "BPEDecoder", "Metaspace", "CTC", "Sequence", "Replace", "Fuse", "Strip", "ByteFallback"];

    private static readonly string[] SentencePiece = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model"];

    /// <exception cref="CheckpointException">A file is missing or damaged, or asks for what is not implemented.</exception>
    public static Tokenizer Load(string folder)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException($"{folder}: not found, expected a folder with a tokenizer's files");
        TokenizerSettings settings = TokenizerSettings.From(folder);
        if (TokenizerFile.Find(folder, "tokenizer.json") is { } whole)
            return whole.Read(root => FromJson(root, settings));
        if (TokenizerFile.Find(folder, "vocab.json") is { } vocabulary)
            return FromMerges(folder, vocabulary, settings);
        if (TokenizerFile.Find(folder, "vocab.txt") is { } lines)
            return FromLines(lines, settings);
        string? other = SentencePiece.FirstOrDefault(name => TokenizerFile.Find(folder, name) is not null);
        throw new CheckpointException($"{folder}: found no tokenizer, expected tokenizer.json, or vocab.json and merges.txt, or vocab.txt"
            + (other is null ? "" : $"; {other} (SentencePiece) is not implemented: transformers can write a tokenizer.json from it"));
    }

    private static Tokenizer FromJson(JsonSection root, TokenizerSettings settings)
    {
        root.Only("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model");
        if (root.TextOrNull("version") is string version and not "1.0")
            throw root.Wrong($"version is '{version}', expected '1.0'");
        TokenModel model = TokenModel.From(root.Section("model"));
        Normalizer? normalizer = root.SectionOrNull("normalizer") is { } written ? Normalizer.From(written) : null;
        PreTokenizer? preTokenizer = root.SectionOrNull("pre_tokenizer") is { } cutting ? PreTokenizer.From(cutting) : null;
        // Where transformers has a class of its own, tokenizer_config.json (or the class's default) wins over these.
        if (preTokenizer is PreTokenizer.Bytes bytes)
            preTokenizer = bytes with { AddPrefixSpace = settings.AddPrefixSpace ?? (settings.Family is null && bytes.AddPrefixSpace) };
        if (normalizer is Normalizer.Bert bert && settings.Family == TokenizerFamily.Bert)
            normalizer = bert with { Lower = settings.LowerCase, HandleChinese = settings.HandleChinese, WithoutAccents = settings.StripAccents };

        AddedTokens added = new(model.Vocabulary);
        foreach (JsonSection section in root.Sections("added_tokens"))
            AddDeclared(added, section.IntOrNull("id") ?? throw section.Wrong("'id' is missing"), AddedToken.From(section), section.Wrong);
        AddNamed(added, settings, root.Wrong);
        PostProcessor post = root.SectionOrNull("post_processor") is { } around ? PostProcessor.From(around) : PostProcessor.None;
        foreach (int id in post.Before.Concat(post.After))
        {
            if (model.Vocabulary.TokenOf(id) is null && !added.Tokens.ContainsKey(id))
                throw root.Section("post_processor").Wrong($"the id {id} is no token's");
        }
        return new Tokenizer(new TokenizerParts(model, normalizer, preTokenizer, post, added, Roles(added, settings))
        {
            IsByteLevel = DecoderOf(root) == "ByteLevel",
            PaddingId = root.SectionOrNull("padding")?.IntOrNull("pad_id"),
            MaximumLength = settings.MaximumLength,
            TruncateLeft = settings.TruncateLeft,
        });
    }

    private static string? DecoderOf(JsonSection root) => root.SectionOrNull("decoder") is not { } section
        ? null
        : Decoders.Contains(section.Text("type"))
        ? section.Text("type")
        : throw section.Wrong($"the decoder '{section.Text("type")}' is not implemented, known are {string.Join(", ", Decoders)}");

    private static Tokenizer FromMerges(string folder, TokenizerFile vocabulary, TokenizerSettings settings)
    {
        TokenizerFile merges = TokenizerFile.Find(folder, "merges.txt")
            ?? throw new CheckpointException($"{folder}: found vocab.json without merges.txt, expected both, or a tokenizer.json");
        // Without a class or a model type, the roles of the special tokens tell the two apart.
        bool unsaid = settings.FamilySaidBy is null;
        bool looksRoberta = settings.Named.ContainsKey("cls_token") && settings.Named.ContainsKey("sep_token");
        bool looksGpt2 = settings.Named.GetValueOrDefault("eos_token")?.Content == "<|endoftext|>" && !looksRoberta;
        TokenizerFamily family = settings.Family
            ?? (unsaid && looksRoberta ? TokenizerFamily.Roberta : unsaid && looksGpt2 ? TokenizerFamily.Gpt2 : (TokenizerFamily?)null)
            ?? throw Undecided(vocabulary, settings);
        if (family == TokenizerFamily.Bert)
            throw Undecided(vocabulary, settings);

        BpeModel model = BpeModel.From(vocabulary, merges);
        AddedTokens added = new(model.Vocabulary);
        settings = settings with { Family = family };
        AddNamed(added, settings, problem => vocabulary.Wrong(problem));
        IReadOnlyDictionary<string, int> roles = Roles(added, settings);
        int[] Given(bool wanted, string role) => !wanted ? [] : roles.TryGetValue(role, out int id)
            ? [id]
            : throw vocabulary.Wrong($"it has no {role}, which goes around every text of a {settings.FamilySaidBy ?? "RobertaTokenizer"}");
        bool isRoberta = family == TokenizerFamily.Roberta;
        PostProcessor post = isRoberta
            ? new(Given(true, "cls_token"), Given(true, "sep_token"))
            : new(Given(settings.AddBeginToken, "bos_token"), Given(settings.AddEndToken, "eos_token"));
        return new Tokenizer(new TokenizerParts(model, null, new PreTokenizer.Bytes(settings.AddPrefixSpace ?? false, UseRegex: true), post, added, roles)
        {
            IsByteLevel = true,
            MaximumLength = settings.MaximumLength,
            TruncateLeft = settings.TruncateLeft,
        });
    }

    private static Tokenizer FromLines(TokenizerFile lines, TokenizerSettings settings)
    {
        if (settings.Family is not (null or TokenizerFamily.Bert) || (settings.Family is null && settings.FamilySaidBy is not null))
            throw Undecided(lines, settings);
        settings = settings with { Family = TokenizerFamily.Bert };
        Vocabulary vocabulary = Vocabulary.From(lines);
        int Needed(string role)
        {
            string token = settings.Named.GetValueOrDefault(role)?.Content ?? Defaults[TokenizerFamily.Bert].First(known => known.Name == role).Token;
            return vocabulary.IdOf(token) ?? throw lines.Wrong($"the {role} '{token}' is not in it");
        }
        WordPieceModel model = new(vocabulary, Needed("unk_token"));
        PostProcessor post = new([Needed("cls_token")], [Needed("sep_token")]);
        AddedTokens added = new(vocabulary);
        AddNamed(added, settings, problem => lines.Wrong(problem));
        Normalizer normalizer = new Normalizer.Bert(CleanText: true, settings.HandleChinese, settings.StripAccents, settings.LowerCase);
        return new Tokenizer(new TokenizerParts(model, normalizer, new PreTokenizer.Bert(), post, added, Roles(added, settings))
        {
            MaximumLength = settings.MaximumLength,
            TruncateLeft = settings.TruncateLeft,
        });
    }

    private static CheckpointException Undecided(TokenizerFile vocabulary, TokenizerSettings settings) => vocabulary.Wrong(
        (settings.FamilySaidBy is null
            ? "tokenizer_config.json, config.json and special_tokens_map.json do not say which tokenizer it is"
            : $"the tokenizer of {settings.FamilySaidBy} is not implemented for this file")
        + $", known are {TokenizerSettings.Known}; transformers can write a tokenizer.json from it");

    /// <summary>Adds what the files beside the vocabulary declare, then the special tokens that they only name.</summary>
    private static void AddNamed(AddedTokens added, TokenizerSettings settings, Func<string, CheckpointException> wrong)
    {
        foreach ((int id, AddedToken token) in settings.Declared)
            AddDeclared(added, id, token with { Special = token.Special || settings.Named.Values.Any(named => named.Content == token.Content) }, wrong);
        foreach (AddedToken token in settings.Named.Values.Concat(settings.Additional))
        {
            if (token.Content.Length > 0 && !added.Contains(token.Content))
                added.Add(token);
        }
        foreach ((string name, string token) in DefaultsOf(settings))
        {
            if (!settings.Named.ContainsKey(name) && !added.Contains(token) && added.IdOf(token) is not null)
                added.Add(new AddedToken(token, Special: true, Normalized: false, LeftStrip: token == "<mask>"));
        }
    }

    private static void AddDeclared(AddedTokens added, int id, AddedToken token, Func<string, CheckpointException> wrong)
    {
        if (token.Content.Length == 0)
            return;
        if (added.Add(token) is int counted && counted != id)
            throw wrong($"the added token '{token.Content}' is said to have the id {id}, but by the vocabulary it has {counted}");
    }

    private static (string Name, string Token)[] DefaultsOf(TokenizerSettings settings) => settings.Family is { } family ? Defaults[family] : [];

    /// <summary>The ids of bos_token and the like, as far as there are such.</summary>
    private static Dictionary<string, int> Roles(AddedTokens added, TokenizerSettings settings)
    {
        Dictionary<string, int> roles = new(StringComparer.Ordinal);
        foreach ((string name, string token) in DefaultsOf(settings).Concat(settings.Named.Select(pair => (pair.Key, pair.Value.Content))))
        {
            if (added.IdOf(token) is { } id)
                roles[name] = id;
        }
        return roles;
    }
}
