using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>
/// What nodes hear, added to their state: <c>x_i + ReLU(s_i + g_n(i) + sum over edges (j, r) of i: s_j,r)</c>, where s is what nodes say. One pass
/// over memory in the place of a gather, a scatter and three sums; other devices, and all that is no float32, take these.
/// </summary>
internal sealed class GraphMessages : autograd.SingleTensorFunction<GraphMessages>
{
    private const string Graphs = "graphs", Relations = "relations";
    private const int LeastNodes = 128;

    /// <inheritdoc/>
    public override string Name => nameof(GraphMessages);

    /// <summary>The new states.</summary>
    /// <param name="x">(A, H): states.</param>
    /// <param name="z">(A, H): states as they are spoken of.</param>
    /// <param name="weight">((R + 1) H, H): what is said through each of R relations, and to oneself.</param>
    /// <param name="bias">((R + 1) H)</param>
    /// <param name="g">(N, H): what each graph says to its nodes.</param>
    /// <param name="graphs">Who hears whom.</param>
    /// <returns>(A, H)</returns>
    public static Tensor Add(Tensor x, Tensor z, Tensor weight, Tensor bias, Tensor g, GraphBatch graphs)
    {
        if (!new[] { x, z, weight, bias, g }.All(FloatData.IsReachable)) return Formula(x, z, weight, bias, g, graphs);
        using DisposeScope scope = NewDisposeScope();
        return apply(x.contiguous(), RelationLinear.Of(z, weight, bias, graphs), g.contiguous(), graphs, (int)(weight.shape[0] / x.shape[1]) - 1).MoveToOuterDisposeScope();
    }

    /// <summary>The same by libtorch's operations.</summary>
    internal static Tensor Formula(Tensor x, Tensor z, Tensor weight, Tensor bias, Tensor g, GraphBatch graphs)
    {
        using DisposeScope scope = NewDisposeScope();
        long width = x.shape[1], relations = weight.shape[0] / width - 1;
        long[] target = new long[graphs.EdgeSource.Length], spoken = new long[graphs.EdgeSource.Length];
        for (int i = 0; i < graphs.Nodes; i++)
            for (int e = graphs.EdgeStart[i]; e < graphs.EdgeStart[i + 1]; e++)
                (target[e], spoken[e]) = (i, graphs.EdgeSource[e] * (relations + 1) + graphs.EdgeRelation[e]);
        Tensor p = nn.functional.linear(z, weight, bias);                                // (A, (R + 1) H)
        Tensor heard = p.narrow(1, relations * width, width) + g.index_select(0, graphs.GraphOfNode());
        if (target.Length > 0)
            heard = heard.index_add(0, tensor(target, device: p.device), p.reshape(-1, width).index_select(0, tensor(spoken, device: p.device)), 1);
        return (x + nn.functional.relu(heard)).MoveToOuterDisposeScope();                // (A, H)
    }

    /// <inheritdoc/>
    public override unsafe Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor x = (Tensor)vars[0], s = (Tensor)vars[1], g = (Tensor)vars[2], y = empty_like(x), heard = empty_like(x);
        GraphBatch graphs = (GraphBatch)vars[3];
        ctx.save_for_backward([heard]);
        ctx.save_data(Graphs, graphs);
        ctx.save_data(Relations, vars[4]);
        int width = (int)x.shape[1];
        int[] rows = graphs.RowsOf((int)vars[4]).Heard;
        float* from = FloatData.Of(x), said = FloatData.Of(s), ofGraph = FloatData.Of(g), to = FloatData.Of(y), kept = FloatData.Of(heard);
        Share(graphs, (n, first, end) =>
        {
            for (int i = first; i < end; i++)
            {
                float* sum = kept + (long)i * width;
                Sum(sum, said + (long)i * width, ofGraph + (long)n * width, width);
                for (int e = graphs.EdgeStart[i]; e < graphs.EdgeStart[i + 1]; e++) Add(sum, said + (long)rows[e] * width, width);
                Rectify(sum, from + (long)i * width, to + (long)i * width, width);
            }
        });
        return y;
    }

    /// <inheritdoc/>
    public override unsafe List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        GraphBatch graphs = (GraphBatch)ctx.get_data(Graphs);
        RelationRows rows = graphs.RowsOf((int)ctx.get_data(Relations));
        Tensor heard = ctx.get_saved_variables()[0], gradient = grad_output.contiguous();
        int width = (int)heard.shape[1];
        Tensor said = zeros(graphs.Nodes + rows.Node.Length, width), ofGraph = zeros(graphs.Count, width);
        float* kept = FloatData.Of(heard), from = FloatData.Of(gradient), to = FloatData.Of(said), toGraph = FloatData.Of(ofGraph);
        Share(graphs, (n, first, end) =>
        {
            // Edges stay within their graph: its slopes, which are the rows that its nodes say to themselves, come first.
            for (int i = first; i < end; i++)
            {
                Gate(to + (long)i * width, kept + (long)i * width, from + (long)i * width, width);
                Add(toGraph + (long)n * width, to + (long)i * width, width);
            }

            for (int j = first; j < end; j++)
                for (int e = graphs.EdgeStart[j]; e < graphs.EdgeStart[j + 1]; e++) Add(to + (long)rows.Spoken[e] * width, to + (long)graphs.EdgeSource[e] * width, width);
        });
        grad_output.Dispose();
        return BackwardResults.Return(gradient, said, ofGraph, null, null)!;
    }

    private static void Share(GraphBatch graphs, Action<int, int, int> each) =>
        Cores.Share(graphs.Count, Math.Max(1, LeastNodes * (long)graphs.Count / graphs.Nodes), (start, end) =>
        {
            for (int n = (int)start; n < end; n++) each(n, graphs.GraphStart[n], graphs.GraphStart[n + 1]);
        });

    /// <summary>to = a + b.</summary>
    private static unsafe void Sum(float* to, float* a, float* b, int width)
    {
        int i = 0;
        for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count) (Vector256.Load(a + i) + Vector256.Load(b + i)).Store(to + i);
        for (; i < width; i++) to[i] = a[i] + b[i];
    }

    /// <summary>to += from.</summary>
    internal static unsafe void Add(float* to, float* from, int width)
    {
        int i = 0;
        for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count) (Vector256.Load(to + i) + Vector256.Load(from + i)).Store(to + i);
        for (; i < width; i++) to[i] += from[i];
    }

    /// <summary>to = x + ReLU(sum).</summary>
    private static unsafe void Rectify(float* sum, float* x, float* to, int width)
    {
        int i = 0;
        for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count)
            (Vector256.Load(x + i) + Vector256.Max(Vector256.Load(sum + i), Vector256<float>.Zero)).Store(to + i);
        for (; i < width; i++) to[i] = x[i] + MathF.Max(sum[i], 0);
    }

    /// <summary>to = gradient where sum is above 0, else 0.</summary>
    private static unsafe void Gate(float* to, float* sum, float* gradient, int width)
    {
        int i = 0;
        for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count)
            (Vector256.GreaterThan(Vector256.Load(sum + i), Vector256<float>.Zero) & Vector256.Load(gradient + i)).Store(to + i);
        for (; i < width; i++) to[i] = sum[i] > 0 ? gradient[i] : 0;
    }
}
