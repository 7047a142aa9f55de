using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>The memory of float32 tensors on the CPU, for loops of our own.</summary>
public static class FloatData
{
    /// <summary>Whether a tensor is float32 on the CPU, and small enough to be seen as one span.</summary>
    public static bool IsReachable(Tensor tensor) =>
        tensor.device_type == TorchSharp.DeviceType.CPU && tensor.dtype == ScalarType.Float32 && tensor.NumberOfElements <= int.MaxValue / sizeof(float);

    /// <summary>Where a contiguous tensor's first element lies; valid as long as the tensor lives.</summary>
    public static unsafe float* Of(Tensor contiguous)
    {
        fixed (byte* start = contiguous.bytes) return (float*)start;
    }

    /// <summary>Where the first element of a tensor with any strides lies; valid as long as the tensor lives.</summary>
    public static unsafe float* OfView(Tensor tensor)
    {
        using Tensor first = tensor.as_strided([1], [1], tensor.storage_offset());
        return Of(first);
    }
}
