using System.Text;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>What is done to a text before it is cut into words: the section <c>normalizer</c> of a tokenizer.json.</summary>
internal abstract record Normalizer
{
    /// <summary>The normalized text. <paramref name="text"/> has no lone surrogates.</summary>
    public abstract string Apply(string text);

    /// <exception cref="CheckpointException">A kind or an option is not implemented.</exception>
    public static Normalizer From(JsonSection section) => section.Text("type") switch
    {
        "Sequence" => new InSequence([.. section.Only("type", "normalizers").Sections("normalizers").Select(From)]),
        "NFC" => new UnicodeForm(Compatible: false, Compose: true).Only(section),
        "NFD" => new UnicodeForm(Compatible: false, Compose: false).Only(section),
        "NFKC" => new UnicodeForm(Compatible: true, Compose: true).Only(section),
        "NFKD" => new UnicodeForm(Compatible: true, Compose: false).Only(section),
        "Lowercase" => new Lowercase().Only(section),
        "StripAccents" => new StripAccents().Only(section),
        "Strip" => StripFrom(section.Only("type", "strip_left", "strip_right")),
        "Prepend" => new Prepend(section.Only("type", "prepend").Text("prepend")),
        "Replace" => new Replace(SplitPattern.From(section.Only("type", "pattern", "content").Section("pattern")), section.Text("content")),
        "BertNormalizer" => BertFrom(section.Only("type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase")),
        string other => throw section.Wrong($"the normalizer '{other}' is not implemented, known are Sequence, NFC, NFD, NFKC, "
            + "NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, BertNormalizer"),
    };

    private Normalizer Only(JsonSection section)
    {
        section.Only("type");
        return this;
    }

    private static Strip StripFrom(JsonSection section) => new(section.Flag("strip_left", true), section.Flag("strip_right", true));

    private static Bert BertFrom(JsonSection section) => new(
        section.Flag("clean_text", true), section.Flag("handle_chinese_chars", true), section.FlagOrNull("strip_accents"), section.Flag("lowercase", true));

    private static string Kept(string text, Func<Rune, bool> drop)
    {
        StringBuilder kept = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!drop(rune))
                kept.Append(rune);
        }
        return kept.ToString();
    }

    /// <summary>Each one after the other.</summary>
    internal sealed record InSequence(Normalizer[] Normalizers) : Normalizer
    {
        public override string Apply(string text) => Normalizers.Aggregate(text, (now, normalizer) => normalizer.Apply(now));
    }

    /// <summary>NFC, NFD, NFKC, NFKD.</summary>
    internal sealed record UnicodeForm(bool Compatible, bool Compose) : Normalizer
    {
        public override string Apply(string text) => UnicodeTables.Normalize(text, Compatible, Compose);
    }

    /// <summary>Lower case.</summary>
    internal sealed record Lowercase : Normalizer
    {
        public override string Apply(string text) => UnicodeTables.ToLower(text);
    }

    /// <summary>Without marks. It decomposes nothing: NFD before it does.</summary>
    internal sealed record StripAccents : Normalizer
    {
        public override string Apply(string text) => Kept(text, UnicodeTables.IsMark);
    }

    /// <summary>Without white space at the ends.</summary>
    internal sealed record Strip(bool Left, bool Right) : Normalizer
    {
        public override string Apply(string text) => (Left, Right) switch
        {
            (true, true) => text.Trim(),
            (true, false) => text.TrimStart(),
            (false, true) => text.TrimEnd(),
            _ => text,
        };
    }

    /// <summary>With something before it, unless it is empty.</summary>
    internal sealed record Prepend(string Before) : Normalizer
    {
        public override string Apply(string text) => text.Length > 0 ? Before + text : text;
    }

    /// <summary>With every match of a pattern replaced by a text, which is taken as it is.</summary>
    internal sealed record Replace(SplitPattern Pattern, string Content) : Normalizer
    {
        public override string Apply(string text)
        {
            if (text.Length == 0)
                return text;
            StringBuilder replaced = new(text.Length);
            foreach ((Range range, bool isMatch) in Pattern.Cut(text))
                replaced.Append(isMatch ? Content : text.AsSpan(range));
            return replaced.ToString();
        }
    }

    /// <summary>BERT's: control characters out, Chinese characters apart, accents off, lower case.</summary>
    /// <param name="CleanText">Control characters are taken out, white space becomes a space.</param>
    /// <param name="HandleChinese">Spaces around each Chinese character.</param>
    /// <param name="WithoutAccents">NFD without nonspacing marks; null: as <paramref name="Lower"/>.</param>
    /// <param name="Lower">Lower case.</param>
    internal sealed record Bert(bool CleanText, bool HandleChinese, bool? WithoutAccents, bool Lower) : Normalizer
    {
        public override string Apply(string text)
        {
            if (CleanText || HandleChinese)
                text = Cleaned(text);
            if (WithoutAccents ?? Lower)
                text = Kept(UnicodeTables.Normalize(text, compatible: false, compose: false), UnicodeTables.IsNonspacingMark);
            return Lower ? UnicodeTables.ToLower(text) : text;
        }

        private string Cleaned(string text)
        {
            StringBuilder clean = new(text.Length);
            foreach (Rune rune in text.EnumerateRunes())
            {
                if (CleanText && UnicodeTables.IsRemoved(rune))
                    continue;
                if (CleanText && Rune.IsWhiteSpace(rune))
                    clean.Append(' ');
                else if (HandleChinese && IsChinese(rune.Value))
                    clean.Append(' ').Append(rune).Append(' ');
                else
                    clean.Append(rune);
            }
            return clean.ToString();
        }

        // The block that begins at U+2B920 begins at U+2B820 in Unicode; the original has it so.
        private static bool IsChinese(int c) => c is (>= 0x4e00 and <= 0x9fff) or (>= 0x3400 and <= 0x4dbf) or (>= 0x20000 and <= 0x2a6df)
            or (>= 0x2a700 and <= 0x2b73f) or (>= 0x2b740 and <= 0x2b81f) or (>= 0x2b920 and <= 0x2ceaf) or (>= 0xf900 and <= 0xfaff)
            or (>= 0x2f800 and <= 0x2fa1f);
    }
}
