using System.Text.RegularExpressions;

namespace LlmFusion.Modalities;

/// <summary>Splits a SMILES string into chemical tokens: bracket atoms, elements, bonds, branches and ring closures.</summary>
public static partial class SmilesTokens
{
    /// <summary>The tokens in order; their concatenation is <paramref name="smiles"/>.</summary>
    public static IEnumerable<string> Split(string smiles)
    {
        foreach (Match match in Pattern().Matches(smiles)) yield return match.Value;
    }

    // The pattern of Schwaller et al. (Molecular Transformer, 2019); the last alternative lets nothing be lost.
    [GeneratedRegex(@"\[[^\]]*\]|Br|Cl|%\([0-9]+\)|%[0-9]{2}|.", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
