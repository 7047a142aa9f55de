using System.Globalization;
using System.Text.Json;
using LlmFusion.Transformers.Verification;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Fusion;

/// <summary>
/// A folder of Golden/: the paper's model, tiny, with inputs and what PyTorch made of them. Each recorded output must
/// be compared, at the tolerance recorded with it (<see cref="AllCompared"/>).
/// </summary>
public sealed class GoldenCase : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly GoldenRecord record;
    private readonly Dictionary<string, JsonElement> about;
    private readonly HashSet<string> left;
    private readonly ITestOutputHelper output;

    public GoldenCase(string name, ITestOutputHelper output)
    {
        this.output = output;
        Folder = Path.Combine(AppContext.BaseDirectory, "Golden", name);
        record = GoldenRecord.Read(Folder);
        left = [.. record.Expected];
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "golden.json")));
        about = json.RootElement.GetProperty("tensors").EnumerateArray().ToDictionary(tensor => tensor.GetProperty("name").GetString()!, tensor => tensor.Clone());
    }

    public string Folder { get; }

    /// <summary>A recorded tensor, input or output.</summary>
    public Tensor this[string name] => record[name];

    public bool Expects(string name) => left.Contains(name);

    public void Compare(string name, Tensor actual)
    {
        TensorCheck check = record.Compare(name, actual);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} max deviation {check.Deviation:E2}"));
        Assert.True(check.Passed, $"{name} {check.Problem} (by {check.Deviation:E2})");
        Assert.True(left.Remove(name), $"{name} was compared twice");
    }

    /// <summary>
    /// A parameter after optimiser steps. Adam amplifies float noise where a gradient is near 0, so all elements must lie
    /// within atol, and 99.9 % of them within the far tighter q999_atol; a slice whose gradient is mathematically zero
    /// (unstable_slice) is left out, as the golden says.
    /// </summary>
    public void CompareTrained(string name, Tensor actual)
    {
        JsonElement golden = about[name];
        Assert.Equal(this[name].shape, actual.shape);
        Tensor deviation = (actual.detach() - this[name]).to_type(ScalarType.Float64).abs().flatten();
        if (golden.TryGetProperty("unstable_slice", out JsonElement slice))
            deviation = cat([deviation[..slice[0].GetInt32()], deviation[slice[1].GetInt32()..]]);
        double worst = deviation.max().item<double>(), most = quantile(deviation, tensor(0.999, ScalarType.Float64)).item<double>();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name} max deviation {worst:E2}, 99.9 % below {most:E2}"));
        Assert.True(worst <= golden.GetProperty("atol").GetDouble(), $"{name} deviates by {worst:E2}");
        Assert.True(most <= golden.GetProperty("q999_atol").GetDouble(), $"{name}: 99.9 % of the elements deviate by up to {most:E2}");
        left.Remove(name);
    }

    /// <summary>That no recorded output was left out.</summary>
    public void AllCompared() => Assert.Empty(left);

    public void Dispose() => scope.Dispose();
}
