using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// Matrix products by OpenBLAS, where it is installed, in the place of libtorch's own (MKL), which is about an eighth slower
/// on AMD's processors when each core works alone. Inference in float32 on the CPU only; everything else is libtorch's.
/// </summary>
public static partial class OpenBlas
{
    private const string Library = "libopenblas.so.0";
    private const int RowMajor = 101, NoTranspose = 111, Transpose = 112;

    /// <summary>Below this many multiplications the call costs more than it saves.</summary>
    private const long Least = 1 << 20;

    private static readonly Lazy<bool> available = new(Load);

    [ThreadStatic]
    private static bool used;

    /// <summary>Whether the library is installed.</summary>
    public static bool IsAvailable => available.Value;

    /// <summary>The version, such as 0.3.21; null where it is not installed.</summary>
    public static string? Version => IsAvailable && Marshal.PtrToStringUTF8(GetConfig())?.Split(' ') is [_, var version, ..] ? version : null;

    /// <summary>Until it is disposed, linear layers on this thread are computed by OpenBLAS, one thread each; nothing changes where it is not installed.</summary>
    public static IDisposable UseOnThisThread() => new Scope();

    /// <summary>input weight^T + bias; null where libtorch is to compute it.</summary>
    /// <param name="input">(.., in)</param>
    /// <param name="weight">(out, in), or (in, out) where <paramref name="transposed"/> is false.</param>
    /// <param name="bias">(out) or null.</param>
    /// <param name="transposed">Whether the weight is (out, in).</param>
    /// <returns>(.., out)</returns>
    internal static unsafe Tensor? Linear(Tensor input, Tensor weight, Tensor? bias, bool transposed)
    {
        if (!used || is_grad_enabled() || input.dtype != ScalarType.Float32 || weight.dtype != ScalarType.Float32
            || input.device_type != DeviceType.CPU || weight.device_type != DeviceType.CPU)
            return null;
        long[] shape = input.shape;
        long inputs = shape[^1], outputs = weight.shape[transposed ? 0 : 1], rows = input.NumberOfElements / Math.Max(1, inputs);
        if (rows * inputs * outputs < Least || rows * Math.Max(inputs, outputs) > int.MaxValue / sizeof(float))
            return null;
        shape[^1] = outputs;
        Tensor result = bias is null ? empty(shape) : empty(shape).copy_(bias);          // (.., out)
        using Tensor from = input.contiguous(), by = weight.contiguous();
        fixed (byte* a = from.bytes, b = by.bytes, c = result.bytes)
            Multiply(RowMajor, NoTranspose, transposed ? Transpose : NoTranspose, (int)rows, (int)outputs, (int)inputs, 1,
                (float*)a, (int)inputs, (float*)b, transposed ? (int)inputs : (int)outputs, bias is null ? 0 : 1, (float*)c, (int)outputs);
        return result;
    }

    private static bool Load()
    {
        if (!NativeLibrary.TryLoad(Library, out _))
            return false;
        SetThreads(1);
        return true;
    }

    [LibraryImport(Library, EntryPoint = "cblas_sgemm")]
    private static unsafe partial void Multiply(int order, int transposeA, int transposeB, int m, int n, int k, float alpha,
        float* a, int strideA, float* b, int strideB, float beta, float* c, int strideC);

    [LibraryImport(Library, EntryPoint = "openblas_get_config")]
    private static partial nint GetConfig();

    [LibraryImport(Library, EntryPoint = "openblas_set_num_threads")]
    private static partial void SetThreads(int threads);

    private sealed class Scope : IDisposable
    {
        private readonly bool before = used;

        public Scope() => used = IsAvailable;

        public void Dispose() => used = before;
    }
}
