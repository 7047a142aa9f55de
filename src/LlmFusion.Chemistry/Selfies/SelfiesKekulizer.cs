namespace LlmFusion.Chemistry;

/// <summary>
/// Turns aromatic bonds into single and double ones: a perfect matching among the atoms that must have one double bond.
/// Which of several Kekule structures comes out must equal selfies 2.2.0, so the matching follows its order of choices.
/// The approach is Apodaca's, https://depth-first.com/articles/2020/02/10/a-comprehensive-treatment-of-aromaticity-in-the-smiles-language/.
/// </summary>
internal static class SelfiesKekulizer
{
    private const int None = -1;

    /// <summary>Kekulises in place; false where no Kekule structure is found.</summary>
    public static bool Kekulize(SelfiesGraph graph)
    {
        int[] atoms = [.. graph.Aromatic.Keys.Where(atom => NeedsDoubleBond(graph, atom))]; // ascending
        Dictionary<int, int> labels = atoms.Select((atom, label) => (atom, label)).ToDictionary(p => p.atom, p => p.label);
        int[][] neighbours = [.. atoms.Select(atom => graph.Aromatic[atom].Where(labels.ContainsKey).Select(n => labels[n]).ToArray())];
        int[]? matching = Match(neighbours);
        if (matching == null) return false;

        foreach ((int atom, List<int> bonded) in graph.Aromatic)
        {
            foreach (int other in bonded) graph.SetOrder(atom, other, 1);
            graph.Atoms[atom].Aromatic = false;
        }
        for (int label = 0; label < matching.Length; label++) graph.SetOrder(atoms[label], atoms[matching[label]], 2);
        graph.Aromatic.Clear();
        return true;
    }

    private static bool NeedsDoubleBond(SelfiesGraph graph, int index)
    {
        int aromaticBonds = graph.Aromatic[index].Count;
        if (aromaticBonds == 0) return false;
        SelfiesAtom atom = graph.Atoms[index];
        if (!SelfiesElements.TryGetAromatic(atom.Element, out (int[] Valences, int Electrons) element))
            throw new SelfiesSyntaxException($"{atom.Element} has an aromatic bond, which SELFIES does not know");
        double bonds = graph.BondCount(index);
        int used = (int)(bonds - 0.5 * aromaticBonds); // aromatic bonds as single ones
        if (atom.Hydrogens is not int hydrogens) return !element.Valences.Contains(used);
        used += hydrogens;
        if (element.Valences.Contains(used + atom.Charge)) return false;
        // An unpaired electron takes no part in the aromatic system.
        int bound = Math.Max(0, atom.Charge) + hydrogens + (int)Math.Ceiling(bonds);
        int radical = Math.Max(0, element.Electrons - bound) % 2;
        int free = element.Valences[^1] - atom.Charge - used - radical;
        return free >= 0 && free % 2 != 0;
    }

    /// <summary>Each node's partner, or null where an augmenting path is missing.</summary>
    private static int[]? Match(int[][] graph)
    {
        int[] partner = MatchGreedily(graph);
        int[] single = [.. Enumerable.Range(0, graph.Length).Where(node => partner[node] == None)];
        if (single.Length == 0) return partner;
        var left = new HashSet<int>(single);
        foreach (int root in InSetOrder(single))
        {
            if (!left.Remove(root)) continue;
            List<int>? path = AugmentingPath(graph, root, partner);
            if (path == null) return null;
            for (int i = 0; i < path.Count; i += 2)
            {
                partner[path[i]] = path[i + 1];
                partner[path[i + 1]] = path[i];
            }
            left.Remove(path[0]);
            left.Remove(path[^1]);
        }
        return partner;
    }

    /// <summary>Matches the node with the fewest free neighbours first, with its first free neighbour.</summary>
    private static int[] MatchGreedily(int[][] graph)
    {
        var partner = new int[graph.Length];
        Array.Fill(partner, None);
        int[] free = [.. graph.Select(n => n.Length)];
        var queue = new PriorityQueue<int, (int Free, int Node)>();
        for (int node = 0; node < graph.Length; node++) queue.Enqueue(node, (free[node], node));
        while (queue.TryDequeue(out int node, out _))
        {
            if (partner[node] != None || free[node] == 0) continue;
            int mate = graph[node].First(n => partner[n] == None);
            partner[node] = mate;
            partner[mate] = node;
            foreach (int other in graph[node].Concat(graph[mate]))
            {
                free[other]--;
                if (partner[other] == None && free[other] > 0) queue.Enqueue(other, (free[other], other));
            }
        }
        return partner;
    }

    /// <summary>Node pairs to match anew, from another unmatched node back to the root, by breadth-first search; or null.</summary>
    private static List<int>? AugmentingPath(int[][] graph, int root, int[] partner)
    {
        var parents = new (int Node, int Via)?[graph.Length];
        parents[root] = (None, None);
        var queue = new Queue<int>([root]);
        while (queue.TryDequeue(out int node))
        {
            foreach (int next in graph[node])
            {
                int mate = partner[next];
                if (mate != None)
                {
                    if (parents[mate] != null) continue;
                    parents[mate] = (node, next);
                    queue.Enqueue(mate);
                }
                else if (next != root)
                {
                    parents[next] = (node, next);
                    var path = new List<int>();
                    for (int at = next; at != root; at = parents[at]!.Value.Node) path.AddRange([parents[at]!.Value.Via, parents[at]!.Value.Node]);
                    return path;
                }
            }
        }
        return null;
    }

    /// <summary>
    /// The order in which a Python set, filled with these ascending numbers, gives them back: the order of its hash
    /// table. The original takes its unmatched atoms from a set, and so the order decides between Kekule structures.
    /// </summary>
    internal static IEnumerable<int> InSetOrder(IEnumerable<int> numbers)
    {
        const int linearProbes = 9, perturbShift = 5;
        var table = new int[8];
        Array.Fill(table, None);
        int used = 0;
        foreach (int number in numbers)
        {
            Insert(table, number);
            used++;
            if (used * 5 < (table.Length - 1) * 3) continue;
            int size = 8;
            while (size <= used * 4) size *= 2;
            int[] old = table;
            table = new int[size];
            Array.Fill(table, None);
            foreach (int kept in old.Where(n => n != None)) Insert(table, kept);
        }
        return table.Where(n => n != None);

        static void Insert(int[] table, int number)
        {
            int mask = table.Length - 1, slot = number & mask, perturb = number;
            while (true)
            {
                int probes = slot + linearProbes <= mask ? linearProbes : 0;
                for (int i = slot; i <= slot + probes; i++)
                {
                    if (table[i] != None) continue;
                    table[i] = number;
                    return;
                }
                perturb >>= perturbShift;
                slot = (slot * 5 + 1 + perturb) & mask;
            }
        }
    }
}
