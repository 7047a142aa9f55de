using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Diagnostics;

/// <summary>What <see cref="TrainBenchmark"/> measured; seconds are medians over the steps.</summary>
/// <param name="BatchSize">Samples a step, N.</param>
/// <param name="Tokens">Modality tokens a sample, M.</param>
/// <param name="Steps">Steps measured.</param>
/// <param name="Threads">Threads that computed.</param>
/// <param name="CheckpointActivations">Whether activations were computed again in the backward pass.</param>
/// <param name="StepSeconds">A whole step.</param>
/// <param name="SamplesPerSecond">Batch size by <paramref name="StepSeconds"/>.</param>
/// <param name="ForwardBackwardSeconds">Forward and backward pass.</param>
/// <param name="OptimizerSeconds">The optimiser's step.</param>
/// <param name="MatmulGflops">This machine's rate of a 2048 x 2048 x 2048 product, median before and after.</param>
/// <param name="FractionOfMatmul">FLOPs that forward and backward pass need, by their seconds and the matmul rate; what checkpointing computes again is not counted.</param>
/// <param name="PeakRssBytes">Most memory of the process.</param>
public sealed record TrainBenchmarkResult(
    int BatchSize, int Tokens, int Steps, int Threads, bool CheckpointActivations, double StepSeconds, double SamplesPerSecond, double ForwardBackwardSeconds,
    double OptimizerSeconds, double MatmulGflops, double FractionOfMatmul, long PeakRssBytes)
{
    /// <summary>This result as JSON text, names in snake_case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, TrainBenchmarkJson.Default.TrainBenchmarkResult);
}

/// <summary>
/// Measures training steps: GPT-2 Small of 12 x 768 fine-tuned in full from M = 4 embeddings of its width, dropout 0.1, a
/// linear layer to one target, mean squared error, AdamW, random weights and data.
/// </summary>
public static class TrainBenchmark
{
    private const int Modalities = 4;

    private static readonly Gpt2Config Model = new();

    /// <summary>Trains for a number of steps, after one that is not counted.</summary>
    /// <param name="batchSize">Samples a step.</param>
    /// <param name="steps">Steps that are measured.</param>
    /// <param name="checkpointActivations">Compute activations again in the backward pass instead of keeping them.</param>
    /// <param name="threads">Threads; null: as libtorch does by itself.</param>
    /// <param name="progress">Called with the number of steps done.</param>
    /// <param name="cancellation">Stops between steps.</param>
    public static TrainBenchmarkResult Run(int batchSize, int steps, bool checkpointActivations = false, int? threads = null, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        if (threads is { } number) set_num_threads(number);
        if (checkpointActivations) Allocator.ReturnLargeBlocks();
        manual_seed(0);
        Modality[] modalities = [.. Enumerable.Range(1, Modalities).Select(m => Modality.Named($"m{m}", ModalityKind.Vectors))];
        FusionConfig config = new() { Modalities = modalities, Widths = modalities.ToDictionary(m => m, _ => Model.Width), Targets = 1 };
        using FusionModel model = new(config, new Gpt2(Model, tokenEmbedding: false) { CheckpointActivations = checkpointActivations });
        using AdamW optimizer = new([new ParameterGroup([.. model.named_parameters().Select(p => (p.name, p.parameter))])]);
        model.train();
        using DisposeScope scope = NewDisposeScope();
        Dictionary<Modality, Tensor> embeddings = modalities.ToDictionary(m => m, _ => randn(batchSize, Model.Width));
        Tensor truth = randn(batchSize, 1);

        List<double> forwardBackward = [], optimization = [], whole = [];
        MatmulRate matmul = new();
        for (int step = 0; step <= steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (step == 1) matmul.Measure();
            Stopwatch clock = Stopwatch.StartNew();
            TrainStep(model, embeddings, truth);
            double before = clock.Elapsed.TotalSeconds;
            optimizer.Step(1e-4);
            model.zero_grad(set_to_none: true);
            if (step == 0) continue;
            whole.Add(clock.Elapsed.TotalSeconds);
            forwardBackward.Add(before);
            optimization.Add(clock.Elapsed.TotalSeconds - before);
            progress?.Invoke(step);
        }

        matmul.Measure();
        double flops = 3.0 * batchSize * Flops(Modalities), seconds = Median(whole);
        return new TrainBenchmarkResult(batchSize, Modalities, steps, get_num_threads(), checkpointActivations, seconds, batchSize / seconds, Median(forwardBackward),
            Median(optimization), matmul.Gflops, flops / Median(forwardBackward) / matmul.Gflops / 1e9, Process.GetCurrentProcess().PeakWorkingSet64);
    }

    private static void TrainStep(FusionModel model, Dictionary<Modality, Tensor> embeddings, Tensor truth)
    {
        using DisposeScope scope = NewDisposeScope();
        nn.functional.mse_loss(model.Forward(embeddings).Prediction, truth).backward();
    }

    /// <summary>Matrix products of a sample's forward pass; the backward pass needs twice as many.</summary>
    private static double Flops(int length)
    {
        double d = Model.Width;
        return Model.Layers * (length * 2 * 12 * d * d + 4.0 * length * length * d);
    }

    private static double Median(List<double> seconds) => seconds.Order().ElementAt(seconds.Count / 2);
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(TrainBenchmarkResult))]
internal sealed partial class TrainBenchmarkJson : JsonSerializerContext;
