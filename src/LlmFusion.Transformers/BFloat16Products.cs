using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// Linear layers computed in bfloat16, for devices with units for that: inputs, weights and bias are rounded, summed in float32, and the
/// result, like the gradients on their way back, has bfloat16's eight bits of mantissa. Weights, optimiser, and everything between the layers stay float32. The rest of what CUDA
/// multiplies (attention) may use TensorFloat-32 meanwhile. A processor without such units multiplies the rounded numbers in float32, where their products are exact: the same results
/// but for the order of sums, so that what was trained elsewhere can be repeated and resumed.
/// </summary>
public static class BFloat16Products
{
    private static readonly bool AreInProcessor = Avx512F.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;

    [ThreadStatic]
    private static bool used;

    /// <summary>Whether linear layers on this thread work so now.</summary>
    internal static bool AreUsed => used;

    /// <summary>Whether a device multiplies bfloat16 faster than float32: a CUDA device, or a processor with AVX512-BF16.</summary>
    public static bool AreFastOn(Device device) => device.type == DeviceType.CUDA || AreInProcessor;

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
        Tensor small = Round(weight);
        return Round(nn.functional.linear(Round(input), transposed ? small : small.t(), bias is null ? null : Round(bias))).to(ScalarType.Float32); // (.., out)
    }

    /// <summary>The same numbers with eight bits of mantissa: in bfloat16, or in float32 where that is faster.</summary>
    internal static Tensor Round(Tensor numbers) =>
        AreInProcessor || numbers.device_type != DeviceType.CPU ? numbers.to(ScalarType.BFloat16) : numbers.to(ScalarType.BFloat16).to(ScalarType.Float32);

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
