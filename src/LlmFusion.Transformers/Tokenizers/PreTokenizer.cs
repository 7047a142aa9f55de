using System.Text;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>How a text is cut into the words that the model sees: the section <c>pre_tokenizer</c> of a tokenizer.json.</summary>
internal abstract record PreTokenizer
{
    /// <summary>The words of a text that is not empty and has no lone surrogates; none of them is empty.</summary>
    public abstract IEnumerable<string> Cut(string text);

    /// <exception cref="CheckpointException">A kind or an option is not implemented.</exception>
    public static PreTokenizer From(JsonSection section)
    {
        string type = section.Text("type");
        switch (type)
        {
            case "Sequence":
                return new InSequence([.. section.Only("type", "pretokenizers").Sections("pretokenizers").Select(From)]);
            case "ByteLevel":
                section.Only("type", "add_prefix_space", "trim_offsets", "use_regex");
                return new Bytes(section.Flag("add_prefix_space", true), section.Flag("use_regex", true));
            case "Digits":
                return new Digits(section.Only("type", "individual_digits").Flag("individual_digits", false));
            case "Split":
                section.Only("type", "pattern", "behavior", "invert");
                return new Split(SplitPattern.From(section.Section("pattern")), BehaviorOf(section, "behavior"), section.Flag("invert", false));
            case "Punctuation":
                return new Punctuation(section.Only("type", "behavior").Has("behavior") ? BehaviorOf(section, "behavior") : Delimiter.Isolated);
            case "Whitespace":
                section.Only("type");
                return new Whitespace();
            case "WhitespaceSplit":
                section.Only("type");
                return new WhitespaceSplit();
            case "BertPreTokenizer":
                section.Only("type");
                return new Bert();
            default:
                throw section.Wrong($"the pre-tokenizer '{type}' is not implemented, known are Sequence, ByteLevel, Digits, Split, "
                    + "Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer");
        }
    }

    private static Delimiter BehaviorOf(JsonSection section, string key) =>
        Enum.TryParse(section.Text(key), out Delimiter behavior) && Enum.IsDefined(behavior) && !char.IsAsciiDigit(section.Text(key)[0])
            ? behavior
            : throw section.Wrong($"'{key}' is '{section.Text(key)}', known are {string.Join(", ", Enum.GetNames<Delimiter>())}");

    /// <summary>What becomes of the matches between the words.</summary>
    internal enum Delimiter { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous }

    /// <summary>Each one on the words of the one before.</summary>
    internal sealed record InSequence(PreTokenizer[] PreTokenizers) : PreTokenizer
    {
        public override IEnumerable<string> Cut(string text) =>
            PreTokenizers.Aggregate<PreTokenizer, IEnumerable<string>>([text], (words, next) => words.SelectMany(next.Cut));
    }

    /// <summary>Words as GPT-2 cuts them (or the text as it is), written in the byte-level alphabet.</summary>
    internal sealed record Bytes(bool AddPrefixSpace, bool UseRegex) : PreTokenizer
    {
        public override IEnumerable<string> Cut(string text)
        {
            if (AddPrefixSpace && text[0] != ' ')
                text = " " + text;
            for (int start = 0, end; start < text.Length; start = end)
            {
                end = UseRegex ? ByteLevel.PieceEnd(text, start) : text.Length;
                yield return ByteLevel.Written(text.AsSpan(start, end - start));
            }
        }
    }

    /// <summary>Numbers apart, whole or digit by digit.</summary>
    internal sealed record Digits(bool Individual) : PreTokenizer
    {
        public override IEnumerable<string> Cut(string text) =>
            Words(text, Runes(text, UnicodeTables.IsNumber), Individual ? Delimiter.Isolated : Delimiter.Contiguous);
    }

    /// <summary>Cut at a pattern, or with <paramref name="Invert"/> at what is between its matches.</summary>
    internal sealed record Split(SplitPattern Pattern, Delimiter Behavior, bool Invert) : PreTokenizer
    {
        public override IEnumerable<string> Cut(string text) =>
            Words(text, Invert ? Pattern.Cut(text).ConvertAll(piece => (piece.Range, !piece.IsMatch)) : Pattern.Cut(text), Behavior);
    }

    /// <summary>Cut at punctuation.</summary>
    internal sealed record Punctuation(Delimiter Behavior) : PreTokenizer
    {
        public override IEnumerable<string> Cut(string text) => Words(text, Runes(text, UnicodeTables.IsPunctuation), Behavior);
    }

    /// <summary><c>\w+|[^\w\s]+</c>: runs of word characters and runs of others, without the white space.</summary>
    internal sealed record Whitespace : PreTokenizer
    {
        public override IEnumerable<string> Cut(string text)
        {
            int start = 0, end = 0;
            bool inWord = false, inSpace = true;
            foreach (Rune rune in text.EnumerateRunes())
            {
                bool isSpace = Rune.IsWhiteSpace(rune), isWord = !isSpace && UnicodeTables.IsWordCharacter(rune);
                if (isSpace != inSpace || isWord != inWord)
                {
                    if (!inSpace)
                        yield return text[start..end];
                    (start, inSpace, inWord) = (end, isSpace, isWord);
                }
                end += rune.Utf16SequenceLength;
            }
            if (!inSpace)
                yield return text[start..end];
        }
    }

    /// <summary>Cut at white space.</summary>
    internal sealed record WhitespaceSplit : PreTokenizer
    {
        // Without separators it is white space that separates.
        public override IEnumerable<string> Cut(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Cut at white space, each punctuation character apart.</summary>
    internal sealed record Bert : PreTokenizer
    {
        private static readonly PreTokenizer Spaces = new WhitespaceSplit(), Marks = new Punctuation(Delimiter.Isolated);

        public override IEnumerable<string> Cut(string text) => Spaces.Cut(text).SelectMany(Marks.Cut);
    }

    /// <summary>Every character that <paramref name="matches"/> as a match of its own, and what is between.</summary>
    private static List<(Range Range, bool IsMatch)> Runes(string text, Func<Rune, bool> matches)
    {
        List<(Range, bool)> pieces = [];
        int at = 0, end = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            int next = at + rune.Utf16SequenceLength;
            if (matches(rune))
            {
                if (at > end)
                    pieces.Add((end..at, false));
                pieces.Add((at..next, true));
                end = next;
            }
            at = next;
        }
        if (at > end)
            pieces.Add((end..at, false));
        return pieces;
    }

    private static IEnumerable<string> Words(string text, List<(Range Range, bool IsMatch)> pieces, Delimiter behavior)
    {
        // Where a word begins: at every piece, but for those that go with their neighbour.
        bool BeginsWord(int i) => i == 0 || behavior switch
        {
            Delimiter.MergedWithPrevious => !pieces[i].IsMatch || pieces[i - 1].IsMatch,
            Delimiter.MergedWithNext => pieces[i].IsMatch || !pieces[i - 1].IsMatch,
            Delimiter.Contiguous => pieces[i].IsMatch != pieces[i - 1].IsMatch,
            _ => true,
        };
        for (int first = 0, next; first < pieces.Count; first = next)
        {
            next = first + 1;
            while (next < pieces.Count && !BeginsWord(next))
                next++;
            Range word = pieces[first].Range.Start..pieces[next - 1].Range.End;
            if (!(behavior == Delimiter.Removed && pieces[first].IsMatch) && word.Start.Value < word.End.Value)
                yield return text[word];
        }
    }
}
