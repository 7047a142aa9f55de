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

    /// <summary>Fails where products in bfloat16 would be slower than those in float32.</summary>
    /// <exception cref="ArgumentException">They would be.</exception>
    public static void RequireBFloat16(Device device)
    {
        if (!BFloat16Products.AreFastOn(device))
            throw new ArgumentException("bf16: got the device cpu without AVX512-BF16, which multiplies bfloat16 more slowly than float32; expected a CUDA device or such a processor, or no --bf16");
    }

    private static Device Cuda(int index) => new(DeviceType.CUDA, index % Math.Max(1, cuda.device_count()));
}
