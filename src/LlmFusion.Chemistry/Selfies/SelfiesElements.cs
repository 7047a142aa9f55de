namespace LlmFusion.Chemistry;

/// <summary>The elements SELFIES knows.</summary>
internal static class SelfiesElements
{
    private static readonly HashSet<string> Elements = [..
        ("H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb " +
        "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Rf Db Sg Bh Hs Mt " +
        "Ds Rg Cn Fl Lv La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr").Split(' ')];

    private static readonly HashSet<string> Organic = ["B", "C", "N", "O", "S", "P", "F", "Cl", "Br", "I"];

    /// <summary>Elements that may be aromatic: their valences, and their valence electrons.</summary>
    private static readonly Dictionary<string, (int[] Valences, int Electrons)> Aromatic = new (string[] Elements, int[] Valences, int Electrons)[]
    {
        (["B", "Al"], [3], 3),
        (["C", "Si"], [4], 4),
        (["N", "P", "As"], [3, 5], 5),
        (["O", "S", "Se", "Te"], [2, 4], 6),
    }.SelectMany(g => g.Elements, (g, element) => (element, g.Valences, g.Electrons)).ToDictionary(e => e.element, e => (e.Valences, e.Electrons));

    public static bool IsKnown(string element) => Elements.Contains(element);

    /// <summary>Whether SMILES writes the element without brackets.</summary>
    public static bool IsOrganic(string element) => Organic.Contains(element);

    /// <summary>Whether a lower-case symbol stands for an aromatic atom.</summary>
    public static bool IsAromaticSymbol(string symbol) => char.IsAsciiLetterLower(symbol[0]) && Aromatic.ContainsKey(Capitalised(symbol));

    public static bool TryGetAromatic(string element, out (int[] Valences, int Electrons) aromatic) => Aromatic.TryGetValue(element, out aromatic);

    public static string Capitalised(string symbol) => char.ToUpperInvariant(symbol[0]) + symbol[1..];
}
