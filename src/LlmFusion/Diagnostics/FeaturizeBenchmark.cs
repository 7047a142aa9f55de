using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;

namespace LlmFusion.Diagnostics;

/// <summary>How fast a number of threads worked.</summary>
/// <param name="Threads">How many threads featurized.</param>
/// <param name="Seconds">How long they took.</param>
/// <param name="MoleculesPerSecond">How many molecules they did in a second.</param>
public sealed record FeaturizeRate(int Threads, double Seconds, double MoleculesPerSecond);

/// <summary>What <see cref="FeaturizeBenchmark"/> measured.</summary>
/// <param name="Data">The data set.</param>
/// <param name="Molecules">How many molecules each measurement featurized.</param>
/// <param name="OneCore">With one thread.</param>
/// <param name="AllCores">With as many threads as there are cores.</param>
public sealed record FeaturizeBenchmarkResult(string Data, int Molecules, FeaturizeRate OneCore, FeaturizeRate AllCores)
{
    /// <summary>This result as JSON text, names in snake_case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, FeaturizeBenchmarkJson.Default.FeaturizeBenchmarkResult);
}

/// <summary>Measures everything that <see cref="Featurizer"/> computes of a molecule; reading and writing files is not in it.</summary>
public static class FeaturizeBenchmark
{
    private const int WarmUp = 200;

    /// <summary>Featurizes the same molecules twice: with one thread, then on all cores.</summary>
    /// <param name="data">A data set of the <see cref="Catalog"/>.</param>
    /// <param name="molecules">How many of its molecules; from the beginning again where it has fewer.</param>
    /// <param name="progress">Told how many of twice <paramref name="molecules"/> are done, every hundred.</param>
    /// <param name="cancellation">Ends the work with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ArgumentException">No such data set, or less than one molecule.</exception>
    /// <exception cref="DataSetMissingException">The data set is not on this machine.</exception>
    public static FeaturizeBenchmarkResult Run(
        string data = DemoDataSet.Name, int molecules = 2000, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        if (molecules < 1) throw new ArgumentException($"molecules: got {molecules}, expected at least 1", nameof(molecules));
        // In memory beforehand, so that the measurement holds no reading.
        DataRow[] all = [.. Catalog.Rows(data, new CatalogOptions { Targets = [] }).Where(r => r.Sample is not null).Take(molecules)];
        DataRow[] rows = [.. Enumerable.Range(0, molecules).Select(i => all[i % all.Length])];
        _ = Measure(rows[..Math.Min(WarmUp, molecules)], Environment.ProcessorCount, null, cancellation);
        FeaturizeRate one = Measure(rows, 1, progress, cancellation);
        FeaturizeRate every = Measure(rows, Environment.ProcessorCount, done => progress?.Invoke(molecules + done), cancellation);
        return new FeaturizeBenchmarkResult(Catalog.Find(data).Name, molecules, one, every);
    }

    private static FeaturizeRate Measure(DataRow[] rows, int threads, Action<long>? progress, CancellationToken cancellation)
    {
        FeaturizerOptions options = new();
        long done = 0;
        var clock = Stopwatch.StartNew();
        foreach (object?[] _ in MoleculeBatch.Select(rows, row => Featurizer.Features(row, options), threads, cancellation))
        {
            if (++done % 100 == 0) progress?.Invoke(done);
        }

        double seconds = clock.Elapsed.TotalSeconds;
        return new FeaturizeRate(threads, seconds, done / seconds);
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(FeaturizeBenchmarkResult))]
internal sealed partial class FeaturizeBenchmarkJson : JsonSerializerContext;
