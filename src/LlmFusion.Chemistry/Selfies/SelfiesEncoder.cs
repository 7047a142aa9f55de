using System.Runtime.CompilerServices;

namespace LlmFusion.Chemistry;

/// <summary>SMILES to SELFIES.</summary>
internal static class SelfiesEncoder
{
    public static string Encode(string smiles, bool strict)
    {
        SelfiesGraph graph = SelfiesSmilesReader.Read(smiles);
        if (graph.Aromatic.Count > 0 && !SelfiesKekulizer.Kekulize(graph)) throw new SelfiesSyntaxException("no Kekule structure found");
        if (strict) CheckCapacities(graph);
        foreach (SelfiesAtom atom in graph.Atoms)
        {
            if (atom.Chirality != null && graph.HasRingBond(atom.Index) && ReordersOddly(graph, atom.Index)) atom.InvertChirality();
        }
        return string.Join('.', graph.Roots.Select(root => string.Concat(Chain(graph, null, root))));
    }

    private static void CheckCapacities(SelfiesGraph graph)
    {
        string[] over = [.. graph.Atoms
            .Where(atom => graph.BondCount(atom.Index) > atom.Capacity)
            .Select(atom => $"{atom.Text(out _)} (atom {atom.Index + 1}) has {graph.BondCount(atom.Index)} bonds, at most {atom.Capacity} allowed")];
        if (over.Length > 0) throw new SelfiesSyntaxException("it violates the semantic constraints: " + string.Join("; ", over));
    }

    /// <summary>
    /// Whether SELFIES lists the atom's neighbours in an odd permutation of the SMILES' order: first rings that close
    /// here, then rings that open here by the order in which they close, then branches and the chain.
    /// </summary>
    private static bool ReordersOddly(SelfiesGraph graph, int atom)
    {
        int[] order = [.. graph.Following(atom)
            .Select((bond, place) => (Bond: bond!, Place: place))
            .OrderBy(b => !b.Bond.Ring ? 2 : b.Bond.From < b.Bond.To ? 1 : 0)
            .ThenBy(b => b.Bond.Ring && b.Bond.From < b.Bond.To ? b.Bond.To : 0) // stable: else the order as written
            .Select(b => b.Place)];
        int inversions = 0;
        for (int i = 0; i < order.Length; i++)
        {
            for (int j = i + 1; j < order.Length; j++) inversions += order[i] > order[j] ? 1 : 0;
        }
        return inversions % 2 != 0;
    }

    /// <summary>The symbols of a chain and all that hangs on it.</summary>
    private static List<string> Chain(SelfiesGraph graph, SelfiesBond? into, int atom)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var symbols = new List<string>();
        while (true)
        {
            symbols.Add($"[{into?.Text}{graph.Atoms[atom].Text(out _)}]");
            List<SelfiesBond?> following = graph.Following(atom);
            into = null;
            for (int i = 0; i < following.Count; i++)
            {
                SelfiesBond bond = following[i]!;
                if (bond.Ring)
                {
                    if (bond.From < bond.To) continue; // a ring is written where it closes
                    List<string> length = SelfiesSymbols.FromIndex(bond.From - bond.To - 1);
                    symbols.Add($"[{RingBond(graph.Bond(bond.To, bond.From), bond)}Ring{length.Count}]");
                    symbols.AddRange(length);
                }
                else if (i == following.Count - 1)
                {
                    into = bond;
                }
                else
                {
                    List<string> branch = Chain(graph, bond, bond.To);
                    List<string> length = SelfiesSymbols.FromIndex(branch.Count - 1);
                    symbols.Add($"[{WithoutStereo(bond)}Branch{length.Count}]");
                    symbols.AddRange(length);
                    symbols.AddRange(branch);
                }
            }
            if (into == null) return symbols;
            atom = into.To;
        }
    }

    private static string WithoutStereo(SelfiesBond bond) => bond.Order == 1 ? "" : bond.Text;

    private static string RingBond(SelfiesBond left, SelfiesBond right) =>
        left.Order != 1 || (left.Stereo == null && right.Stereo == null)
            ? WithoutStereo(left)
            : $"{left.Stereo ?? '-'}{right.Stereo ?? '-'}";
}
