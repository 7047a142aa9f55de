using System.Globalization;
using System.Text.RegularExpressions;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// The pattern of a Split or a Replace: a text, or a regular expression as Oniguruma reads it. It sees code points: for
/// the expression, each character beyond U+FFFF is replaced by one of its category, which the expression cannot name.
/// </summary>
internal sealed class SplitPattern
{
    /// <summary>An expression that takes longer on one text is taken for an attack.</summary>
    public static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(3);

    private readonly string? literal;
    private readonly string source;
    private readonly Regex? expression;
    private readonly JsonSection section;

    private SplitPattern(JsonSection section)
    {
        this.section = section;
        section.Only("String", "Regex");
        literal = section.TextOrNull("String");
        if (literal is null == section.TextOrNull("Regex") is null)
            throw section.Wrong("expected either a 'String' or a 'Regex'");
        source = section.TextOrNull("Regex") ?? "";
        if (literal is not null)
            return;
        try
        {
            expression = new Regex(OnigurumaSyntax.ToDotNet(source), RegexOptions.CultureInvariant | RegexOptions.Compiled, TimeLimit);
        }
        catch (Exception error) when (error is FormatException or ArgumentException)
        {
            throw section.Wrong($"the expression {source} cannot be used: {error.Message}");
        }
    }

    /// <exception cref="CheckpointException">The expression has a part that is not implemented, or is none.</exception>
    public static SplitPattern From(JsonSection section) => new(section);

    /// <summary>The text in pieces, without a gap: those that match and those between.</summary>
    /// <exception cref="CheckpointException">The expression takes too long on this text.</exception>
    public List<(Range Range, bool IsMatch)> Cut(string text)
    {
        List<(Range, bool)> pieces = [];
        int end = 0;
        foreach ((int start, int length) in literal is not null ? Literals(text) : Matches(text))
        {
            if (start > end)
                pieces.Add((end..start, false));
            pieces.Add((start..(start + length), true));
            end = start + length;
        }
        if (end < text.Length)
            pieces.Add((end..text.Length, false));
        return pieces;
    }

    private IEnumerable<(int Start, int Length)> Literals(string text)
    {
        if (literal!.Length == 0)
            yield break;
        for (int at = 0; (at = text.IndexOf(literal, at, StringComparison.Ordinal)) >= 0; at += literal.Length)
            yield return (at, literal.Length);
    }

    private List<(int Start, int Length)> Matches(string text)
    {
        List<(int, int)> matches = [];
        string seen = StandIns.Replace(text, out int[]? places);
        int end = -1;
        try
        {
            foreach (ValueMatch match in expression!.EnumerateMatches(seen))
            {
                // The original takes no empty match right behind another.
                if (match.Length == 0 && match.Index == end)
                    continue;
                end = match.Index + match.Length;
                int start = places is null ? match.Index : places[match.Index];
                matches.Add((start, (places is null ? end : places[end]) - start));
            }
        }
        catch (RegexMatchTimeoutException)
        {
            throw section.Wrong(string.Create(CultureInfo.InvariantCulture,
                $"the expression {source} takes more than {TimeLimit.TotalSeconds} s on a text of {text.Length} characters"));
        }
        return matches;
    }

    /// <summary>One UTF-16 unit for each code point, so that .NET's expressions, which see units, see code points.</summary>
    internal static class StandIns
    {
        private static readonly Dictionary<UnicodeCategory, char> OfCategory = LastOfEachCategory();

        /// <summary>True if a range of characters in an expression would take a stand-in for what it is not.</summary>
        public static bool Any(char first, char last) => OfCategory.Values.Any(character => character >= first && character <= last);

        /// <summary>The text to match, and where in <paramref name="text"/> each of its units (and its end) lies; null: the same place.</summary>
        public static string Replace(string text, out int[]? places)
        {
            places = null;
            if (!text.AsSpan().ContainsAnyInRange('\ud800', '\udfff'))
                return text;
            List<int> starts = new(text.Length + 1);
            char[] seen = new char[text.Length];
            for (int at = 0; at < text.Length; at += char.IsHighSurrogate(text[at]) ? 2 : 1)
            {
                seen[starts.Count] = char.IsHighSurrogate(text[at]) ? OfCategory[CharUnicodeInfo.GetUnicodeCategory(text, at)] : text[at];
                starts.Add(at);
            }
            places = [.. starts, text.Length];
            return new string(seen, 0, starts.Count);
        }

        /// <summary>The last character below U+10000 of each category: one that hardly any expression names.</summary>
        private static Dictionary<UnicodeCategory, char> LastOfEachCategory()
        {
            Dictionary<UnicodeCategory, char> last = [];
            for (char c = '\uffff'; c > 0x7f; c--)
                last.TryAdd(CharUnicodeInfo.GetUnicodeCategory(c), c);
            return last;
        }
    }
}
