using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>
/// What nodes say through each relation, one linear map a relation, only where somebody hears it (<see cref="RelationRows"/>).
/// <code>
/// row of node i to itself: W_R z_i + b_R        row of node i through relation r: W_r z_i + b_r
/// </code>
/// </summary>
internal sealed class RelationLinear : autograd.SingleTensorFunction<RelationLinear>
{
    private const string Graphs = "graphs", Rounded = "rounded";

    /// <inheritdoc/>
    public override string Name => nameof(RelationLinear);

    /// <summary>All rows, of float32 on the CPU; multiplied in bfloat16 where <see cref="BFloat16Products"/> are used.</summary>
    /// <param name="z">(A, H)</param>
    /// <param name="weight">((R + 1) H, H): relation after relation, the node's own map last.</param>
    /// <param name="bias">((R + 1) H)</param>
    /// <param name="graphs">Who hears whom.</param>
    /// <returns>(A + P, H)</returns>
    public static Tensor Of(Tensor z, Tensor weight, Tensor bias, GraphBatch graphs)
    {
        using DisposeScope scope = NewDisposeScope();
        return apply(z.contiguous(), weight, bias, graphs).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor z = (Tensor)vars[0], weight = (Tensor)vars[1], bias = (Tensor)vars[2];
        GraphBatch graphs = (GraphBatch)vars[3];
        int width = (int)z.shape[1], relations = (int)(weight.shape[0] / width) - 1;
        RelationRows rows = graphs.RowsOf(relations);
        bool rounded = BFloat16Products.AreUsed;
        Tensor said = empty(graphs.Nodes + rows.Node.Length, width), by = rounded ? BFloat16Products.Round(weight) : weight;
        if (rounded) bias = BFloat16Products.Round(bias);
        foreach ((int map, Tensor input, long first) in Maps(z, Gather(z, rows), rows, rounded))
            said.narrow(0, first, input.shape[0]).copy_(Result(nn.functional.linear(input, by.narrow(0, map * width, width), bias.narrow(0, map * width, width)), rounded));
        ctx.save_for_backward([z, weight]);
        ctx.save_data(Graphs, graphs);
        ctx.save_data(Rounded, rounded);
        return said.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override unsafe List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        IList<Tensor> saved = ctx.get_saved_variables();
        Tensor z = saved[0], weight = saved[1], gradient = grad_output.contiguous();
        int width = (int)z.shape[1], relations = (int)(weight.shape[0] / width) - 1;
        RelationRows rows = ((GraphBatch)ctx.get_data(Graphs)).RowsOf(relations);
        bool rounded = (bool)ctx.get_data(Rounded);
        Tensor ofWeight = zeros_like(weight), ofBias = zeros(weight.shape[0]), by = rounded ? BFloat16Products.Round(weight) : weight;
        Tensor? ofZ = null;
        List<(Tensor Slopes, long First)> parts = [];
        foreach ((int map, Tensor input, long first) in Maps(z, Gather(z, rows), rows, rounded))
        {
            Tensor slopes = gradient.narrow(0, first, input.shape[0]);
            ofBias.narrow(0, map * width, width).copy_(slopes.sum([0]));
            if (rounded) slopes = BFloat16Products.Round(slopes);
            ofWeight.narrow(0, map * width, width).copy_(Result(slopes.t().matmul(input), rounded));
            Tensor back = Result(slopes.matmul(by.narrow(0, map * width, width)), rounded).to(ScalarType.Float32);
            if (first == 0) ofZ = back;
            else parts.Add((back, first - z.shape[0]));
        }

        float* to = FloatData.Of(ofZ!);
        foreach ((Tensor slopes, long first) in parts)
        {
            float* from = FloatData.Of(slopes);
            for (long k = 0; k < slopes.shape[0]; k++) GraphMessages.Add(to + (long)rows.Node[first + k] * width, from + k * width, width);
        }

        grad_output.Dispose();
        return BackwardResults.Return(ofZ, ofWeight, ofBias, null)!;
    }

    private static Tensor Result(Tensor product, bool rounded) => rounded ? BFloat16Products.Round(product) : product;

    /// <summary>The states of the nodes behind the first A rows, (P, H); copied again in the backward pass, which costs less than keeping them.</summary>
    private static unsafe Tensor Gather(Tensor z, RelationRows rows)
    {
        int width = (int)z.shape[1];
        Tensor gathered = empty(rows.Node.Length, width);
        if (rows.Node.Length == 0) return gathered;
        float* from = FloatData.Of(z), to = FloatData.Of(gathered);
        for (int k = 0; k < rows.Node.Length; k++) new ReadOnlySpan<float>(from + (long)rows.Node[k] * width, width).CopyTo(new Span<float>(to + (long)k * width, width));
        return gathered;
    }

    /// <summary>Each map that is needed, its inputs, and the row where its outputs begin.</summary>
    private static IEnumerable<(int Map, Tensor Input, long First)> Maps(Tensor z, Tensor gathered, RelationRows rows, bool rounded)
    {
        int relations = rows.Start.Length - 1;
        if (rounded) (z, gathered) = (BFloat16Products.Round(z), BFloat16Products.Round(gathered));
        yield return (relations, z, 0);
        for (int r = 0; r < relations; r++)
            if (rows.Start[r + 1] > rows.Start[r]) yield return (r, gathered.narrow(0, rows.Start[r], rows.Start[r + 1] - rows.Start[r]), z.shape[0] + rows.Start[r]);
    }
}
