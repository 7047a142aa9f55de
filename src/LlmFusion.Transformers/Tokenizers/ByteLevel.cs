using System.Globalization;
using System.Text;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// GPT-2's byte-level alphabet and its splitting of text (Radford et al. 2019, encoder.py): each byte of UTF-8 is written as
/// one printable character, so that every text is a sequence over 256 characters.
/// </summary>
internal static class ByteLevel
{
    private static readonly char[] CharacterOf = Characters();
    private static readonly Dictionary<char, byte> ByteOf = CharacterOf.Index().ToDictionary(pair => pair.Item, pair => (byte)pair.Index);

    /// <summary>The character that a byte is written as.</summary>
    public static char CharacterFor(int value) => CharacterOf[value];

    /// <summary>The text's UTF-8 bytes, each as its character.</summary>
    public static string Written(ReadOnlySpan<char> text)
    {
        Span<byte> small = stackalloc byte[256];
        Span<byte> bytes = text.Length <= 80 ? small : new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        bytes = bytes[..Encoding.UTF8.GetBytes(text, bytes)];
        return string.Create(bytes.Length, bytes, (written, from) =>
        {
            for (int i = 0; i < from.Length; i++)
                written[i] = CharacterOf[from[i]];
        });
    }

    /// <summary>Appends the bytes that a token stands for; a token with a character outside the alphabet stands for its own UTF-8.</summary>
    public static void Read(string token, List<byte> into)
    {
        int start = into.Count;
        foreach (char character in token)
        {
            if (ByteOf.TryGetValue(character, out byte value))
            {
                into.Add(value);
                continue;
            }
            into.RemoveRange(start, into.Count - start);
            into.AddRange(Encoding.UTF8.GetBytes(token));
            return;
        }
    }

    /// <summary>
    /// The end of the piece that begins at <paramref name="start"/>, as GPT-2's expression cuts it, by code points:
    /// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
    /// </summary>
    public static int PieceEnd(string text, int start)
    {
        if (text[start] == '\'' && start + 1 < text.Length)
        {
            if (text[start + 1] is 's' or 't' or 'm' or 'd')
                return start + 2;
            if (start + 2 < text.Length && (text[start + 1], text[start + 2]) is ('r', 'e') or ('v', 'e') or ('l', 'l'))
                return start + 3;
        }
        int first = text[start] == ' ' && start + 1 < text.Length && KindAt(text, start + 1, out _) != Kind.Space ? start + 1 : start;
        Kind kind = KindAt(text, first, out int length);
        int end = first + length, last = first;
        while (end < text.Length && KindAt(text, end, out length) == kind)
        {
            last = end;
            end += length;
        }
        // The last of several spaces stays with the word that follows.
        return kind == Kind.Space && end < text.Length && last > start ? last : end;
    }

    private enum Kind { Letter, Number, Space, Other }

    private static Kind KindAt(string text, int at, out int length)
    {
        char c = text[at];
        length = 1;
        if (c < 128)
            return char.IsAsciiLetter(c) ? Kind.Letter : char.IsAsciiDigit(c) ? Kind.Number : char.IsWhiteSpace(c) ? Kind.Space : Kind.Other;
        length = char.IsHighSurrogate(c) ? 2 : 1;
        return CharUnicodeInfo.GetUnicodeCategory(text, at) switch
        {
            <= UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => char.IsWhiteSpace(c) ? Kind.Space : Kind.Other,
        };
    }

    /// <summary>Printable bytes stand for themselves; the others are numbered from U+0100 on.</summary>
    private static char[] Characters()
    {
        char[] characters = new char[256];
        int next = 256;
        for (int i = 0; i < 256; i++)
            characters[i] = i is (>= '!' and <= '~') or (>= 0xa1 and <= 0xac) or >= 0xae ? (char)i : (char)next++;
        return characters;
    }
}
