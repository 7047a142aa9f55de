using System.Globalization;
using System.Text;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// Oniguruma's regular expressions, as tokenizer.json files have them, in .NET's syntax with the same meaning. What does
/// not mean the same in both, and is not translated here, is refused by name.
/// </summary>
internal static class OnigurumaSyntax
{
    private const int LongestExpression = 4096;

    private static readonly string[] Categories =
    [
        "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
        "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Co", "Cn",
    ];

    /// <exception cref="FormatException">Something in it is not implemented.</exception>
    public static string ToDotNet(string expression)
    {
        if (expression.Length > LongestExpression)
            throw new FormatException($"it has {expression.Length} characters, expected at most {LongestExpression}");
        return new Translation(expression).Run();
    }

    private sealed class Translation(string source)
    {
        private readonly StringBuilder result = new();
        private readonly Stack<(int Start, bool IgnoreCase)> groups = [];
        private int at;
        private int atom = -1;
        private bool ignoreCase;

        private char Current => at < source.Length ? source[at] : '\0';

        public string Run()
        {
            while (at < source.Length)
            {
                switch (source[at])
                {
                    case '(': Open(); break;
                    case ')': Close(); break;
                    case '[': Atom(Class()); break;
                    case '\\': Atom(Escape(inClass: false)); break;
                    case '*' or '+' or '?' or '{': Quantifier(); break;
                    case '|': result.Append(source[at++]); atom = -1; break;
                    // Lines, always: Ruby's way. A last empty line has no beginning.
                    case '^': at++; Atom(@"(?:\A|(?<=\n)(?!\z))"); break;
                    case '$': at++; Atom(@"(?=\n|\z)"); break;
                    case '.': at++; Atom(@"[^\n]"); break;
                    default: Atom(Literal()); break;
                }
            }
            return groups.Count == 0 ? result.ToString() : throw new FormatException("a ) is missing");
        }

        private void Atom(string translated)
        {
            atom = result.Length;
            result.Append(translated);
        }

        private void Open()
        {
            groups.Push((result.Length, ignoreCase));
            string start = new[] { "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:" }.FirstOrDefault(known => Ahead(known))
                ?? (Ahead("(?") ? throw Unknown(source[at..Math.Min(at + 4, source.Length)]) : "(");
            at += start.Length;
            // Case is resolved while translating: .NET folds other letters than Oniguruma. Nothing reads what a group captured.
            ignoreCase |= start == "(?i:";
            result.Append(start is "(?i:" or "(" ? "(?:" : start);
            atom = -1;
        }

        private void Close()
        {
            if (!groups.TryPop(out (int Start, bool IgnoreCase) group))
                throw new FormatException("a ( is missing");
            at++;
            result.Append(')');
            (atom, ignoreCase) = group;
        }

        private void Quantifier()
        {
            if (atom < 0)
                throw new FormatException($"nothing comes before the {source[at]}");
            int start = at;
            if (source[at] == '{')
            {
                int end = source.IndexOf('}', at);
                string[] counts = end < 0 ? [] : source[(at + 1)..end].Split(',');
                if (counts.Length is not (1 or 2) || counts[0].Length == 0 || counts.Any(count => count.Length > 4 || !count.All(char.IsAsciiDigit)))
                    throw Unknown("a { that is not {n}, {n,} or {n,m}");
                at = end;
            }
            at++;
            result.Append(source, start, at - start);
            if (Current == '?' && source[start] != '{')
            {
                result.Append(source[at++]);
            }
            else if (Current == '+' && source[start] != '{')
            {
                // Possessive: it gives nothing back, as an atomic group.
                at++;
                result.Insert(atom, "(?>").Append(')');
            }
            if (Current is '*' or '+' or '?' or '{')
                throw Unknown($"{source[start..(at + 1)]}, a quantifier of a quantifier");
            atom = -1;
        }

        private string Literal()
        {
            char character = source[at++];
            Check(character, character);
            return Folded(character) ?? System.Text.RegularExpressions.Regex.Escape(character.ToString());
        }

        /// <summary>Under (?i), a letter in each of its forms; null where there is but one.</summary>
        private string? Folded(char character) => !ignoreCase
            ? null
            : char.ToLowerInvariant(character) switch
            {
                'k' => "[kK\u212a]",
                's' => "[sS\u017f]",
                >= 'a' and <= 'z' => $"[{char.ToLowerInvariant(character)}{char.ToUpperInvariant(character)}]",
                > '\u007f' => throw Unknown($"{character} in any case"),
                _ => null,
            };

        private string Class()
        {
            if (ignoreCase)
                throw Unknown("a class of characters in any case");
            StringBuilder translated = new("[");
            at++;
            if (Current == '^')
                translated.Append(source[at++]);
            bool isFirst = true;
            while (at < source.Length && (source[at] != ']' || isFirst))
            {
                isFirst = false;
                char? first = ClassMember(translated);
                if (Current != '-' || at + 1 >= source.Length || source[at + 1] == ']')
                    continue;
                at++;
                int length = translated.Append('-').Length;
                char? last = ClassMember(translated);
                if (first is not { } from || last is not { } to || from > to)
                    throw Unknown($"the range before {translated.ToString()[length..]} in a class");
                Check(from, to);
            }
            if (at >= source.Length)
                throw new FormatException("a ] is missing");
            at++;
            return translated.Append(']').ToString();
        }

        /// <summary>Appends one member of a class; returns it if it is one character.</summary>
        private char? ClassMember(StringBuilder translated)
        {
            if (Current == '\\')
            {
                string escape = Escape(inClass: true);
                translated.Append(escape);
                return escape is ['\\', 'u', _, _, _, _] ? (char)int.Parse(escape.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : null;
            }
            if (Current == '[' || Ahead("&&"))
                throw Unknown($"{Current} in a class");
            char character = source[at++];
            Check(character, character);
            translated.Append(Unit(character));
            return character;
        }

        private string Escape(bool inClass)
        {
            if (at + 1 >= source.Length)
                throw new FormatException("it ends with a backslash");
            char kind = source[at + 1];
            at += 2;
            switch (kind)
            {
                case 's' or 'S' or 'd' or 'D': return $"\\{kind}";
                case 'A' or 'z' when !inClass: return $"\\{kind}";
                case 'n': return Unit('\n');
                case 'r': return Unit('\r');
                case 't': return Unit('\t');
                case 'f': return Unit('\f');
                case 'v': return Unit('\v');
                case 'p' or 'P':
                    int end = source.IndexOf('}', at);
                    string name = Current == '{' && end > 0 ? source[(at + 1)..end] : "";
                    if (!Categories.Contains(name))
                        throw Unknown($"\\{kind}{{{name}}}");
                    at = end + 1;
                    return $"\\{kind}{{{name}}}";
                case 'x' or 'u':
                    return Hexadecimal(kind);
                default:
                    if (char.IsAsciiLetterOrDigit(kind) || kind > 0x7f)
                        throw Unknown($"\\{kind}");
                    return Unit(kind);
            }
        }

        private string Hexadecimal(char kind)
        {
            bool braces = kind == 'x' && Current == '{';
            int start = braces ? at + 1 : at;
            int end = braces ? source.IndexOf('}', at) : start + (kind == 'u' ? 4 : 2);
            if (end < start || end > source.Length
                || !int.TryParse(source.AsSpan(start, end - start), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
                || value is < 0 or > 0xffff)
                throw Unknown($"\\{kind} with other than a number up to FFFF");
            at = braces ? end + 1 : end;
            Check((char)value, (char)value);
            return Folded((char)value) is null ? Unit((char)value) : throw Unknown($"\\{kind} in any case");
        }

        private static string Unit(char character) => $"\\u{(int)character:X4}";

        private bool Ahead(string text) => string.CompareOrdinal(source, at, text, 0, text.Length) == 0;

        private static void Check(char first, char last)
        {
            if (first <= '\udfff' && last >= '\ud800')
                throw Unknown("a character beyond U+FFFF");
            if (SplitPattern.StandIns.Any(first, last))
                throw Unknown($"a range with U+{(int)first:X4}");
        }

        private static FormatException Unknown(string what) => new($"{what} is not implemented");
    }
}
