using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>Weights rounded to float16: half the bytes, for files that are handed on. They are computed with in float32 as ever.</summary>
public static class HalfPrecision
{
    /// <summary>Writes a copy of a safetensors file whose floating-point tensors are float16, each number rounded to the nearest.</summary>
    /// <param name="from">The file.</param>
    /// <param name="to">Another file, which appears in one step.</param>
    /// <exception cref="CheckpointException">A file is damaged, or a number is too large for float16.</exception>
    public static void Copy(string from, string to)
    {
        using DisposeScope scope = NewDisposeScope();
        using SafetensorsFile file = SafetensorsFile.Open(from);
        Dictionary<string, Tensor> rounded = [];
        foreach (CheckpointEntry entry in file.Entries)
        {
            Tensor value = file.Read(entry.Name);
            rounded[entry.Name] = is_floating_point(value.dtype) ? Round(value, $"{from}: '{HostileText.Show(entry.Name)}'") : value;
        }

        Safetensors.Write(to, rounded, file.Header.Metadata);
    }

    private static Tensor Round(Tensor value, string name)
    {
        Tensor half = value.to_type(ScalarType.Float16);
        if (half.to_type(ScalarType.Float32).isfinite().all().item<bool>()) return half;
        throw new CheckpointException($"{name} holds {value.abs().max().to_type(ScalarType.Float32).item<float>():G4}, which float16 cannot; expected at most 65504");
    }
}
