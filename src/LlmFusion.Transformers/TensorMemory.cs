using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>A tensor's bytes, for files.</summary>
internal static class TensorMemory
{
    /// <summary>Most bytes moved at once: a span cannot be longer than an int says.</summary>
    private const int Chunk = 1 << 28;

    public delegate void ByteAction(Span<byte> bytes);

    /// <summary>Hands a contiguous CPU tensor's memory over, piece by piece.</summary>
    public static void EachChunk(Tensor tensor, ByteAction action)
    {
        long elements = tensor.NumberOfElements;
        if (elements == 0)
            return;
        using DisposeScope scope = NewDisposeScope();
        Tensor flat = tensor.view(-1);
        long step = Chunk / flat.ElementSize;
        for (long first = 0; first < elements; first += step)
            action(flat.narrow(0, first, Math.Min(step, elements - first)).bytes);
    }

    /// <summary>The bytes that a shape needs, even if another of its dimensions were not 0; null if no long holds them.</summary>
    public static long? Bytes(ReadOnlySpan<long> shape, int elementSize)
    {
        // torch multiplies the dimensions in their order and overflows before it comes to a 0.
        Int128 bytes = elementSize;
        foreach (long dimension in shape)
        {
            bytes *= Math.Max(dimension, 1);
            if (bytes > long.MaxValue)
                return null;
        }
        return shape.Contains(0) ? 0 : (long)bytes;
    }
}
