using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>
/// softmax(Q K^T / sqrt(d_head) + mask) V for sequences of a few tokens, of which LLM-Fusion's are: one token a modality. One
/// pass over memory with its own backward pass, where libtorch has a dozen operations on tiny matrices. Float32 on the CPU.
/// </summary>
internal sealed unsafe class ShortAttention : autograd.MultiTensorFunction<ShortAttention>
{
    private const string Causal = "causal", Probability = "p", Seed = "seed";

    /// <summary>Most scores of a head; longer sequences are better off with matrix products.</summary>
    private const int MostScores = 256;

    /// <inheritdoc/>
    public override string Name => nameof(ShortAttention);

    /// <summary>Whether these inputs are for <see cref="Of"/>.</summary>
    public static bool Takes(Tensor query, Tensor key, Tensor value, Tensor? mask) =>
        query.shape[2] * key.shape[2] <= MostScores && FloatData.IsReachable(query) && FloatData.IsReachable(key) && FloatData.IsReachable(value)
        && (mask is null || (FloatData.IsReachable(mask) && !mask.requires_grad));

    /// <summary>Attention of H heads.</summary>
    /// <param name="query">(N, H, L, d_head)</param>
    /// <param name="key">(N, H, S, d_head)</param>
    /// <param name="value">(N, H, S, d_head)</param>
    /// <param name="mask">Added to the scores, broadcast to (N, H, L, S); null: nothing. It gets no gradient.</param>
    /// <param name="causal">A position sees itself and what stands before it.</param>
    /// <param name="dropout">Chance that an attention weight is dropped.</param>
    /// <returns>(N, L, H * d_head)</returns>
    public static Tensor Of(Tensor query, Tensor key, Tensor value, Tensor? mask, bool causal, double dropout)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] shape = query.shape;
        Tensor? wide = mask?.expand(shape[0], shape[1], shape[2], key.shape[2]);
        return apply(Rows(query), Rows(key), Rows(value), wide!, causal, dropout, dropout > 0 ? SeededDropout.NextSeed() : 0u)[0].MoveToOuterDisposeScope();

        // Each row's numbers must stand together; views of larger tensors are taken as they are.
        static Tensor Rows(Tensor x) => x.stride(3) == 1 ? x : x.contiguous();
    }

    /// <inheritdoc/>
    public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor query = (Tensor)vars[0], key = (Tensor)vars[1], value = (Tensor)vars[2];
        Tensor? mask = vars[3] as Tensor;
        bool causal = (bool)vars[4];
        Drop drop = new((double)vars[5], (uint)vars[6]);
        Heads q = new(query), k = new(key), v = new(value);
        (long batch, long heads, int length, int keys, int width) = (query.shape[0], query.shape[1], (int)query.shape[2], (int)key.shape[2], (int)query.shape[3]);
        Tensor weights = empty(batch, heads, length, keys), result = empty(batch, length, heads * width);
        ctx.save_for_backward([query, key, value, weights]);
        ctx.save_data(Causal, causal);
        ctx.save_data(Probability, vars[5]);
        ctx.save_data(Seed, vars[6]);
        float* allWeights = FloatData.Of(weights), to = FloatData.Of(result);
        Heads masks = mask is null ? default : new Heads(mask);
        float scale = (float)(1 / Math.Sqrt(width));
        Cores.Share(batch, 8, (start, end) =>
        {
            for (long n = start; n < end; n++)
                for (long h = 0; h < heads; h++)
                    for (int i = 0; i < length; i++)
                    {
                        long first = ((n * heads + h) * length + i) * keys;
                        float* row = allWeights + first;
                        int seen = causal ? i + 1 : keys;
                        for (int j = 0; j < seen; j++)
                            row[j] = scale * Dot(q.Row(n, h, i), k.Row(n, h, j), width) + (masks.IsNone ? 0 : masks.At(n, h, i, j));
                        Softmax(row, seen, keys);
                        float* output = to + ((n * length + i) * heads + h) * width;
                        new Span<float>(output, width).Clear();
                        for (int j = 0; j < seen; j++) AddScaled(output, v.Row(n, h, j), row[j] * drop.Factor(first + j), width);
                    }
        });
        return [result];
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> saved = ctx.get_saved_variables();
        Tensor query = saved[0], key = saved[1], value = saved[2], outer = grad_outputs[0].contiguous();
        bool causal = (bool)ctx.get_data(Causal);
        Drop drop = new((double)ctx.get_data(Probability), (uint)ctx.get_data(Seed));
        Heads q = new(query), k = new(key), v = new(value);
        (long batch, long heads, int length, int keys, int width) = (query.shape[0], query.shape[1], (int)query.shape[2], (int)key.shape[2], (int)query.shape[3]);
        Tensor queryGradient = zeros_like(query), keyGradient = zeros_like(key), valueGradient = zeros_like(value);
        Heads dq = new(queryGradient), dk = new(keyGradient), dv = new(valueGradient);
        float* allWeights = FloatData.Of(saved[3]), from = FloatData.Of(outer);
        float scale = (float)(1 / Math.Sqrt(width));
        Cores.Share(batch, 8, (start, end) =>
        {
            float* slope = stackalloc float[MostScores];                                 // d loss / d weight of a row
            for (long n = start; n < end; n++)
                for (long h = 0; h < heads; h++)
                    for (int i = 0; i < length; i++)
                    {
                        long first = ((n * heads + h) * length + i) * keys;
                        float* row = allWeights + first, outgoing = from + ((n * length + i) * heads + h) * width;
                        int seen = causal ? i + 1 : keys;
                        float mean = 0;
                        for (int j = 0; j < seen; j++)
                        {
                            float factor = drop.Factor(first + j);
                            AddScaled(dv.Row(n, h, j), outgoing, row[j] * factor, width);
                            slope[j] = factor * Dot(outgoing, v.Row(n, h, j), width);
                            mean += row[j] * slope[j];
                        }

                        for (int j = 0; j < seen; j++)
                        {
                            float score = scale * row[j] * (slope[j] - mean);
                            AddScaled(dq.Row(n, h, i), k.Row(n, h, j), score, width);
                            AddScaled(dk.Row(n, h, j), q.Row(n, h, i), score, width);
                        }
                    }
        });
        grad_outputs[0].Dispose();
        return BackwardResults.Return(queryGradient, keyGradient, valueGradient, null, null, null, null)!;
    }

    private static float Dot(float* a, float* b, int width)
    {
        Vector256<float> sums = Vector256<float>.Zero;
        int i = 0;
        for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count) sums = Vector256.FusedMultiplyAdd(Vector256.Load(a + i), Vector256.Load(b + i), sums);
        float sum = Vector256.Sum(sums);
        for (; i < width; i++) sum += a[i] * b[i];
        return sum;
    }

    private static void AddScaled(float* to, float* from, float factor, int width)
    {
        Vector256<float> factors = Vector256.Create(factor);
        int i = 0;
        for (; i <= width - Vector256<float>.Count; i += Vector256<float>.Count) Vector256.FusedMultiplyAdd(Vector256.Load(from + i), factors, Vector256.Load(to + i)).Store(to + i);
        for (; i < width; i++) to[i] += from[i] * factor;
    }

    /// <summary>Softmax of the first scores of a row; the others, which are not seen, get no weight.</summary>
    private static void Softmax(float* row, int seen, int count)
    {
        float largest = float.NegativeInfinity, sum = 0;
        for (int j = 0; j < seen; j++) largest = Math.Max(largest, row[j]);
        for (int j = 0; j < seen; j++) sum += row[j] = MathF.Exp(row[j] - largest);
        for (int j = 0; j < count; j++) row[j] = j < seen ? row[j] / sum : 0;
    }

    /// <summary>A (N, H, L, d) tensor by its strides.</summary>
    private readonly struct Heads(Tensor tensor)
    {
        private readonly float* start = FloatData.OfView(tensor);
        private readonly long batch = tensor.stride(0), head = tensor.stride(1), row = tensor.stride(2), column = tensor.stride(3);

        public bool IsNone => start is null;

        public float* Row(long n, long h, long i) => start + n * batch + h * head + i * row;

        public float At(long n, long h, long i, long j) => Row(n, h, i)[j * column];
    }

    /// <summary>What dropout multiplies a weight by, by its place among all weights.</summary>
    private readonly struct Drop(double p, uint seed)
    {
        private readonly uint threshold = SeededDropout.Threshold(p);
        private readonly float scale = (float)(1 / (1 - p));
        private readonly bool none = p == 0;

        public float Factor(long place) => none ? 1 : SeededDropout.Hash((uint)place, seed) >= threshold ? scale : 0;
    }
}
