using LlmFusion.Transformers.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// N graphs of A nodes in all, one after the other without padding. An edge goes both ways: for each (i, j, relation) there is a
/// (j, i, relation), which is why the same lists serve the backward pass.
/// </summary>
/// <param name="Features">(A, F) float32: what describes each node.</param>
/// <param name="GraphStart">(N + 1): graph n's nodes are those from GraphStart[n] up to GraphStart[n + 1]; each has at least one.</param>
/// <param name="EdgeStart">(A + 1): node i's edges are those from EdgeStart[i] up to EdgeStart[i + 1].</param>
/// <param name="EdgeSource">(E): the node at the other end.</param>
/// <param name="EdgeRelation">(E): the edge's kind, from 0.</param>
public sealed record GraphBatch(Tensor Features, int[] GraphStart, int[] EdgeStart, int[] EdgeSource, int[] EdgeRelation)
{
    /// <summary>Number of graphs N.</summary>
    public int Count => GraphStart.Length - 1;

    /// <summary>Number of nodes A.</summary>
    public int Nodes => EdgeStart.Length - 1;

    /// <summary>Most nodes of a graph.</summary>
    public int Longest { get; } = Enumerable.Range(0, GraphStart.Length - 1).Max(n => GraphStart[n + 1] - GraphStart[n]);

    /// <summary>Who says what to whom; made when first asked for, the same for every layer.</summary>
    internal RelationRows RowsOf(int relations) => _rows is { } made && made.Start.Length == relations + 1 ? made : _rows = RelationRows.Of(this, relations);

    private RelationRows? _rows;

    /// <summary>Number of nodes of each graph, (N) float32 on the features' device.</summary>
    internal Tensor Sizes() => tensor([.. Enumerable.Range(0, Count).Select(n => (float)(GraphStart[n + 1] - GraphStart[n]))], device: Features.device);

    /// <summary>The graph of each node, (A) int64 on the features' device.</summary>
    internal Tensor GraphOfNode()
    {
        long[] of = new long[Nodes];
        for (int n = 0; n < Count; n++) of.AsSpan(GraphStart[n]..GraphStart[n + 1]).Fill(n);
        return tensor(of, device: Features.device);
    }

    /// <summary>Where in a table of N rows by <see cref="Longest"/> columns, row after row, each node stands: (A) int64 on the features' device.</summary>
    /// <param name="columns">Columns of the table; nodes beyond have no place.</param>
    /// <returns>The places, and the nodes that have one; null where all have.</returns>
    public (Tensor Places, Tensor? Nodes) PlacesInTable(int columns)
    {
        List<long> places = new(Nodes), nodes = new(Nodes);
        for (int n = 0; n < Count; n++)
            for (int i = GraphStart[n]; i < Math.Min(GraphStart[n + 1], GraphStart[n] + columns); i++)
            {
                places.Add((long)n * columns + i - GraphStart[n]);
                nodes.Add(i);
            }

        return (tensor(places.ToArray(), device: Features.device), nodes.Count == Nodes ? null : tensor(nodes.ToArray(), device: Features.device));
    }
}
