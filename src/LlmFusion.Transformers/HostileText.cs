using System.Globalization;
using System.Text;

namespace LlmFusion.Transformers;

/// <summary>Text that a file brought along, made fit for a message: short, on one line, without what steers a terminal.</summary>
internal static class HostileText
{
    private const int Longest = 120;

    public static string Show(string? text)
    {
        if (text is null)
            return "null";
        StringBuilder shown = new();
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (shown.Length >= Longest)
                return shown.Append("...").ToString();
            if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned)
                shown.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}");
            else
                shown.Append(rune);
        }
        return shown.ToString();
    }

    /// <summary>A shape as it stands in messages.</summary>
    public static string Show(IEnumerable<long> shape) => Show($"[{string.Join(", ", shape)}]");
}
