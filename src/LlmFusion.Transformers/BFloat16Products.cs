using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// Linear layers whose products are computed in bfloat16, for devices with units for that: inputs and weights are rounded for the
/// product alone, so that weights, their gradients, and everything between the layers stay float32. The rest of what CUDA
/// multiplies (attention) may use TensorFloat-32 meanwhile.
/// </summary>
public static class BFloat16Products
{
    [ThreadStatic]
    private static bool used;

    /// <summary>Until it is disposed, linear layers on this thread work so.</summary>
    public static IDisposable UseOnThisThread() => new Scope();

    /// <summary>input weight^T + bias; null where it is to be computed in the inputs' own precision.</summary>
    /// <param name="input">(.., in)</param>
    /// <param name="weight">(out, in), or (in, out) where <paramref name="transposed"/> is false.</param>
    /// <param name="bias">(out) or null.</param>
    /// <param name="transposed">Whether the weight is (out, in).</param>
    /// <returns>(.., out), float32</returns>
    internal static Tensor? Linear(Tensor input, Tensor weight, Tensor? bias, bool transposed)
    {
        if (!used || input.dtype != ScalarType.Float32) return null;
        Tensor small = weight.to(ScalarType.BFloat16);
        Tensor product = matmul(input.to(ScalarType.BFloat16), transposed ? small.t() : small).to(ScalarType.Float32);
        return bias is null ? product : product + bias;                                  // (.., out)
    }

    private sealed class Scope : IDisposable
    {
        private readonly bool before = used, tensorFloat;

        public Scope()
        {
            used = true;
            if (!cuda.is_available()) return;
            tensorFloat = backends.cuda.matmul.allow_tf32;
            backends.cuda.matmul.allow_tf32 = true;
        }

        public void Dispose()
        {
            used = before;
            if (cuda.is_available()) backends.cuda.matmul.allow_tf32 = tensorFloat;
        }
    }
}
