using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion;

/// <summary>Where the tensors lie.</summary>
public static class ComputeDevice
{
    /// <summary><c>auto</c> takes CUDA where libtorch offers it.</summary>
    /// <exception cref="ArgumentException">CUDA is asked for and not there.</exception>
    /// <param name="name">auto, cpu or cuda.</param>
    /// <param name="index">Which of several devices, counted round: the number of this process on its node.</param>
    public static Device Resolve(string name, int index = 0) => name switch
    {
        "cpu" => CPU,
        "auto" => cuda.is_available() ? Cuda(index) : CPU,
        "cuda" when cuda.is_available() => Cuda(index),
        "cuda" => throw new ArgumentException($"device: got cuda, but {Libtorch.CudaProblem()}; expected auto or cpu"),
        _ => throw new ArgumentException($"device: got {name}, expected auto, cpu or cuda"),
    };

    /// <summary>What a user who asks for products in bfloat16 should know: that they are slow on this device; null where they are not.</summary>
    public static string? NoteOnBFloat16(Device device) => BFloat16Products.AreFastOn(device) ? null
        : "bf16: this processor has no AVX512-BF16, so numbers are rounded and multiplied in float32: results as on one that has it, but slower than without --bf16";

    private static Device Cuda(int index) => new(DeviceType.CUDA, index % Math.Max(1, cuda.device_count()));
}
