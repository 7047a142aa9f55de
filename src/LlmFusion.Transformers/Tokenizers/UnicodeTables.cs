using System.Globalization;
using System.Text;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// Unicode normalization and sets of characters as the package tokenizers has them, from UnicodeTables.txt. The runtime's
/// own cannot be used: without ICU it normalizes nothing, and an encoding is only equal if the tables are.
/// </summary>
internal static class UnicodeTables
{
    private const int HangulFirst = 0xac00, HangulCount = 11172, LeadFirst = 0x1100, LeadCount = 19, VowelFirst = 0x1161,
        VowelCount = 21, TrailBefore = 0x11a7, TrailCount = 28;

    private static readonly Dictionary<int, int[]> Canonical = [], Compatible = [], LowerCases = [];
    private static readonly Dictionary<(int, int), int> Compositions = [];
    private static readonly Dictionary<int, int> Classes = [];
    private static readonly List<(int First, int Last)> Marks = [], NonspacingMarks = [], Removed = [], Punctuation = [], WordCharacters = [], Numbers = [];

    static UnicodeTables()
    {
        using Stream stream = typeof(UnicodeTables).Assembly.GetManifestResourceStream("UnicodeTables.txt")!;
        using StreamReader reader = new(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line[0] == '#')
                continue;
            string[] parts = line.Split(' ');
            // Code points are hexadecimal, a combining class is decimal.
            int[] n = [.. parts.Skip(1).Select((part, i) => int.Parse(
                part, parts[0] == "O" && i == 2 ? NumberStyles.None : NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))];
            switch (parts[0])
            {
                case "D": Canonical.Add(n[0], n[1..]); break;
                case "K": Compatible.Add(n[0], n[1..]); break;
                case "C": Compositions.Add((n[0], n[1]), n[2]); break;
                case "O":
                    for (int c = n[0]; c <= n[1]; c++)
                        Classes.Add(c, n[2]);
                    break;
                case "L": LowerCases.Add(n[0], n[1..]); break;
                case "M": Marks.Add((n[0], n[1])); break;
                case "N": NonspacingMarks.Add((n[0], n[1])); break;
                case "R": Removed.Add((n[0], n[1])); break;
                case "P": Punctuation.Add((n[0], n[1])); break;
                case "W": WordCharacters.Add((n[0], n[1])); break;
                case "I": Numbers.Add((n[0], n[1])); break;
            }
        }
    }

    /// <summary>What the normalizer StripAccents takes out: marks.</summary>
    public static bool IsMark(Rune rune) => Contains(Marks, rune);

    /// <summary>What BertNormalizer takes out as accents: nonspacing marks.</summary>
    public static bool IsNonspacingMark(Rune rune) => Contains(NonspacingMarks, rune);

    /// <summary>What BertNormalizer takes out as unclean: control characters and the replacement character.</summary>
    public static bool IsRemoved(Rune rune) => Contains(Removed, rune);

    /// <summary>Punctuation as BERT sees it, ASCII's symbols among it.</summary>
    public static bool IsPunctuation(Rune rune) => Contains(Punctuation, rune);

    /// <summary>What <c>\w</c> matches in Rust's expressions.</summary>
    public static bool IsWordCharacter(Rune rune) => Contains(WordCharacters, rune);

    /// <summary>Decimal digits and other numbers.</summary>
    public static bool IsNumber(Rune rune) => Contains(Numbers, rune);

    /// <summary>Lower case, character by character: a sigma at a word's end is as any other.</summary>
    public static string ToLower(string text)
    {
        if (Ascii.IsValid(text))
            return text.ToLowerInvariant();
        StringBuilder lower = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!LowerCases.TryGetValue(rune.Value, out int[]? points))
                lower.Append(rune);
            foreach (int point in points ?? [])
                lower.Append(new Rune(point));
        }
        return lower.ToString();
    }

    /// <summary>NFC, NFD, NFKC or NFKD.</summary>
    /// <param name="text">Without lone surrogates.</param>
    /// <param name="compatible">NFKC and NFKD.</param>
    /// <param name="compose">NFC and NFKC.</param>
    public static string Normalize(string text, bool compatible, bool compose)
    {
        // Up to U+00BF nothing is composed; up to U+009F nothing decomposes.
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\u009f'))
            return text;
        List<int> points = new(text.Length + 8);
        foreach (Rune rune in text.EnumerateRunes())
            Decompose(rune.Value, compatible, points);
        Order(points);
        if (compose)
            Compose(points);
        StringBuilder result = new(text.Length + 8);
        foreach (int point in points)
            result.Append(new Rune(point));
        return result.ToString();
    }

    private static void Decompose(int point, bool compatible, List<int> into)
    {
        if ((uint)(point - HangulFirst) < HangulCount)
        {
            int syllable = point - HangulFirst, trail = syllable % TrailCount;
            into.Add(LeadFirst + (syllable / (VowelCount * TrailCount)));
            into.Add(VowelFirst + (syllable / TrailCount % VowelCount));
            if (trail > 0)
                into.Add(TrailBefore + trail);
        }
        else if ((compatible && Compatible.TryGetValue(point, out int[]? parts)) || Canonical.TryGetValue(point, out parts))
        {
            into.AddRange(parts);
        }
        else
        {
            into.Add(point);
        }
    }

    /// <summary>Marks after one base in the order of their classes; those of one class stay in place.</summary>
    private static void Order(List<int> points)
    {
        for (int first = 0; first < points.Count; first++)
        {
            if (ClassOf(points[first]) == 0)
                continue;
            int end = first + 1;
            while (end < points.Count && ClassOf(points[end]) != 0)
                end++;
            if (end - first > 1)
            {
                int[] ordered = [.. points[first..end].OrderBy(ClassOf)];
                for (int i = 0; i < ordered.Length; i++)
                    points[first + i] = ordered[i];
            }
            first = end;
        }
    }

    private static void Compose(List<int> points)
    {
        int starter = -1, written = 0, previousClass = 0;
        for (int read = 0; read < points.Count; read++)
        {
            int point = points[read], mark = ClassOf(point);
            bool blocked = starter < 0 || (written - 1 > starter && (previousClass >= mark || previousClass == 0));
            if (!blocked && Composed(points[starter], point) is { } both)
            {
                points[starter] = both;
                continue;
            }
            if (mark == 0)
                starter = written;
            previousClass = mark;
            points[written++] = point;
        }
        points.RemoveRange(written, points.Count - written);
    }

    private static int? Composed(int first, int second)
    {
        if ((uint)(first - LeadFirst) < LeadCount && (uint)(second - VowelFirst) < VowelCount)
            return HangulFirst + ((((first - LeadFirst) * VowelCount) + second - VowelFirst) * TrailCount);
        if ((uint)(first - HangulFirst) < HangulCount && (first - HangulFirst) % TrailCount == 0 && (uint)(second - TrailBefore - 1) < TrailCount - 1)
            return first + second - TrailBefore;
        return Compositions.TryGetValue((first, second), out int both) ? both : null;
    }

    private static int ClassOf(int point) => point < 0x300 ? 0 : Classes.GetValueOrDefault(point);

    private static bool Contains(List<(int First, int Last)> ranges, Rune rune)
    {
        int low = 0, high = ranges.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (rune.Value < ranges[middle].First)
                high = middle - 1;
            else if (rune.Value > ranges[middle].Last)
                low = middle + 1;
            else
                return true;
        }
        return false;
    }
}
