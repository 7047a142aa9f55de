using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>What a checkpoint says about one of its tensors, known before the tensor is read.</summary>
/// <param name="Name">Its key.</param>
/// <param name="DataType">Its element type.</param>
/// <param name="Shape">Its dimensions; empty for a scalar.</param>
/// <param name="File">The path of the file that holds it.</param>
public sealed record CheckpointEntry(string Name, ScalarType DataType, IReadOnlyList<long> Shape, string File);
