namespace LlmFusion.Chemistry;

/// <summary>The heavy atoms of a molecule, counted in its SMILES: no call to RDKit is needed.</summary>
public static class SmilesAtoms
{
    /// <summary>The element symbol of each heavy atom in the order of the SMILES; <c>*</c> for a dummy atom, <c>#34</c> where it is written so. Hydrogen atoms, also isotopes, are passed over.</summary>
    /// <param name="smiles">A SMILES that RDKit reads; what stands behind a blank (a name, an extension) is not looked at.</param>
    public static IEnumerable<string> HeavyAtoms(string smiles)
    {
        for (int i = 0; i < smiles.Length; i++)
        {
            char c = smiles[i];
            if (char.IsWhiteSpace(c)) yield break;
            if (c == '[')
            {
                int end = smiles.IndexOf(']', i);
                string symbol = Bracketed(smiles.AsSpan(i + 1, (end < 0 ? smiles.Length : end) - i - 1));
                if (symbol is not ("H" or "")) yield return symbol;
                i = end < 0 ? smiles.Length : end;
            }
            else if (c == '%')
            {
                i += 2; // a ring closure of two digits
            }
            else if (c is 'C' && Next('l') || c is 'B' && Next('r'))
            {
                yield return smiles.Substring(i++, 2);
            }
            else if (c == '*' || char.IsAsciiLetter(c))
            {
                yield return char.ToUpperInvariant(c).ToString();
            }

            bool Next(char letter) => i + 1 < smiles.Length && smiles[i + 1] == letter;
        }
    }

    /// <summary>The symbol in a bracket atom: behind an isotope, before chirality, hydrogens and charge.</summary>
    private static string Bracketed(ReadOnlySpan<char> atom)
    {
        int at = 0;
        while (at < atom.Length && char.IsAsciiDigit(atom[at])) at++;
        if (at < atom.Length && atom[at] == '*') return "*";
        if (at < atom.Length && atom[at] == '#') // an atomic number in the symbol's place, by RDKit's grammar
        {
            int end = at + 1;
            while (end < atom.Length && char.IsAsciiDigit(atom[end])) end++;
            return atom[at..end] is "#1" ? "H" : atom[at..end].ToString();
        }

        if (at >= atom.Length || !char.IsAsciiLetter(atom[at])) return "";
        // An aromatic atom of one letter (n) is followed by H of two; an element's second letter is lower-case.
        int length = at + 1 < atom.Length && char.IsAsciiLetterLower(atom[at + 1]) ? 2 : 1;
        return char.ToUpperInvariant(atom[at]) + atom.Slice(at + 1, length - 1).ToString();
    }
}
