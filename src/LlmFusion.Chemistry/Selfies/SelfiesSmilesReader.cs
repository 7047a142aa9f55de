using System.Globalization;
using System.Text.RegularExpressions;

namespace LlmFusion.Chemistry;

/// <summary>Reads SMILES as selfies 2.2.0 does: its grammar, its verdicts.</summary>
internal sealed partial class SelfiesSmilesReader
{
    // [isotope, element, chirality, hydrogens, charge, atom class]
    [GeneratedRegex(@"^\[([0-9]*)([A-Za-z][a-z]?)(@{0,2})(H[0-9]?)?(\++|-+|[+-][0-9]+)?(:[0-9]+)?\]$", RegexOptions.CultureInvariant)]
    private static partial Regex BracketAtom();

    private readonly string smiles;
    private readonly SelfiesGraph graph = new();
    private int position;

    private SelfiesSmilesReader(string smiles) => this.smiles = smiles;

    public static SelfiesGraph Read(string smiles)
    {
        if (smiles.Length == 0) throw new SelfiesSyntaxException("the SMILES is empty");
        var reader = new SelfiesSmilesReader(smiles);
        while (reader.position < smiles.Length) reader.ReadPart();
        return reader.graph;
    }

    private enum Kind { Dot, Atom, Open, Close, RingNumber }

    /// <summary>One symbol with the bond written before it.</summary>
    private readonly record struct Token(Kind Kind, string Text, char? Bond, int Position);

    private readonly record struct OpenRing(Token Token, SelfiesAtom Atom, int Place);

    /// <summary>Reads up to the next dot or the end.</summary>
    private void ReadPart()
    {
        var previous = new Stack<SelfiesAtom?>([null]); // the atom that the next one bonds to, per open branch
        var branches = new Stack<Token>();
        var rings = new Dictionary<string, OpenRing>();
        bool chainStart = true;
        while (position < smiles.Length)
        {
            Token token = Next();
            if (token.Kind == Kind.Dot) break;
            if (token.Kind == Kind.Atom)
            {
                previous.Push(Attach(token, previous.Pop()));
                chainStart = false;
                continue;
            }
            if (chainStart) throw Error("a chain begins with something else than an atom", token.Position);
            SelfiesAtom atom = previous.Peek()!;
            switch (token.Kind)
            {
                case Kind.Open:
                    branches.Push(token);
                    previous.Push(atom);
                    chainStart = true;
                    break;
                case Kind.Close:
                    if (!branches.TryPop(out _)) throw Error("')' closes no branch", token.Position);
                    previous.Pop();
                    break;
                default:
                    if (rings.Remove(token.Text, out OpenRing open)) CloseRing(open, token, atom);
                    else rings[token.Text] = new OpenRing(token, atom, graph.Reserve(atom.Index));
                    break;
            }
        }
        if (graph.Atoms.Count == 0) throw Error("a part without atoms", 0);
        if (branches.TryPeek(out Token branch)) throw Error("'(' is never closed", branch.Position);
        foreach ((string number, OpenRing open) in rings) throw Error($"ring number '{number}' is never closed", open.Token.Position);
    }

    private SelfiesAtom Attach(Token token, SelfiesAtom? to)
    {
        SelfiesAtom atom = ReadAtom(token.Text) ?? throw Error($"'{token.Text}' is no atom", token.Position);
        graph.AddAtom(atom, root: to == null);
        if (to == null) return atom; // a bond before the first atom is ignored
        bool aromatic = token.Bond == null && to.Aromatic && atom.Aromatic;
        graph.AddBond(to.Index, atom.Index, aromatic ? 1.5 : Order(token.Bond), Stereo(token.Bond));
        return atom;
    }

    private void CloseRing(OpenRing open, Token close, SelfiesAtom atom)
    {
        if (graph.HasBond(open.Atom.Index, atom.Index)) throw Error("a ring bond between atoms that are already bonded", open.Token.Position);
        char? left = open.Token.Bond, right = close.Bond;
        bool agree = left == right || left == null || right == null || (Stereo(left) != null && Stereo(right) != null);
        if (!agree) throw Error($"the ring bond is '{left}' at one end and '{right}' at the other", open.Token.Position);
        if (open.Atom == atom) throw Error("a ring bond from an atom to itself", open.Token.Position);
        bool aromatic = left == null && right == null && open.Atom.Aromatic && atom.Aromatic;
        double order = aromatic ? 1.5 : Math.Max(Order(left), Order(right));
        graph.AddRingBond(open.Atom.Index, open.Place, Stereo(left), atom.Index, graph.Following(atom.Index).Count, Stereo(right), order);
    }

    private static double Order(char? bond) => bond switch { '=' => 2, '#' => 3, ':' => 1.5, _ => 1 };

    private static char? Stereo(char? bond) => bond is '/' or '\\' ? bond : null;

    private Token Next()
    {
        int start = position;
        if (smiles[start] == '.') return Take(Kind.Dot, start, 1, null);
        char? bond = null;
        if (smiles[start] is '-' or '/' or '\\' or ':' or '=' or '#')
        {
            bond = smiles[start++];
            if (start == smiles.Length) throw Error("a bond leads nowhere", start - 1);
        }
        char c = smiles[start];
        if (char.IsAsciiLetter(c))
        {
            bool two = string.CompareOrdinal(smiles, start, "Br", 0, 2) == 0 || string.CompareOrdinal(smiles, start, "Cl", 0, 2) == 0;
            return Take(Kind.Atom, start, two ? 2 : 1, bond);
        }
        if (char.IsAsciiDigit(c)) return Take(Kind.RingNumber, start, 1, bond);
        switch (c)
        {
            case '[':
                int end = smiles.IndexOf(']', start);
                if (end < 0) throw Error("'[' is never closed", start);
                return Take(Kind.Atom, start, end + 1 - start, bond);
            case '(' or ')':
                if (bond != null) throw Error("a bond leads nowhere", start - 1);
                return Take(c == '(' ? Kind.Open : Kind.Close, start, 1, null);
            case '%':
                if (start + 2 >= smiles.Length || !char.IsAsciiDigit(smiles[start + 1]) || !char.IsAsciiDigit(smiles[start + 2]))
                    throw Error("'%' is not followed by two digits", start);
                return Take(Kind.RingNumber, start, 3, bond);
            default:
                throw Error($"unknown symbol '{c}'", start);
        }
    }

    private Token Take(Kind kind, int start, int length, char? bond)
    {
        position = start + length;
        return new Token(kind, smiles.Substring(start, length), bond, start);
    }

    private static SelfiesAtom? ReadAtom(string text)
    {
        if (text[0] != '[')
        {
            if (SelfiesElements.IsOrganic(text)) return new SelfiesAtom { Element = text };
            return SelfiesElements.IsAromaticSymbol(text)
                ? new SelfiesAtom { Element = SelfiesElements.Capitalised(text), Aromatic = true }
                : null;
        }
        Match match = BracketAtom().Match(text);
        if (!match.Success) return null;
        string symbol = match.Groups[2].Value, element = SelfiesElements.Capitalised(symbol);
        if (!SelfiesElements.IsKnown(element) || !TryCharge(match.Groups[5].Value, out int charge)) return null;
        return new SelfiesAtom
        {
            Element = element,
            Aromatic = SelfiesElements.IsAromaticSymbol(symbol),
            Isotope = SelfiesSymbols.Isotope(match.Groups[1].Value),
            Chirality = match.Groups[3].Length == 0 ? null : match.Groups[3].Value,
            Hydrogens = match.Groups[4].Value switch { "" => 0, "H" => 1, string h => h[1] - '0' },
            Charge = charge,
        };
    }

    /// <summary>"", "++", "---", "+2".</summary>
    private static bool TryCharge(string text, out int charge)
    {
        charge = text.Length;
        if (text.Length > 0 && char.IsAsciiDigit(text[^1]) && !int.TryParse(text.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out charge)) return false;
        if (text.StartsWith('-')) charge = -charge;
        return true;
    }

    private static SelfiesSyntaxException Error(string what, int at) => new($"{what}, at position {at + 1} of the SMILES");
}
