using System.Text.Json;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Verification;

/// <summary>One recorded output beside what this program computes.</summary>
/// <param name="Name">The tensor's name in the record.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Deviation">Largest absolute deviation, NaN where there is nothing to compare.</param>
/// <param name="Atol">Absolute tolerance of the record.</param>
/// <param name="Rtol">Relative tolerance of the record.</param>
/// <param name="Problem">Why it fails; null where every element lies within atol + rtol |expected|.</param>
public sealed record TensorCheck(string Name, IReadOnlyList<long> Shape, double Deviation, double Atol, double Rtol, string? Problem)
{
    /// <summary>Whether every element is within the tolerance.</summary>
    public bool Passed => Problem is null;
}

/// <summary>
/// Inputs and outputs of a model, recorded elsewhere: <c>golden.safetensors</c> with the tensors and <c>golden.json</c>
/// with <c>tensors</c>, a list of name, role (<c>input</c> or <c>expected</c>), atol, rtol, and for some
/// <c>compare_only_where</c>, the name of an (N, L) mask of the tokens that count. Tensors belong to the scope that is open.
/// </summary>
public sealed partial class GoldenRecord
{
    private readonly Dictionary<string, Tensor> tensors;
    private readonly Dictionary<string, JsonElement> expected;
    private readonly string path;

    private GoldenRecord(string path, Dictionary<string, Tensor> tensors, Dictionary<string, JsonElement> expected)
    {
        this.path = path;
        this.tensors = tensors;
        this.expected = expected;
    }

    /// <summary>Names of the recorded outputs, in the order of the record.</summary>
    public IEnumerable<string> Expected => expected.Keys;

    /// <summary>A recorded tensor, input or output.</summary>
    /// <exception cref="CheckpointException">There is none of that name.</exception>
    public Tensor this[string name] => tensors.TryGetValue(name, out Tensor? tensor) ? tensor
        : throw new CheckpointException($"{path}: has no tensor '{name}'");

    /// <summary>Whether there is a recorded tensor of that name.</summary>
    public bool Has(string name) => tensors.ContainsKey(name);

    /// <summary>Reads the record of a folder.</summary>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public static GoldenRecord Read(string folder)
    {
        string path = Path.Combine(folder, "golden.json");
        Dictionary<string, Tensor> tensors = Safetensors.Read(Path.Combine(folder, "golden.safetensors"));
        try
        {
            using JsonDocument json = JsonDocument.Parse(PythonNumber().Replace(File.ReadAllText(path), "null"));
            Dictionary<string, JsonElement> expected = json.RootElement.GetProperty("tensors").EnumerateArray()
                .Where(tensor => tensor.GetProperty("role").GetString() == "expected")
                .ToDictionary(tensor => tensor.GetProperty("name").GetString()!, tensor => tensor.Clone());
            foreach ((string name, JsonElement about) in expected)
                if (!tensors.ContainsKey(name) || !about.TryGetProperty("atol", out JsonElement atol) || !atol.TryGetDouble(out _)
                    || !about.TryGetProperty("rtol", out JsonElement rtol) || !rtol.TryGetDouble(out _))
                    throw new CheckpointException($"{path}: '{name}' lacks atol or rtol, or golden.safetensors lacks its values");
            return new GoldenRecord(path, tensors, expected);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: not found; a folder to verify holds config.json, weights, golden.json and golden.safetensors", error);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or ArgumentException)
        {
            throw new CheckpointException($"{path}: not a record of tensors ({error.Message})", error);
        }
    }

    /// <summary>Compares an output: |actual - expected| &lt;= atol + rtol |expected| for every element, or for those of real tokens where the record says so.</summary>
    public TensorCheck Compare(string name, Tensor actual)
    {
        using DisposeScope scope = NewDisposeScope();
        JsonElement about = expected[name];
        Tensor golden = this[name];
        double atol = about.GetProperty("atol").GetDouble(), rtol = about.GetProperty("rtol").GetDouble();
        long[] shape = actual.shape.Length == 0 ? [1] : actual.shape;
        if (!shape.AsSpan().SequenceEqual(golden.shape))
            return new TensorCheck(name, golden.shape, double.NaN, atol, rtol, $"has the shape [{string.Join(", ", shape)}], expected [{string.Join(", ", golden.shape)}]");
        Tensor wanted = golden.to_type(ScalarType.Float64);
        Tensor deviation = (actual.detach().cpu().reshape(golden.shape).to_type(ScalarType.Float64) - wanted).abs();
        if (about.TryGetProperty("compare_only_where", out JsonElement mask) && mask.GetString() is string maskName)
            deviation = deviation * this[maskName].to_type(ScalarType.Float64).unsqueeze(-1);
        double excess = (deviation - (wanted.abs() * rtol + atol)).max().item<double>(), worst = deviation.max().item<double>();
        // A NaN compares with nothing, so it must be asked for.
        return new TensorCheck(name, golden.shape, worst, atol, rtol, excess <= 0 ? null : double.IsNaN(worst) ? "is not a number" : "deviates");
    }

    /// <summary>Python's json writes NaN and Infinity, which JSON has not; no value that is read here may be one.</summary>
    [GeneratedRegex(@"(?<=[:,\[]\s*)(NaN|-?Infinity)(?=\s*[,}\]])")]
    private static partial Regex PythonNumber();

    /// <summary>A recorded output that this program does not compute.</summary>
    internal TensorCheck Unknown(string name) => new(name, this[name].shape, double.NaN,
        expected[name].GetProperty("atol").GetDouble(), expected[name].GetProperty("rtol").GetDouble(), "is not an output that is known here");
}
