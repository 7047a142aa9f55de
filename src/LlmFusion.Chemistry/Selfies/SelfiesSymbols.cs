using System.Globalization;
using System.Text.RegularExpressions;

namespace LlmFusion.Chemistry;

/// <summary>The symbols of SELFIES: atoms, branches, rings, and the sixteen that also count as hexadecimal digits.</summary>
internal static partial class SelfiesSymbols
{
    private static readonly string[] Digits =
    [
        "[C]", "[Ring1]", "[Ring2]", "[Branch1]", "[=Branch1]", "[#Branch1]", "[Branch2]", "[=Branch2]", "[#Branch2]",
        "[O]", "[N]", "[=N]", "[=C]", "[#C]", "[S]", "[P]",
    ];

    private static readonly Dictionary<string, int> Values = Digits.Select((symbol, i) => (symbol, i)).ToDictionary(p => p.symbol, p => p.i);

    // [bond, isotope, element, chirality, hydrogens, charge]
    [GeneratedRegex(@"^\[([=#/\\]?)([0-9]*)([A-Z][a-z]?)(@{0,2})(H[0-9])?([+-][1-9]+)?\]$", RegexOptions.CultureInvariant)]
    private static partial Regex Atom();

    [GeneratedRegex(@"^\[([=#]?)(Branch|Ring)([123])\]$", RegexOptions.CultureInvariant)]
    private static partial Regex BranchOrRing();

    [GeneratedRegex(@"^\[([-/\\])([-/\\])Ring([123])\]$", RegexOptions.CultureInvariant)]
    private static partial Regex StereoRing();

    /// <summary>A number as digit symbols, most significant first; zero is one symbol.</summary>
    public static List<string> FromIndex(int index)
    {
        var symbols = new List<string>();
        do
        {
            symbols.Insert(0, Digits[index % Digits.Length]);
            index /= Digits.Length;
        }
        while (index > 0);
        return symbols;
    }

    /// <summary>The number that symbols spell; one that is no digit (or missing) counts as zero.</summary>
    public static int ToIndex(IEnumerable<string?> symbols) =>
        symbols.Aggregate(0, (index, symbol) => index * Digits.Length + (symbol == null ? 0 : Values.GetValueOrDefault(symbol)));

    public static List<string> Split(string selfies)
    {
        var symbols = new List<string>();
        int start = selfies.IndexOf('[');
        while (start >= 0 && start < selfies.Length)
        {
            int end = selfies.IndexOf(']', start + 1);
            if (end < 0) throw new SelfiesSyntaxException($"'[' at position {start + 1} is never closed");
            symbols.Add(selfies[start..(end + 1)]);
            start = end + 1;
            if (start >= selfies.Length || selfies[start] != '.') continue;
            symbols.Add(".");
            start++;
        }
        return symbols;
    }

    /// <summary>An atom symbol, for instance [=N+1]: its bond and a new atom; null for anything else.</summary>
    public static (int Order, char? Stereo, SelfiesAtom Atom)? ReadAtom(string symbol)
    {
        Match match = Atom().Match(symbol);
        if (!match.Success) return null;
        (int order, char? stereo) = match.Groups[1].Value switch { "=" => (2, (char?)null), "#" => (3, null), "" => (1, null), string s => (1, s[0]) };
        string element = match.Groups[3].Value;
        if (match.Groups[1].Length + element.Length + 2 == symbol.Length && SelfiesElements.IsOrganic(element))
            return (order, stereo, new SelfiesAtom { Element = element });
        int charge = 0;
        if (!SelfiesElements.IsKnown(element)) return null;
        if (match.Groups[6].Success && !int.TryParse(match.Groups[6].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out charge)) return null;
        var atom = new SelfiesAtom
        {
            Element = element,
            Isotope = Isotope(match.Groups[2].Value),
            Chirality = match.Groups[4].Length == 0 ? null : match.Groups[4].Value,
            Hydrogens = match.Groups[5].Success ? match.Groups[5].Value[1] - '0' : 0,
            Charge = charge,
        };
        return atom.Capacity < 0 ? null : (order, stereo, atom);
    }

    /// <summary>A branch symbol, for instance [=Branch1]: its bond order and how many digits follow; null for anything else.</summary>
    public static (int Order, int Digits)? ReadBranch(string symbol)
    {
        Match match = BranchOrRing().Match(symbol);
        return match.Success && match.Groups[2].Value == "Branch" ? (Order(match.Groups[1].Value), match.Groups[3].Value[0] - '0') : null;
    }

    /// <summary>A ring symbol, for instance [=Ring1] or [-/Ring2]: its bond and how many digits follow; null for anything else.</summary>
    public static (int Order, int Digits, char? LeftStereo, char? RightStereo)? ReadRing(string symbol)
    {
        Match match = BranchOrRing().Match(symbol);
        if (match.Success)
            return match.Groups[2].Value == "Ring" ? (Order(match.Groups[1].Value), match.Groups[3].Value[0] - '0', null, null) : null;
        match = StereoRing().Match(symbol);
        if (!match.Success || symbol.StartsWith("[--", StringComparison.Ordinal)) return null;
        return (1, match.Groups[3].Value[0] - '0', Stereo(match.Groups[1].Value), Stereo(match.Groups[2].Value));
    }

    private static int Order(string bond) => bond switch { "=" => 2, "#" => 3, _ => 1 };

    private static char? Stereo(string bond) => bond == "-" ? null : bond[0];

    /// <summary>Isotope digits as a number prints, or null for none.</summary>
    public static string? Isotope(string digits) => digits.Length == 0 ? null : digits.TrimStart('0') is { Length: > 0 } number ? number : "0";
}
