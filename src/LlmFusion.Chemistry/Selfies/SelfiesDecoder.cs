using System.Runtime.CompilerServices;
using System.Text;

namespace LlmFusion.Chemistry;

/// <summary>SELFIES to SMILES: the derivation rules of selfies 2.2.0.</summary>
internal sealed class SelfiesDecoder
{
    private const int Begin = 0;   // no atom yet
    private const int Closed = -1; // the last atom has no bond left

    private readonly SelfiesGraph graph = new();
    private readonly List<Ring> rings = [];
    private List<string> symbols = [];
    private int next;

    private readonly record struct Ring(SelfiesAtom Left, SelfiesAtom Right, int Order, char? LeftStereo, char? RightStereo);

    public static string Decode(string selfies)
    {
        var decoder = new SelfiesDecoder();
        foreach (string part in selfies.Split('.'))
        {
            decoder.symbols = SelfiesSymbols.Split(part);
            decoder.symbols.RemoveAll(symbol => symbol == "[nop]");
            decoder.next = 0;
            decoder.Derive(int.MaxValue, Begin, null);
        }
        decoder.MakeRings();
        return new SelfiesSmilesWriter(decoder.graph).Write();
    }

    /// <summary>
    /// Adds atoms from at most <paramref name="most"/> symbols. The state is how many bonds the last atom can still
    /// make. Returns how many symbols the rules count as used.
    /// </summary>
    private int Derive(int most, int state, SelfiesAtom? last)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        int used = 0;
        while (state != Closed && used < most && next < symbols.Count)
        {
            string symbol = symbols[next++];
            used++;
            string family = symbol.Length >= 4 ? symbol[^4..^2] : "";
            if (family == "ch")
            {
                (int order, int digits) = SelfiesSymbols.ReadBranch(symbol) ?? throw Unknown(symbol);
                if (state <= 1) continue;
                int branchState = Math.Min(state - 1, order);
                int length = ReadIndex(digits) + 1;
                used += digits + Derive(length, branchState, last);
                state -= branchState;
            }
            else if (family == "ng")
            {
                (int order, int digits, char? left, char? right) = SelfiesSymbols.ReadRing(symbol) ?? throw Unknown(symbol);
                if (state == Begin) continue;
                order = Math.Min(order, state);
                int length = ReadIndex(digits) + 1;
                used += digits;
                rings.Add(new Ring(graph.Atoms[Math.Max(0, last!.Index - length)], last, order, left, right));
                state = state == order ? Closed : state - order;
            }
            else if (symbol.Contains("eps", StringComparison.Ordinal))
            {
                if (state != Begin) state = Closed;
            }
            else
            {
                (int order, char? stereo, SelfiesAtom atom) = SelfiesSymbols.ReadAtom(symbol) ?? throw Unknown(symbol);
                order = Math.Min(order, Math.Min(state, atom.Capacity)); // 0 at the beginning, and for a full atom
                if (order > 0 || state == Begin) graph.AddAtom(atom, root: order == 0);
                if (order > 0) graph.AddBond(last!.Index, atom.Index, order, stereo);
                state = atom.Capacity == order ? Closed : atom.Capacity - order;
                last = atom;
            }
        }
        int skipped = Math.Min(most - used, symbols.Count - next); // what follows a closed atom counts, but adds nothing
        if (skipped <= 0) return used;
        next += skipped;
        return used + skipped;
    }

    private int ReadIndex(int digits)
    {
        var read = new string?[digits];
        for (int i = 0; i < digits && next < symbols.Count; i++) read[i] = symbols[next++];
        return SelfiesSymbols.ToIndex(read);
    }

    /// <summary>Rings come last, each as far as both its atoms have bonds left.</summary>
    private void MakeRings()
    {
        var made = new int[graph.Atoms.Count];
        foreach (Ring ring in rings)
        {
            int left = ring.Left.Index, right = ring.Right.Index;
            if (left == right) continue;
            int order = Math.Min(ring.Order, (int)Math.Min(ring.Left.Capacity - graph.BondCount(left), ring.Right.Capacity - graph.BondCount(right)));
            if (order <= 0) continue;
            if (graph.HasBond(left, right))
                graph.SetOrder(left, right, Math.Min(order + graph.Bond(left, right).Order, 3));
            else
                graph.AddRingBond(left, made[left]++, ring.LeftStereo, right, made[right]++, ring.RightStereo, order);
        }
    }

    private static SelfiesSyntaxException Unknown(string symbol) => new($"unknown symbol '{symbol}'");
}

/// <summary>Writes a kekulised graph as SMILES, in its own order.</summary>
internal sealed class SelfiesSmilesWriter(SelfiesGraph graph)
{
    private readonly StringBuilder text = new();
    private readonly Dictionary<(int, int), int> ringNumbers = [];

    public string Write()
    {
        foreach (int root in graph.Roots)
        {
            if (text.Length > 0) text.Append('.');
            Chain(root);
        }
        return text.ToString();
    }

    private void Chain(int atom)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        while (true)
        {
            string symbol = graph.Atoms[atom].Text(out bool bracket);
            if (bracket) text.Append('[').Append(symbol).Append(']');
            else text.Append(symbol);
            List<SelfiesBond?> following = graph.Following(atom);
            int chain = -1;
            for (int i = 0; i < following.Count; i++)
            {
                SelfiesBond bond = following[i]!;
                bool branch = !bond.Ring && i < following.Count - 1;
                if (branch) text.Append('(');
                text.Append(bond.Text);
                if (bond.Ring) RingNumber(bond);
                else if (branch) Chain(bond.To);
                else chain = bond.To;
                if (branch) text.Append(')');
            }
            if (chain < 0) return;
            atom = chain;
        }
    }

    private void RingNumber(SelfiesBond bond)
    {
        (int, int) ends = (Math.Min(bond.From, bond.To), Math.Max(bond.From, bond.To));
        if (!ringNumbers.TryGetValue(ends, out int number)) ringNumbers[ends] = number = ringNumbers.Count + 1;
        if (number >= 10) text.Append('%');
        text.Append(number);
    }
}
