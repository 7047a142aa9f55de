namespace LlmFusion.Chemistry;

/// <summary>One atom as SMILES and SELFIES write it.</summary>
internal sealed class SelfiesAtom
{
    /// <summary>Bonds an atom can make, by element and charge: the default constraints of selfies 2.2.0.</summary>
    private static readonly Dictionary<(string Element, int Charge), int> Capacities = new (string Element, int Charge, int Bonds)[]
    {
        ("H", 0, 1), ("F", 0, 1), ("Cl", 0, 1), ("Br", 0, 1), ("I", 0, 1),
        ("B", 0, 3), ("B", +1, 2), ("B", -1, 4),
        ("O", 0, 2), ("O", +1, 3), ("O", -1, 1),
        ("N", 0, 3), ("N", +1, 4), ("N", -1, 2),
        ("C", 0, 4), ("C", +1, 3), ("C", -1, 3),
        ("P", 0, 5), ("P", +1, 4), ("P", -1, 6),
        ("S", 0, 6), ("S", +1, 5), ("S", -1, 5),
    }.ToDictionary(c => (c.Element, c.Charge), c => c.Bonds);
    private const int OtherCapacity = 8;

    public required string Element { get; init; }
    public bool Aromatic { get; set; }
    public string? Isotope { get; init; }
    /// <summary>"@", "@@" or null.</summary>
    public string? Chirality { get; set; }
    /// <summary>Hydrogens written in the bracket; null for an atom without bracket, whose hydrogens are implicit.</summary>
    public int? Hydrogens { get; init; }
    public int Charge { get; init; }
    public int Index { get; set; } = -1;

    /// <summary>Bonds the atom can make beside its written hydrogens; negative where there are too many of those.</summary>
    public int Capacity => Capacities.GetValueOrDefault((Element, Charge), OtherCapacity) - (Hydrogens ?? 0);

    public void InvertChirality() => Chirality = Chirality switch { "@" => "@@", "@@" => "@", _ => Chirality };

    /// <summary>The atom in SMILES spelling, without the brackets; <paramref name="bracket"/> tells whether SMILES needs them.</summary>
    public string Text(out bool bracket)
    {
        bracket = Isotope != null || Chirality != null || Hydrogens != null || Charge != 0;
        if (!bracket) return Element;
        string hydrogens = Hydrogens is int count and not 0 ? $"H{count}" : "";
        // "[C0]" would be read as a plain C: a bare organic atom without hydrogens says so.
        if (Isotope == null && Chirality == null && Hydrogens == 0 && Charge == 0 && SelfiesElements.IsOrganic(Element)) hydrogens = "H0";
        string charge = Charge == 0 ? "" : Charge.ToString("+0;-0");
        return Isotope + Element + Chirality + hydrogens + charge;
    }
}

/// <summary>A bond as seen from one end. A chain bond is kept at its first atom only, a ring bond at both ends.</summary>
internal sealed class SelfiesBond(int from, int to, double order, char? stereo, bool ring)
{
    public int From => from;
    public int To => to;
    /// <summary>1, 2, 3, or 1.5 while aromatic.</summary>
    public double Order { get; set; } = order;
    /// <summary>'/' or '\' written at this end, or null.</summary>
    public char? Stereo => stereo;
    public bool Ring => ring;

    /// <summary>The bond in SMILES spelling.</summary>
    public string Text => Order switch { 1 => stereo?.ToString() ?? "", 2 => "=", _ => "#" };
}

/// <summary>A molecule in writing order: each atom knows the bonds that follow it in the text, in their order.</summary>
internal sealed class SelfiesGraph
{
    private readonly Dictionary<(int From, int To), SelfiesBond> bonds = [];
    private readonly List<List<SelfiesBond?>> following = [];
    private readonly List<double> bondCounts = [];
    private readonly List<bool> inRingBond = [];
    private readonly SortedDictionary<int, List<int>> aromatic = [];

    public List<SelfiesAtom> Atoms { get; } = [];

    /// <summary>The first atom of each dot-separated part.</summary>
    public List<int> Roots { get; } = [];

    /// <summary>Aromatic atoms with their aromatic neighbours in the order the bonds were made; empty when kekulised.</summary>
    public SortedDictionary<int, List<int>> Aromatic => aromatic;

    public double BondCount(int atom) => bondCounts[atom];

    public bool HasRingBond(int atom) => inRingBond[atom];

    /// <summary>The bonds written after the atom; a ring number that is still open is null.</summary>
    public List<SelfiesBond?> Following(int atom) => following[atom];

    public bool HasBond(int a, int b) => bonds.ContainsKey((Math.Min(a, b), Math.Max(a, b)));

    public SelfiesBond Bond(int from, int to) => bonds[(from, to)];

    public void AddAtom(SelfiesAtom atom, bool root)
    {
        atom.Index = Atoms.Count;
        Atoms.Add(atom);
        if (root) Roots.Add(atom.Index);
        following.Add([]);
        bondCounts.Add(0);
        inRingBond.Add(false);
        if (atom.Aromatic) aromatic[atom.Index] = [];
    }

    public void AddBond(int from, int to, double order, char? stereo)
    {
        Place(new SelfiesBond(from, to, order, stereo, ring: false), following[from].Count);
        Count(from, to, order);
    }

    /// <summary>Keeps a place among the bonds after an atom, for the ring number that opens there.</summary>
    public int Reserve(int atom)
    {
        following[atom].Add(null);
        return following[atom].Count - 1;
    }

    /// <summary>Joins two atoms by a ring bond at the given places among the bonds that follow them.</summary>
    public void AddRingBond(int a, int aPlace, char? aStereo, int b, int bPlace, char? bStereo, double order)
    {
        Place(new SelfiesBond(a, b, order, aStereo, ring: true), aPlace);
        Place(new SelfiesBond(b, a, order, bStereo, ring: true), bPlace);
        Count(a, b, order);
        inRingBond[a] = inRingBond[b] = true;
    }

    public void SetOrder(int a, int b, double order)
    {
        (a, b) = (Math.Min(a, b), Math.Max(a, b));
        SelfiesBond bond = bonds[(a, b)];
        double change = order - bond.Order;
        bond.Order = order;
        if (bond.Ring) bonds[(b, a)].Order = order;
        bondCounts[a] += change;
        bondCounts[b] += change;
    }

    private void Place(SelfiesBond bond, int place)
    {
        bonds[(bond.From, bond.To)] = bond;
        List<SelfiesBond?> list = following[bond.From];
        if (place < list.Count && list[place] == null) list[place] = bond;
        else list.Insert(place, bond);
    }

    private void Count(int a, int b, double order)
    {
        bondCounts[a] += order;
        bondCounts[b] += order;
        if (order != 1.5) return;
        AromaticNeighbours(a).Add(b);
        AromaticNeighbours(b).Add(a);
    }

    private List<int> AromaticNeighbours(int atom)
    {
        if (!aromatic.TryGetValue(atom, out List<int>? neighbours)) aromatic[atom] = neighbours = [];
        return neighbours;
    }
}
