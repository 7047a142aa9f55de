using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using LlmFusion.DataSets;

namespace LlmFusion.Evaluation;

/// <summary>How far a predictor was off for each molecule of the test split, so that two predictors can be compared molecule by molecule.</summary>
/// <param name="RowsSha256">Hash of the test split's molecules in their order.</param>
/// <param name="ByTarget">For each target the absolute errors in its unit, in base64 of 16-bit floats; NaN where no value is known, or none was predicted.</param>
public sealed record TestErrors(
    [property: JsonPropertyName("rows_sha256")] string RowsSha256,
    [property: JsonPropertyName("by_target")] IReadOnlyDictionary<string, string> ByTarget)
{
    /// <summary>The errors of some predictions.</summary>
    /// <param name="targets">Names of the targets (T).</param>
    /// <param name="test">The molecules of the test split (n).</param>
    /// <param name="rows">Those of them that were predicted: a model that cannot read a molecule has no error for it.</param>
    /// <param name="predicted">T predictions for each of these.</param>
    public static TestErrors Of(IReadOnlyList<string> targets, IReadOnlyList<DataRow> test, IReadOnlyList<DataRow> rows, IReadOnlyList<float[]> predicted)
    {
        Dictionary<DataRow, float[]> of = new(rows.Zip(predicted, (row, values) => KeyValuePair.Create(row, values)), ReferenceEqualityComparer.Instance);
        return new TestErrors(
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', test.Select(r => $"{r.Id} {r.Smiles}"))))),
            targets.Index().ToDictionary(t => t.Item, t => Convert.ToBase64String(MemoryMarshal.AsBytes<Half>(test.Select(row => of.TryGetValue(row, out float[]? values) ? (Half)Math.Abs(values[t.Index] - row.Sample!.Targets[t.Index]) : Half.NaN).ToArray()))));
    }

    /// <summary>How many molecules there are.</summary>
    [JsonIgnore]
    public int Count => ByTarget.Values.Select(text => Convert.FromBase64String(text).Length / 2).FirstOrDefault();

    /// <summary>The absolute errors of a target, as many as there are molecules; null where there is no such target.</summary>
    /// <exception cref="FormatException">They are no base64 of 16-bit floats.</exception>
    public double[]? Of(string target) => ByTarget.GetValueOrDefault(target) is { } text ? [.. MemoryMarshal.Cast<byte, Half>(Convert.FromBase64String(text)).ToArray().Select(e => (double)e)] : null;
}
