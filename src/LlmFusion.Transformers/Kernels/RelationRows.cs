namespace LlmFusion.Transformers.Kernels;

/// <summary>
/// What nodes say, as rows of one matrix: first each of the A nodes to itself, then, relation after relation, the nodes that have an edge
/// of it. Most nodes lack most relations, and what nobody hears is not computed.
/// </summary>
/// <param name="Node">(P): the node of each row behind the first A.</param>
/// <param name="Start">(R + 1): relation r's rows are those from A + Start[r] up to A + Start[r + 1].</param>
/// <param name="Heard">(E): the row that the edge's node hears.</param>
/// <param name="Spoken">(E): the row that the edge's node says to the other end.</param>
internal sealed record RelationRows(int[] Node, int[] Start, int[] Heard, int[] Spoken)
{
    public static RelationRows Of(GraphBatch graphs, int relations)
    {
        int edges = graphs.EdgeSource.Length;
        int[] place = new int[graphs.Nodes * relations]; // 1 + row behind the first A, by node and relation; 0: none
        for (int i = 0; i < graphs.Nodes; i++)
            for (int e = graphs.EdgeStart[i]; e < graphs.EdgeStart[i + 1]; e++) place[i * relations + graphs.EdgeRelation[e]] = 1;
        List<int> nodes = new(edges);
        int[] start = new int[relations + 1], heard = new int[edges], spoken = new int[edges];
        for (int r = 0; r < relations; r++)
        {
            for (int i = 0; i < graphs.Nodes; i++)
            {
                if (place[i * relations + r] == 0) continue;
                place[i * relations + r] = graphs.Nodes + nodes.Count;
                nodes.Add(i);
            }

            start[r + 1] = nodes.Count;
        }

        for (int i = 0; i < graphs.Nodes; i++)
            for (int e = graphs.EdgeStart[i]; e < graphs.EdgeStart[i + 1]; e++)
                (heard[e], spoken[e]) = (place[graphs.EdgeSource[e] * relations + graphs.EdgeRelation[e]], place[i * relations + graphs.EdgeRelation[e]]);
        return new RelationRows([.. nodes], start, heard, spoken);
    }
}
