using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using LlmFusion.Embedding;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Diagnostics;

/// <summary>What <see cref="EmbedBenchmark"/> measured.</summary>
/// <param name="Sequences">How many token sequences were embedded.</param>
/// <param name="Tokens">How many tokens they have.</param>
/// <param name="Threads">Threads that computed.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="SequencesPerSecond">Sequences by seconds.</param>
/// <param name="TokensPerSecond">Tokens by seconds.</param>
/// <param name="MatmulGflops">This machine's rate of a 2048 x 2048 x 2048 product in float32 meanwhile, all threads on one product; the median of products before and after the run.</param>
/// <param name="UsefulGflops">FLOPs that the tokens need in the full network, by seconds.</param>
/// <param name="UsefulFraction">The share of the matmul rate that was useful; above 1 is possible, as the class token's last layer is not computed for all tokens.</param>
public sealed record EmbedBenchmarkResult(
    int Sequences, long Tokens, int Threads, double Seconds, double SequencesPerSecond, double TokensPerSecond, double MatmulGflops, double UsefulGflops, double UsefulFraction)
{
    /// <summary>This result as JSON text, names in snake_case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, EmbedBenchmarkJson.Default.EmbedBenchmarkResult);
}

/// <summary>
/// Measures the embedding engine on token sequences with random weights: RoBERTa of ChemBERTa's size, 6 layers x 768, 12
/// heads, 767 tokens, and its class token. Tokenizing and the store are not in it.
/// </summary>
public static class EmbedBenchmark
{
    private static readonly RobertaConfig Model = new() { VocabSize = 767, Layers = 6, Width = 768, Heads = 12, Inner = 3072, Positions = 514 };

    /// <summary>Sequences of random tokens with lengths as SMILES have them: log-normal around 38, 8 to 200, each with class and end token.</summary>
    public static IReadOnlyList<int[]> RandomSequences(int count, int seed = 7)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            int length = Math.Clamp((int)Math.Round(Math.Exp(Math.Log(38) + 0.45 * normal)), 8, 200);
            return Enumerable.Range(0, length).Select(i => i == 0 ? 0 : i == length - 1 ? 2 : random.Next(5, Model.VocabSize)).ToArray();
        })];
    }

    /// <summary>Embeds the sequences once, after a warm-up.</summary>
    /// <param name="sequences">Token ids from 0 to 766.</param>
    /// <param name="threads">Threads; null: as libtorch does by itself.</param>
    /// <param name="progress">Called with the number of sequences done.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">There are no sequences, or ids or lengths that the model does not have.</exception>
    public static EmbedBenchmarkResult Run(IReadOnlyList<int[]> sequences, int? threads = null, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        if (sequences.Count == 0) throw new ArgumentException("sequences: got none, expected at least one");
        if (sequences.FirstOrDefault(s => s.Length is 0 || s.Length > Model.MaxLength || s.Any(id => id < 0 || id >= Model.VocabSize)) is { } wrong)
            throw new ArgumentException($"sequences: got one of {wrong.Length} tokens up to id {wrong.DefaultIfEmpty().Max()}, expected 1 to {Model.MaxLength} tokens with ids from 0 to {Model.VocabSize - 1}");
        if (threads is { } number) set_num_threads(number);
        manual_seed(0);
        using SequenceEncoder encoder = new(new Roberta(Model), PoolingKind.ClassToken);
        encoder.eval();
        EmbeddingEngine.Run(encoder, [.. sequences.Take(64)], CPU, (_, _) => { }, cancellation);

        MatmulRate matmul = new();
        matmul.Measure();
        int done = 0;
        Stopwatch clock = Stopwatch.StartNew();
        EmbeddingEngine.Run(encoder, sequences, CPU, (batch, _) => progress?.Invoke(done += batch.Length), cancellation);
        clock.Stop();
        matmul.Measure();

        double seconds = clock.Elapsed.TotalSeconds, rate = matmul.Gflops, useful = sequences.Sum(s => Flops(s.Length)) / seconds / 1e9;
        long tokens = sequences.Sum(s => (long)s.Length);
        return new EmbedBenchmarkResult(sequences.Count, tokens, get_num_threads(), seconds, sequences.Count / seconds, tokens / seconds, rate, useful, useful / rate);
    }

    /// <summary>Matrix products of a sequence in the full network: four projections and the MLP for each token, scores and weighted values for each pair.</summary>
    private static double Flops(int length)
    {
        double d = Model.Width;
        return Model.Layers * (length * 2 * (4 * d * d + 2 * d * Model.Inner) + 4.0 * length * length * d);
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(EmbedBenchmarkResult))]
internal sealed partial class EmbedBenchmarkJson : JsonSerializerContext;
