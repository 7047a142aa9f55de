using System.Text;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// Texts to token ids, equal to Hugging Face's. A tokenizer comes from a checkpoint's own files and cannot be changed;
/// it may be used from several threads at once.
/// </summary>
/// <remarks>
/// Known are byte-level BPE (GPT-2, RoBERTa, BART, and Llama-style ones with a tokenizer.json), WordLevel and WordPiece. Whatever
/// else a tokenizer.json asks for is refused by name. Its sections <c>truncation</c> and <c>padding</c> do nothing here:
/// the caller says how long a text may be, and pads. Its <c>decoder</c> matters to <see cref="Decode"/> alone.
/// </remarks>
public sealed class Tokenizer
{
    private readonly TokenizerParts parts;

    internal Tokenizer(TokenizerParts parts)
    {
        this.parts = parts;
        parts.Added.Prepare(parts.Normalizer);
        VocabularySize = Math.Max(parts.Model.Vocabulary.HighestId, parts.Added.HighestId) + 1;
    }

    /// <summary>The highest token id and one: what an embedding table must have rows for.</summary>
    public int VocabularySize { get; }

    /// <summary>Names of the files of a model folder that make a tokenizer what it is, together with config.json.</summary>
    public static IReadOnlyList<string> Files { get; } =
        ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt"];

    /// <summary>The model's name in tokenizer.json: BPE, WordLevel or WordPiece.</summary>
    public string Kind => parts.Model.Kind;

    /// <summary>How many special tokens <see cref="Encode"/> puts around a text.</summary>
    public int SpecialTokens => parts.PostProcessor.Count;

    /// <summary>The most tokens that the model takes, as tokenizer_config.json says; null: it says nothing, or a placeholder.</summary>
    public int? MaximumLength => parts.MaximumLength;

    /// <summary>The id that fills up shorter texts; null: none is named, as for GPT-2.</summary>
    public int? PadToken => Role("pad_token") ?? parts.PaddingId;

    /// <summary>The class token's id; null: none is named.</summary>
    public int? ClassToken => Role("cls_token");

    /// <summary>The separator's id; null: none is named.</summary>
    public int? SeparatorToken => Role("sep_token");

    /// <summary>The id of the token that begins a text; null: none is named.</summary>
    public int? BeginToken => Role("bos_token");

    /// <summary>The id of the token that ends a text; null: none is named.</summary>
    public int? EndToken => Role("eos_token");

    /// <summary>The id of the token for what is unknown; null: none is named.</summary>
    public int? UnknownToken => Role("unk_token");

    /// <summary>The id of the token that hides another; null: none is named.</summary>
    public int? MaskToken => Role("mask_token");

    /// <summary>
    /// Loads the tokenizer of a Hugging Face folder: tokenizer.json; or vocab.json and merges.txt, as RoBERTa's or GPT-2's
    /// by tokenizer_config.json, config.json or special_tokens_map.json; or vocab.txt as BERT's.
    /// </summary>
    /// <exception cref="CheckpointException">A file is missing or damaged, or asks for what is not implemented.</exception>
    public static Tokenizer Load(string folder) => TokenizerFolder.Load(folder);

    /// <summary>The text's token ids with the special tokens around.</summary>
    /// <param name="text">Half a surrogate pair in it is read as U+FFFD.</param>
    /// <param name="maximumLength">
    /// The most ids, special tokens included; what is too much is cut off the text's end (its beginning, where
    /// tokenizer_config.json has truncation_side left). Null: no limit.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The special tokens alone are more than <paramref name="maximumLength"/>.</exception>
    /// <exception cref="CheckpointException">An expression of the tokenizer.json takes too long on this text.</exception>
    public TokenizedText Encode(string text, int? maximumLength = null)
    {
        PostProcessor around = parts.PostProcessor;
        if (maximumLength < around.Count)
            throw new ArgumentOutOfRangeException(nameof(maximumLength), maximumLength, $"expected at least the {around.Count} special tokens");
        int[] ids = EncodeWithoutSpecial(text);
        int dropped = Math.Max(ids.Length - (maximumLength - around.Count ?? ids.Length), 0);
        ReadOnlySpan<int> kept = parts.TruncateLeft ? ids.AsSpan(dropped) : ids.AsSpan(0, ids.Length - dropped);
        return new TokenizedText([.. around.Before, .. kept, .. around.After], dropped);
    }

    /// <summary>The text's token ids alone.</summary>
    /// <param name="text">Half a surrogate pair in it is read as U+FFFD.</param>
    /// <exception cref="CheckpointException">An expression of the tokenizer.json takes too long on this text.</exception>
    public int[] EncodeWithoutSpecial(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<int> ids = [];
        foreach ((string piece, int? added) in parts.Added.Cut(Whole(text), afterNormalizing: false))
        {
            if (added is not null)
                ids.Add(added.Value);
            else
                EncodeNormalized(parts.Normalizer?.Apply(piece) ?? piece, ids);
        }
        return [.. ids];
    }

    /// <summary>The token of an id, as the vocabulary writes it; null: no token has the id.</summary>
    public string? TokenOf(int id) => parts.Added.Tokens.TryGetValue(id, out AddedToken? added) ? added.Content : parts.Model.Vocabulary.TokenOf(id);

    /// <summary>The id of a token, as the vocabulary writes it; null: it has no such token.</summary>
    public int? IdOf(string token) => parts.Added.IdOf(token);

    /// <summary>The text of token ids, for byte-level BPE; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="skipSpecial">Leaves special tokens out.</param>
    /// <exception cref="NotSupportedException">The tokenizer is of another kind: its texts cannot be restored.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An id is no token's.</exception>
    public string Decode(IEnumerable<int> ids, bool skipSpecial = false)
    {
        if (!parts.IsByteLevel)
            throw new NotSupportedException($"a {Kind} tokenizer that is not byte-level cannot restore texts");
        List<byte> bytes = [];
        foreach (int id in ids)
        {
            if (skipSpecial && parts.Added.Tokens.TryGetValue(id, out AddedToken? added) && added.Special)
                continue;
            ByteLevel.Read(TokenOf(id) ?? throw new ArgumentOutOfRangeException(nameof(ids), id, "no token has this id"), bytes);
        }
        return Encoding.UTF8.GetString([.. bytes]);
    }

    private void EncodeNormalized(string text, List<int> ids)
    {
        foreach ((string piece, int? added) in parts.Added.Cut(text, afterNormalizing: true))
        {
            if (added is not null)
                ids.Add(added.Value);
            else if (parts.PreTokenizer is null)
                parts.Model.Encode(piece, ids);
            else
                foreach (string word in parts.PreTokenizer.Cut(piece))
                    parts.Model.Encode(word, ids);
        }
    }

    private int? Role(string name) => parts.Roles.TryGetValue(name, out int id) ? id : null;

    /// <summary>The text without lone surrogates: it must have a UTF-8 form.</summary>
    private static string Whole(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\ud800', '\udfff'))
            return text;
        StringBuilder whole = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            whole.Append(rune);
        return whole.ToString();
    }
}
