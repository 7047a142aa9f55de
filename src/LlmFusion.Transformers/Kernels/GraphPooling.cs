using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>One vector for each graph of its nodes' vectors; by libtorch's operations on other devices, and for all that is no float32.</summary>
internal static class GraphPooling
{
    /// <summary>The mean over the nodes of each graph.</summary>
    /// <param name="nodes">(A, H)</param>
    /// <param name="graphs">The N graphs.</param>
    /// <returns>(N, H)</returns>
    public static Tensor Mean(Tensor nodes, GraphBatch graphs)
    {
        if (!FloatData.IsReachable(nodes)) return MeanFormula(nodes, graphs);
        using DisposeScope scope = NewDisposeScope();
        return MeanFunction.apply(nodes.contiguous(), graphs).MoveToOuterDisposeScope();
    }

    /// <summary>The largest value of each component over the nodes of each graph.</summary>
    /// <inheritdoc cref="Mean"/>
    public static Tensor Max(Tensor nodes, GraphBatch graphs)
    {
        if (!FloatData.IsReachable(nodes)) return MaxFormula(nodes, graphs);
        using DisposeScope scope = NewDisposeScope();
        return MaxFunction.apply(nodes.contiguous(), graphs).MoveToOuterDisposeScope();
    }

    internal static Tensor MeanFormula(Tensor nodes, GraphBatch graphs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sums = zeros(graphs.Count, nodes.shape[1], dtype: nodes.dtype, device: nodes.device).index_add(0, graphs.GraphOfNode(), nodes, 1);
        return (sums / graphs.Sizes().unsqueeze(1)).MoveToOuterDisposeScope();
    }

    internal static Tensor MaxFormula(Tensor nodes, GraphBatch graphs)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor places, _) = graphs.PlacesInTable(graphs.Longest);
        Tensor table = full([graphs.Count * (long)graphs.Longest, nodes.shape[1]], float.NegativeInfinity, dtype: nodes.dtype, device: nodes.device).index_copy(0, places, nodes);
        return table.view(graphs.Count, graphs.Longest, -1).amax([1]).MoveToOuterDisposeScope();
    }

    private sealed class MeanFunction : autograd.SingleTensorFunction<MeanFunction>
    {
        private const string Graphs = "graphs";

        /// <inheritdoc/>
        public override string Name => "GraphMean";

        /// <inheritdoc/>
        public override unsafe Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            Tensor nodes = (Tensor)vars[0];
            GraphBatch graphs = (GraphBatch)vars[1];
            ctx.save_data(Graphs, graphs);
            Tensor means = zeros(graphs.Count, nodes.shape[1]);
            int width = (int)nodes.shape[1];
            float* from = FloatData.Of(nodes), to = FloatData.Of(means);
            for (int n = 0; n < graphs.Count; n++)
            {
                (int first, int end) = (graphs.GraphStart[n], graphs.GraphStart[n + 1]);
                for (int i = first; i < end; i++) AddScaled(to + (long)n * width, from + (long)i * width, 1f / (end - first), width);
            }

            return means;
        }

        /// <inheritdoc/>
        public override unsafe List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using DisposeScope scope = NewDisposeScope();
            GraphBatch graphs = (GraphBatch)ctx.get_data(Graphs);
            Tensor gradient = grad_output.contiguous(), result = zeros(graphs.Nodes, gradient.shape[1]);
            int width = (int)gradient.shape[1];
            float* from = FloatData.Of(gradient), to = FloatData.Of(result);
            for (int n = 0; n < graphs.Count; n++)
            {
                (int first, int end) = (graphs.GraphStart[n], graphs.GraphStart[n + 1]);
                for (int i = first; i < end; i++) AddScaled(to + (long)i * width, from + (long)n * width, 1f / (end - first), width);
            }

            grad_output.Dispose();
            return BackwardResults.Return(result, null)!;
        }

        private static unsafe void AddScaled(float* to, float* from, float factor, int width)
        {
            int i = 0;
            for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count) (Vector256.Load(to + i) + Vector256.Load(from + i) * factor).Store(to + i);
            for (; i < width; i++) to[i] += from[i] * factor;
        }
    }

    private sealed class MaxFunction : autograd.SingleTensorFunction<MaxFunction>
    {
        private const string Nodes = "nodes", Winners = "winners";

        /// <inheritdoc/>
        public override string Name => "GraphMax";

        /// <inheritdoc/>
        public override unsafe Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            Tensor nodes = (Tensor)vars[0];
            GraphBatch graphs = (GraphBatch)vars[1];
            int width = (int)nodes.shape[1];
            Tensor largest = full([graphs.Count, width], float.NegativeInfinity);
            int[] winners = new int[graphs.Count * width];
            float* from = FloatData.Of(nodes), to = FloatData.Of(largest);
            for (int n = 0; n < graphs.Count; n++)
                for (int i = graphs.GraphStart[n]; i < graphs.GraphStart[n + 1]; i++)
                {
                    float* row = from + (long)i * width, best = to + (long)n * width;
                    for (int c = 0; c < width; c++)
                        if (row[c] > best[c]) (best[c], winners[n * width + c]) = (row[c], i);
                }

            ctx.save_data(Nodes, graphs.Nodes);
            ctx.save_data(Winners, winners);
            return largest;
        }

        /// <inheritdoc/>
        public override unsafe List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using DisposeScope scope = NewDisposeScope();
            int[] winners = (int[])ctx.get_data(Winners);
            Tensor gradient = grad_output.contiguous(), result = zeros((int)ctx.get_data(Nodes), gradient.shape[1]);
            int width = (int)gradient.shape[1];
            float* from = FloatData.Of(gradient), to = FloatData.Of(result);
            for (int k = 0; k < winners.Length; k++) to[(long)winners[k] * width + k % width] += from[k];
            grad_output.Dispose();
            return BackwardResults.Return(result, null)!;
        }
    }
}
