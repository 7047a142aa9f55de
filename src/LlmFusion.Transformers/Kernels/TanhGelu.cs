using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>
/// GPT-2's activation, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), which equals x / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3))).
/// On the CPU libtorch's own is slower than its exact GELU; this loop is not. Other devices, and all that is
/// no float32, are libtorch's.
/// </summary>
internal sealed class TanhGelu : autograd.SingleTensorFunction<TanhGelu>
{
    private const float TwiceRoot = 1.5957691216057308f; // 2 sqrt(2 / pi)
    private const float Cubic = 0.044715f;
    private const long Least = 1 << 14;

    /// <inheritdoc/>
    public override string Name => nameof(TanhGelu);

    /// <summary>The activation of each element, of the same shape.</summary>
    public static Tensor Of(Tensor x)
    {
        if (!FloatData.IsReachable(x)) return nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh);
        // A scope of its own: TorchSharp keeps a tensor of the output's size beside each call otherwise.
        using DisposeScope scope = NewDisposeScope();
        return apply(x.contiguous()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override unsafe Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor x = (Tensor)vars[0], y = empty_like(x);
        ctx.save_for_backward([x]);
        float* from = FloatData.Of(x), to = FloatData.Of(y);
        Cores.Share(x.NumberOfElements, Least, (start, end) =>
        {
            long i = start;
            for (; i <= end - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                Vector256<float> value = Vector256.Load(from + i);
                (value * Gate(value)).Store(to + i);
            }

            for (; i < end; i++) to[i] = from[i] * Gate(from[i]);
        });
        return y;
    }

    /// <inheritdoc/>
    public override unsafe List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = ctx.get_saved_variables()[0], gradient = grad_output.contiguous(), result = empty_like(x);
        float* at = FloatData.Of(x), from = FloatData.Of(gradient), to = FloatData.Of(result);
        Cores.Share(x.NumberOfElements, Least, (start, end) =>
        {
            long i = start;
            for (; i <= end - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                Vector256<float> value = Vector256.Load(at + i), gate = Gate(value);
                Vector256<float> slope = TwiceRoot * (Vector256<float>.One + 3 * Cubic * value * value);
                (Vector256.Load(from + i) * gate * (Vector256<float>.One + value * (Vector256<float>.One - gate) * slope)).Store(to + i);
            }

            for (; i < end; i++)
            {
                float value = at[i], gate = Gate(value);
                to[i] = from[i] * gate * (1 + value * (1 - gate) * TwiceRoot * (1 + 3 * Cubic * value * value));
            }
        });
        grad_output.Dispose();
        return BackwardResults.Return(result)!;
    }

    /// <summary>1 / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3))).</summary>
    private static Vector256<float> Gate(Vector256<float> x)
    {
        Vector256<float> twice = TwiceRoot * (x + Cubic * x * x * x);
        return Vector256<float>.One / (Vector256<float>.One + Vector256.Exp(-twice));
    }

    private static float Gate(float x) => 1 / (1 + MathF.Exp(-TwiceRoot * (x + Cubic * x * x * x)));
}
