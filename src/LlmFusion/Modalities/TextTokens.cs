using System.Text.RegularExpressions;

namespace LlmFusion.Modalities;

/// <summary>Splits a description into lower-case words, numbers and punctuation marks, for text encoders trained from scratch.</summary>
public static partial class TextTokens
{
    /// <summary>The tokens of <paramref name="text"/> in order; white space separates and is dropped.</summary>
    public static IEnumerable<string> Split(string text)
    {
        foreach (Match match in Pattern().Matches(text)) yield return match.Value.ToLowerInvariant();
    }

    [GeneratedRegex(@"\p{L}+|\p{Nd}+|[^\s\p{L}\p{Nd}]", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
