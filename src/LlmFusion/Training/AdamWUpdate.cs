using System.Runtime.Intrinsics;
using LlmFusion.Transformers.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>One step of AdamW on one tensor.</summary>
/// <param name="Value">The parameter p, changed in place.</param>
/// <param name="Gradient">Its gradient g.</param>
/// <param name="Mean">Mean of gradients m, changed in place.</param>
/// <param name="Square">Mean of squared gradients v, changed in place.</param>
/// <param name="GradientScale">By what the gradient is multiplied first.</param>
/// <param name="Keep">By what the weight decay multiplies the parameter: 1 - rate * decay.</param>
/// <param name="Beta1">m = beta1 m + (1 - beta1) g</param>
/// <param name="Beta2">v = beta2 v + (1 - beta2) g^2</param>
/// <param name="Size">rate / (1 - beta1^t)</param>
/// <param name="Root">sqrt(1 - beta2^t)</param>
/// <param name="Epsilon">p = p keep - size m / (sqrt(v) / root + epsilon)</param>
internal sealed record AdamWUpdate(
    Tensor Value, Tensor Gradient, Tensor Mean, Tensor Square, double GradientScale, double Keep, double Beta1, double Beta2, double Size, double Root, double Epsilon)
{
    /// <summary>Elements that a core takes at a time: a share of every parameter for every core, so that none waits at the end.</summary>
    private const int Chunk = 1 << 15;

    /// <summary>Applies steps: on the CPU in one pass over memory, on all cores.</summary>
    public static void Apply(IReadOnlyList<AdamWUpdate> updates)
    {
        List<Pointers> reachable = [];
        foreach (AdamWUpdate update in updates)
        {
            if (update.IsReachable) reachable.Add(new Pointers(update));
            else update.ByLibtorch();
        }

        (Pointers Of, long Start)[] chunks = [.. reachable.SelectMany(p => Chunks(p.Count).Select(start => (p, start)))];
        Cores.Share(chunks.Length, 2, (first, last) =>
        {
            for (long c = first; c < last; c++) chunks[c].Of.Apply(chunks[c].Start, Math.Min(chunks[c].Of.Count, chunks[c].Start + Chunk));
        });
    }

    private bool IsReachable => FloatData.IsReachable(Value) && FloatData.IsReachable(Gradient) && Value.is_contiguous() && Mean.is_contiguous() && Square.is_contiguous();

    private static IEnumerable<long> Chunks(long count)
    {
        for (long start = 0; start < count; start += Chunk) yield return start;
    }

    /// <summary>The same in libtorch's operations, for other devices.</summary>
    private void ByLibtorch()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradient = GradientScale == 1 ? Gradient : Gradient * GradientScale;
        Value.mul_(Keep);
        Mean.lerp_(gradient, 1 - Beta1);
        Square.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        Value.addcdiv_(Mean, Square.sqrt().div_(Root).add_(Epsilon), -Size);
    }

    private sealed unsafe class Pointers(AdamWUpdate update)
    {
        private readonly float* _value = FloatData.Of(update.Value), _gradient = FloatData.Of(update.Gradient.contiguous()), _mean = FloatData.Of(update.Mean), _square = FloatData.Of(update.Square);
        private readonly float _scale = (float)update.GradientScale, _keep = (float)update.Keep, _new1 = (float)(1 - update.Beta1), _beta2 = (float)update.Beta2,
            _new2 = (float)(1 - update.Beta2), _size = (float)update.Size, _root = (float)update.Root, _epsilon = (float)update.Epsilon;

        public long Count { get; } = update.Value.NumberOfElements;

        public void Apply(long start, long end)
        {
            long i = start;
            Vector256<float> root = Vector256.Create(_root), epsilon = Vector256.Create(_epsilon);
            for (; i <= end - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                Vector256<float> gradient = Vector256.Load(_gradient + i) * _scale, mean = Vector256.Load(_mean + i);
                mean += (gradient - mean) * _new1;
                Vector256<float> square = Vector256.Load(_square + i) * _beta2 + gradient * gradient * _new2;
                mean.Store(_mean + i);
                square.Store(_square + i);
                (Vector256.Load(_value + i) * _keep - mean / (Vector256.Sqrt(square) / root + epsilon) * _size).Store(_value + i);
            }

            for (; i < end; i++)
            {
                float gradient = _gradient[i] * _scale;
                _mean[i] += (gradient - _mean[i]) * _new1;
                _square[i] = _square[i] * _beta2 + gradient * gradient * _new2;
                _value[i] = _value[i] * _keep - _mean[i] / (MathF.Sqrt(_square[i]) / _root + _epsilon) * _size;
            }
        }
    }
}
