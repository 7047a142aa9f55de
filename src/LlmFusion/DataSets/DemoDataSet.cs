using System.Globalization;
using LlmFusion.Chemistry;

namespace LlmFusion.DataSets;

/// <summary>
/// Molecules that the program assembles itself from ring systems, bridges and substituents, always the same ones: a data set without
/// a file. The targets are RDKit's LogP and QED; the text names ring systems and functional groups, never a target, a number or
/// another quantity that they are computed from.
/// </summary>
public static class DemoDataSet
{
    /// <summary>The name in the <see cref="Catalog"/>.</summary>
    public const string Name = "demo";

    private const int Molecules = 2000;
    private const ulong Seed = 20250;

    private static readonly Lazy<IReadOnlyList<Assembled>> Made = new(() => [.. Make()]);

    /// <summary>logp and qed.</summary>
    public static IReadOnlyList<string> AllTargets { get; } = ["logp", "qed"];

    /// <summary>All molecules: train, then valid, then test (0.8, 0.1, 0.1, fixed).</summary>
    public static IEnumerable<DataRow> Rows(IReadOnlyList<string>? targets = null)
    {
        targets ??= AllTargets;
        var layout = new TableLayout(Name, ["id", "smiles", "text", "logp", "qed", "split"])
        {
            Id = 0,
            Smiles = 1,
            Text = 2,
            Split = 5,
            Targets = targets,
            TargetColumns = [.. targets.Select(t => t switch
            {
                "logp" => 3,
                "qed" => 4,
                _ => throw new ArgumentException($"target of {Name}: got \"{t}\", expected {string.Join(", ", AllTargets)}", nameof(targets)),
            })],
        };
        int[] sizes = SplitFractions.Default.Sizes(Molecules);
        return Made.Value.Select((m, i) =>
        {
            string id = string.Create(CultureInfo.InvariantCulture, $"demo-{i + 1:0000}");
            string part = i < sizes[0] ? Parts.Train : i < sizes[0] + sizes[1] ? Parts.Valid : Parts.Test;
            float[] values = [.. layout.TargetColumns.Select(c => (float)(c == 3 ? m.LogP : m.Qed))];
            return new DataRow(
                i + 1, i + 1,
                [id, m.Smiles, m.Text, m.LogP.ToString(CultureInfo.InvariantCulture), m.Qed.ToString(CultureInfo.InvariantCulture), part],
                new Sample(id, m.Smiles, m.Text, values, part),
                null)
            { Layout = layout };
        });
    }

    private static IEnumerable<Assembled> Make()
    {
        HashSet<string> seen = [];
        IEnumerable<Draft> drafts = MoleculeBatch.Select(Drafts(), Identify).OfType<Draft>().Where(d => seen.Add(d.WithoutStereo)).Take(Molecules);
        return MoleculeBatch.Select(drafts, Measure);
    }

    private static Draft? Identify((string Smiles, string Text) draft)
    {
        if (!Molecule.TryParse(draft.Smiles, out Molecule? molecule, out _))
            return null;
        using (molecule)
            return new Draft(molecule.CanonicalSmiles, molecule.CanonicalSmilesWithoutStereo, draft.Text);
    }

    private static Assembled Measure(Draft draft)
    {
        using Molecule molecule = Molecule.Parse(draft.Smiles);
        return new Assembled(draft.Smiles, draft.Text, molecule.LogP, molecule.Qed);
    }

    private static IEnumerable<(string Smiles, string Text)> Drafts()
    {
        var random = new SeededShuffle(Seed);
        while (true)
        {
            yield return random.Below(20) switch
            {
                < 2 => Chain(random),
                < 6 => Ring(random),
                < 16 => TwoRings(random),
                _ => ThreeRings(random),
            };
        }
    }

    private static (string Smiles, string Text) Chain(SeededShuffle random)
    {
        (string chain, string name) = Pick(random, DemoFragments.Chains);
        GroupFragment first = Group(random, Site.Carbon);
        GroupFragment second = Group(random, Site.Carbon);
        return (first.Head + chain + second.Branch, $"The molecule has no ring. It is {name} with {List([first.Name, second.Name])}.");
    }

    private static (string Smiles, string Text) Ring(SeededShuffle random)
    {
        RingFragment ring = Pick(random, DemoFragments.Rings);
        GroupFragment head = Group(random, ring.Entry);
        List<string> groups = [head.Name];
        return (head.Head + Fill(random, ring, groups, 0), Describe([ring], [], groups));
    }

    private static (string Smiles, string Text) TwoRings(SeededShuffle random)
    {
        List<string> groups = [], bridges = [];
        RingFragment first = WithSlot(random);
        (string tail, RingFragment second) = Bridge(random, first, bridges);
        GroupFragment? head = first.Entry == Site.Nitrogen || random.Below(2) == 0 ? Group(random, first.Entry) : null;
        if (head is not null)
            groups.Add(head.Name);
        return ((head?.Head ?? "") + Put(first, tail + Fill(random, second, groups, 1), 0), Describe([first, second], bridges, groups));
    }

    private static (string Smiles, string Text) ThreeRings(SeededShuffle random)
    {
        List<string> groups = [], bridges = [];
        RingFragment first = WithSlot(random);
        (string tail, RingFragment second) = Bridge(random, first, bridges, slot: true);
        (string end, RingFragment third) = Bridge(random, second, bridges);
        GroupFragment? head = first.Entry == Site.Nitrogen ? Group(random, first.Entry) : null;
        if (head is not null)
            groups.Add(head.Name);
        return (
            (head?.Head ?? "") + Put(first, tail + Put(second, end + Fill(random, third, groups, 2), 1), 0),
            Describe([first, second, third], bridges, groups));
    }

    /// <summary>A linker and the ring after it that may follow a ring's slot together.</summary>
    private static (string Linker, RingFragment Ring) Bridge(SeededShuffle random, RingFragment from, List<string> names, bool slot = false)
    {
        while (true)
        {
            LinkerFragment linker = Pick(random, DemoFragments.Linkers);
            RingFragment ring = slot ? WithSlot(random) : Pick(random, DemoFragments.Rings);
            string? name = ring.Entry == Site.Nitrogen ? linker.NameBeforeNitrogen : linker.Name;
            // A nitrogen slot takes what binds by a carbon; single atoms and heteroatoms would be N-N, N-O or an aminal.
            bool fits = from.Slot switch
            {
                Site.Aromatic => true,
                Site.Carbon => !linker.AromaticOnly,
                _ => linker.Smiles is "C" or "CC" or "C(=O)" or "C(=O)N" or "CC(=O)N" && !(linker.Smiles == "C" && ring.Entry == Site.Nitrogen),
            };
            if (name is null || !fits || (linker.AromaticOnly && ring.Entry == Site.Carbon))
                continue;
            names.Add(from.Slot == Site.Nitrogen ? OnNitrogen(linker.Smiles, ring.Entry, name) : name);
            return (linker.Smiles, ring);
        }
    }

    // Bound to a ring's nitrogen, what begins with a carbonyl is another functional group.
    private static string OnNitrogen(string linker, Site entry, string name) => (linker, entry) switch
    {
        ("C(=O)", Site.Nitrogen) or ("C(=O)N", _) => "a urea",
        ("C(=O)", _) => "an amide",
        _ => name,
    };

    private static RingFragment WithSlot(SeededShuffle random)
    {
        while (true)
        {
            RingFragment ring = Pick(random, DemoFragments.Rings);
            if (ring.Smiles.Contains('*', StringComparison.Ordinal))
                return ring;
        }
    }

    private static string Fill(SeededShuffle random, RingFragment ring, List<string> groups, int depth)
    {
        // A nitrogen is always substituted, so that no ring is a free amine by accident.
        bool free = !ring.Smiles.Contains('*', StringComparison.Ordinal) || (ring.Slot != Site.Nitrogen && random.Below(3) == 0);
        if (free)
            return Put(ring, "", depth);
        GroupFragment group = Group(random, ring.Slot);
        groups.Add(group.Name);
        return Put(ring, group.Branch, depth);
    }

    // A ring inside another's branch needs ring-closure digits of its own.
    private static string Put(RingFragment ring, string branch, int depth)
    {
        string smiles = string.Concat(ring.Smiles.Select(c => char.IsAsciiDigit(c) ? (char)(c + (2 * depth)) : c));
        return branch.Length == 0 ? smiles.Replace("(*)", "") : smiles.Replace("*", branch);
    }

    private static GroupFragment Group(SeededShuffle random, Site site)
    {
        while (true)
        {
            GroupFragment group = Pick(random, DemoFragments.Groups);
            if (group.Sites.Contains(site))
                return group;
        }
    }

    private static T Pick<T>(SeededShuffle random, T[] among) => among[random.Below(among.Length)];

    private static string Describe(RingFragment[] rings, List<string> bridges, List<string> groups)
    {
        string text = $"The molecule is built on {List(rings.Select(r => r.Name))}.";
        if (bridges.Count > 0)
            text += $" The ring systems are joined by {List(bridges)}.";
        return text + (groups.Count > 0 ? $" It carries {List(groups)}." : " It carries no other group.");
    }

    // Each name once: a text does not count.
    private static string List(IEnumerable<string> names)
    {
        string[] distinct = [.. names.Distinct()];
        return distinct.Length == 1 ? distinct[0] : string.Join(", ", distinct[..^1]) + " and " + distinct[^1];
    }

    private sealed record Draft(string Smiles, string WithoutStereo, string Text);

    private sealed record Assembled(string Smiles, string Text, double LogP, double Qed);
}
