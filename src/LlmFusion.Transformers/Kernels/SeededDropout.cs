using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>
/// Dropout whose mask is a function of a seed and the position, so that the backward pass computes it again in the place of keeping
/// it. The seed comes from torch's generator. libtorch draws its masks one number after the other, on one core.
/// </summary>
internal sealed class SeededDropout : autograd.SingleTensorFunction<SeededDropout>
{
    private const string Seed = "seed", Probability = "p";
    private const long Least = 1 << 15;

    /// <inheritdoc/>
    public override string Name => nameof(SeededDropout);

    /// <summary>A seed from torch's generator.</summary>
    public static uint NextSeed()
    {
        using Tensor number = randint(int.MinValue, int.MaxValue, [1], dtype: ScalarType.Int64, device: CPU);
        return unchecked((uint)number.item<long>());
    }

    /// <summary>Each element is 0 with probability p, and divided by 1 - p otherwise.</summary>
    /// <param name="x">Float32 on the CPU.</param>
    /// <param name="p">From 0 to below 1.</param>
    public static Tensor Of(Tensor x, double p)
    {
        using DisposeScope scope = NewDisposeScope();
        return apply(x.contiguous(), p, NextSeed()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor x = (Tensor)vars[0], y = empty_like(x);
        ctx.save_data(Probability, vars[1]);
        ctx.save_data(Seed, vars[2]);
        Apply(x, y, (double)vars[1], (uint)vars[2]);
        return y;
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradient = grad_output.contiguous(), result = empty_like(gradient);
        Apply(gradient, result, (double)ctx.get_data(Probability), (uint)ctx.get_data(Seed));
        grad_output.Dispose();
        return BackwardResults.Return(result, null, null)!;
    }

    /// <summary>Elements whose hash is below this are dropped: hashes are even over all 32-bit numbers.</summary>
    internal static uint Threshold(double p) => (uint)Math.Min(uint.MaxValue, p * 4294967296.0);

    /// <summary>A number of 32 random bits for a position: Wellons' lowbias32, twice, with the seed between. Deterministic on any number of cores.</summary>
    internal static uint Hash(uint position, uint seed) => Mix(Mix(position) ^ seed);

    private static unsafe void Apply(Tensor x, Tensor y, double p, uint seed)
    {
        float* from = FloatData.Of(x), to = FloatData.Of(y);
        uint threshold = Threshold(p);
        float scale = (float)(1 / (1 - p));
        Cores.Share(x.NumberOfElements, Least, (start, end) =>
        {
            long i = start;
            Vector256<uint> lanes = Vector256<uint>.Indices, limit = Vector256.Create(threshold), key = Vector256.Create(seed);
            Vector256<float> factor = Vector256.Create(scale);
            for (; i <= end - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                Vector256<uint> hash = Mix(Mix(Vector256.Create((uint)i) + lanes) ^ key);
                Vector256<float> kept = Vector256.GreaterThanOrEqual(hash, limit).AsSingle();
                (kept & (Vector256.Load(from + i) * factor)).Store(to + i);
            }

            for (; i < end; i++) to[i] = Hash((uint)i, seed) >= threshold ? from[i] * scale : 0;
        });
    }

    private static uint Mix(uint x)
    {
        x ^= x >> 16;
        x *= 0x7feb352dU;
        x ^= x >> 15;
        x *= 0x846ca68bU;
        return x ^ (x >> 16);
    }

    private static Vector256<uint> Mix(Vector256<uint> x)
    {
        x ^= x >> 16;
        x *= 0x7feb352dU;
        x ^= x >> 15;
        x *= 0x846ca68bU;
        return x ^ (x >> 16);
    }
}
