using System.Globalization;
using System.Text.Json;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>
/// A folder of Golden/: a tiny checkpoint, inputs, and what Hugging Face's transformers made of them. Each recorded
/// output must be compared (<see cref="Compare"/>), at the tolerance recorded with it, before the case is disposed.
/// </summary>
public sealed class GoldenCase : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Dictionary<string, Tensor> tensors;
    private readonly Dictionary<string, JsonElement> expected;
    private readonly ITestOutputHelper output;

    public GoldenCase(string name, ITestOutputHelper output)
    {
        this.output = output;
        Folder = FolderOf(name);
        tensors = Safetensors.Read(Path.Combine(Folder, "golden.safetensors"));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "golden.json")));
        expected = json.RootElement.GetProperty("tensors").EnumerateArray()
            .Where(tensor => tensor.GetProperty("role").GetString() == "expected")
            .ToDictionary(tensor => tensor.GetProperty("name").GetString()!, tensor => tensor.Clone());
    }

    public string Folder { get; }

    /// <summary>A recorded tensor, input or output.</summary>
    public Tensor this[string name] => tensors[name];

    public bool Expects(string name) => expected.ContainsKey(name);

    public IEnumerable<string> Gradients => expected.Keys.Where(name => name.StartsWith("grad.", StringComparison.Ordinal)).ToArray();

    public static string FolderOf(string name) => Path.Combine(AppContext.BaseDirectory, "Golden", name);

    /// <summary>|actual - expected| &lt;= atol + rtol |expected| for every element, or those of real tokens where the golden says so.</summary>
    public void Compare(string name, Tensor actual)
    {
        JsonElement about = expected[name];
        Tensor golden = tensors[name];
        Assert.Equal(golden.shape, actual.shape.Length == 0 ? [1] : actual.shape);
        Tensor wanted = golden.to_type(ScalarType.Float64);
        Tensor deviation = (actual.detach().reshape(golden.shape).to_type(ScalarType.Float64) - wanted).abs();
        if (about.TryGetProperty("compare_only_where", out JsonElement mask) && mask.GetString() is string maskName)
            deviation = deviation * tensors[maskName].to_type(ScalarType.Float64).unsqueeze(-1);
        Tensor excess = deviation - (about.GetProperty("atol").GetDouble() + (about.GetProperty("rtol").GetDouble() * wanted.abs()));
        double worst = excess.max().item<double>();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(Folder)} {name} max deviation {deviation.max().item<double>():E2}"));
        Assert.True(worst <= 0, $"{Path.GetFileName(Folder)}: {name} deviates by {deviation.max().item<double>():E2}, {worst:E2} more than allowed");
        expected.Remove(name);
    }

    /// <summary>
    /// A parameter after optimiser steps. Adam amplifies float noise where a gradient is near 0, so all elements must lie
    /// within atol, and 99.9 % of them within the far tighter q999_atol; a slice whose gradient is mathematically zero
    /// (unstable_slice) is left out, as the golden says.
    /// </summary>
    public void CompareTrained(string name, Tensor actual)
    {
        JsonElement about = expected[name];
        Tensor golden = tensors[name];
        Assert.Equal(golden.shape, actual.shape);
        Tensor deviation = (actual.detach() - golden).to_type(ScalarType.Float64).abs().flatten();
        if (about.TryGetProperty("unstable_slice", out JsonElement slice))
            deviation = cat([deviation[..slice[0].GetInt32()], deviation[slice[1].GetInt32()..]]);
        double worst = deviation.max().item<double>(), most = quantile(deviation, tensor(0.999, ScalarType.Float64)).item<double>();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(Folder)} {name} max deviation {worst:E2}, 99.9 % below {most:E2}"));
        Assert.True(worst <= about.GetProperty("atol").GetDouble(), $"{name} deviates by {worst:E2}");
        Assert.True(most <= about.GetProperty("q999_atol").GetDouble(), $"{name}: 99.9 % of the elements deviate by up to {most:E2}");
        expected.Remove(name);
    }

    /// <summary>That no recorded output was left out.</summary>
    public void AllCompared() => Assert.Empty(expected.Keys);

    public void Dispose() => scope.Dispose();
}
