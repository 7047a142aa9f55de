using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion;

/// <summary>Where the tensors lie.</summary>
public static class ComputeDevice
{
    /// <summary><c>auto</c> takes CUDA where libtorch offers it.</summary>
    /// <exception cref="ArgumentException">CUDA is asked for and not there.</exception>
    public static Device Resolve(string name) => name switch
    {
        "cpu" => CPU,
        "auto" => cuda.is_available() ? CUDA : CPU,
        "cuda" when cuda.is_available() => CUDA,
        "cuda" => throw new ArgumentException("device: got cuda, but this libtorch finds no CUDA device; expected auto or cpu"),
        _ => throw new ArgumentException($"device: got {name}, expected auto, cpu or cuda"),
    };
}
