using System.Runtime.InteropServices;
using LlmFusion.Chemistry;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Modalities;

/// <summary>
/// How a molecular graph becomes numbers. An atom is a row of ones and zeros (element, hydrogens, neighbours, charge, aromaticity,
/// hybridisation, sizes of its rings, CIP label) and of counts of its bonds by what their kind does not say (in a ring, E, Z, other);
/// a bond is one edge of its type, and another of the relation "conjugated" where it is.
/// </summary>
public static class GraphFeatures
{
    /// <summary>Kinds of edges: single, double, triple, aromatic, other; conjugated.</summary>
    public const int Relations = 6;

    private const int Conjugated = 5;
    private const int Elements = 119, MostHydrogens = 4, MostNeighbours = 6, MostCharge = 2, Orbitals = 6, RingKinds = 7, Labels = 3;
    private const int Hydrogens = Elements, Neighbours = Hydrogens + MostHydrogens + 1, Charge = Neighbours + MostNeighbours + 1, Aromatic = Charge + 2 * MostCharge + 1,
        Hybridisation = Aromatic + 1, Rings = Hybridisation + Orbitals, Label = Rings + RingKinds, RingBonds = Label + Labels, Stereo = RingBonds + 1;

    /// <summary>Numbers that describe an atom.</summary>
    public const int Count = Stereo + 3;

    /// <summary>K molecules as one batch of graphs, on the current dispose scope.</summary>
    /// <param name="graphs">K molecules.</param>
    /// <param name="device">Where the features shall lie.</param>
    public static GraphBatch Batch(IReadOnlyList<MolecularGraph> graphs, Device device)
    {
        int atoms = graphs.Sum(g => g.AtomCount), edges = 0;
        int[] graphStart = new int[graphs.Count + 1], edgeStart = new int[atoms + 1];
        Tensor features = zeros(atoms, Count);                                           // (A, F)
        Span<float> values = MemoryMarshal.Cast<byte, float>(features.bytes);
        for (int n = 0; n < graphs.Count; n++)
        {
            MolecularGraph graph = graphs[n];
            int first = graphStart[n];
            graphStart[n + 1] = first + graph.AtomCount;
            for (int a = 0; a < graph.AtomCount; a++) Describe(graph.Atom(a), values.Slice((first + a) * Count, Count));
            for (int b = 0; b < graph.BondCount; b++)
            {
                Bond bond = graph.Bond(b);
                foreach (int atom in (ReadOnlySpan<int>)[first + bond.First, first + bond.Second])
                {
                    Describe(bond, values.Slice(atom * Count, Count));
                    edgeStart[atom + 1] += bond.IsConjugated ? 2 : 1;
                }
            }
        }

        for (int i = 0; i < atoms; i++) edges = edgeStart[i + 1] += edges;
        int[] source = new int[edges], relation = new int[edges], next = edgeStart[..atoms];
        for (int n = 0; n < graphs.Count; n++)
            for (int b = 0; b < graphs[n].BondCount; b++)
            {
                Bond bond = graphs[n].Bond(b);
                (int i, int j) = (graphStart[n] + bond.First, graphStart[n] + bond.Second);
                foreach ((int at, int from) in (ReadOnlySpan<(int, int)>)[(i, j), (j, i)])
                {
                    (source[next[at]], relation[next[at]++]) = (from, (int)bond.Type);
                    if (bond.IsConjugated) (source[next[at]], relation[next[at]++]) = (from, Conjugated);
                }
            }

        return new GraphBatch(features.to(device), graphStart, edgeStart, source, relation);
    }

    private static void Describe(Atom atom, Span<float> row)
    {
        row[Math.Clamp(atom.Element, 0, Elements - 1)] = 1;
        row[Hydrogens + Math.Min(atom.Hydrogens, MostHydrogens)] = 1;
        row[Neighbours + Math.Min(atom.Degree, MostNeighbours)] = 1;
        row[Charge + Math.Clamp(atom.Charge, -MostCharge, MostCharge) + MostCharge] = 1;
        if (atom.IsAromatic) row[Aromatic] = 1;
        row[Hybridisation + (int)atom.Hybridisation] = 1;
        for (int k = 0; k < RingKinds; k++)
            if ((atom.RingSizes & 1 << k) != 0) row[Rings + k] = 1;
        if (atom.Chirality != Chirality.None) row[Label + (int)atom.Chirality - 1] = 1;
    }

    private static void Describe(Bond bond, Span<float> row)
    {
        if (bond.InRing) row[RingBonds]++;
        if (bond.Stereo != BondStereo.None) row[Stereo + (int)bond.Stereo - 1]++;
    }
}
