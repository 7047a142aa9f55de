using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>The sum of a tensor's squares, the same on any number of cores.</summary>
public static class SquaredNorm
{
    /// <summary>Elements summed up in float before the sums are added in double.</summary>
    private const int Chunk = 1 << 12;

    /// <summary>The sum of squares.</summary>
    public static unsafe double Of(Tensor tensor)
    {
        using DisposeScope scope = NewDisposeScope();
        if (!FloatData.IsReachable(tensor)) return tensor.detach().square().sum(ScalarType.Float64).item<double>();
        Tensor contiguous = tensor.detach().contiguous();
        float* from = FloatData.Of(contiguous);
        long count = contiguous.NumberOfElements;
        double[] sums = new double[(count + Chunk - 1) / Chunk];
        Cores.Share(sums.Length, 16, (first, last) =>
        {
            for (long c = first; c < last; c++) sums[c] = Sum(from, c * Chunk, Math.Min(count, (c + 1) * Chunk));
        });
        return sums.Sum();
    }

    private static unsafe double Sum(float* from, long start, long end)
    {
        Vector256<float> sums = Vector256<float>.Zero;
        long i = start;
        for (; i <= end - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            Vector256<float> x = Vector256.Load(from + i);
            sums = Vector256.FusedMultiplyAdd(x, x, sums);
        }

        double sum = Vector256.Sum(sums);
        for (; i < end; i++) sum += from[i] * from[i];
        return sum;
    }
}
