using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The element type of a storage in a pickle.</summary>
internal sealed record PickledType(string Name, ScalarType Type, int Size);

/// <summary>A storage that a pickle refers to: a run of elements whose bytes stand elsewhere in the file.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="Type">What its elements are.</param>
/// <param name="Count">How many the pickle says it has.</param>
internal sealed record PickledStorage(string Key, PickledType Type, long Count)
{
    /// <summary>Its length; the count was checked to allow it.</summary>
    public long Bytes => Count * Type.Size;
}

/// <summary>A part of a storage, in elements; the whole of it in all but old files.</summary>
internal sealed record PickledView(PickledStorage Storage, long Offset, long Count);

/// <summary>
/// How a tensor lies in its storage, checked: element (i, j, ..) is at Offset + i Strides[0] + j Strides[1] + .., which
/// is in the storage for each element of the shape.
/// </summary>
internal sealed class PickledTensor
{
    /// <exception cref="FormatException">It does not lie within the view.</exception>
    public PickledTensor(PickledView view, long offset, long[] shape, long[] strides)
    {
        string Where() => $"shape {HostileText.Show(shape)}, strides {HostileText.Show(strides)}, offset {offset}";

        if (shape.Length > WeightsFile.MaxDimensions)
            throw new FormatException($"a tensor has {shape.Length} dimensions, expected at most {WeightsFile.MaxDimensions}");
        if (shape.Length != strides.Length || offset < 0 || shape.AsSpan().ContainsAnyInRange(long.MinValue, -1) || strides.AsSpan().ContainsAnyInRange(long.MinValue, -1))
            throw new FormatException($"a tensor is impossible: {Where()}");
        if (TensorMemory.Bytes(shape, view.Storage.Type.Size) is not long bytes)
            throw new FormatException($"a tensor has more bytes than can be counted: {Where()}");
        Int128 end = offset;
        if (bytes > 0)
        {
            end++;
            for (int dimension = 0; dimension < shape.Length; dimension++)
                end += (Int128)(shape[dimension] - 1) * strides[dimension];
        }
        if (end > view.Count)
            throw new FormatException($"a tensor reaches outside its storage of {view.Count} elements: {Where()}");
        Storage = view.Storage;
        Offset = view.Offset + offset;
        Extent = (long)end - offset;
        Shape = shape;
        Strides = strides;
        Bytes = bytes;
    }

    public PickledStorage Storage { get; }

    /// <summary>The first element's place.</summary>
    public long Offset { get; }

    /// <summary>How many elements of the storage lie between its first and its last, both counted.</summary>
    public long Extent { get; }

    public long[] Shape { get; }

    public long[] Strides { get; }

    /// <summary>What it takes by itself, without its storage.</summary>
    public long Bytes { get; }

    /// <summary>Its elements lie one after another, in order.</summary>
    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (int dimension = Shape.Length - 1; dimension >= 0; dimension--)
            {
                if (Shape[dimension] != 1 && Strides[dimension] != expected)
                    return Bytes == 0;
                expected *= Math.Max(Shape[dimension], 1);
            }
            return true;
        }
    }
}
