using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using LlmFusion.DataSets;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Diagnostics;

/// <summary>What <see cref="TrainLoopBenchmark"/> measured.</summary>
/// <param name="Data">The data set.</param>
/// <param name="Size">Size of the networks.</param>
/// <param name="Molecules">Molecules of its training split.</param>
/// <param name="BatchSize">Molecules a step.</param>
/// <param name="Rounds">How often both were measured, in turns.</param>
/// <param name="Threads">Threads that computed.</param>
/// <param name="TrainingPerSecond">Molecules a second in the training loop, median of the rounds.</param>
/// <param name="BarePerSecond">Molecules a second of the same network's forward and backward pass on the same batches, made beforehand.</param>
/// <param name="Fraction">The first by the second, median of the rounds.</param>
/// <param name="BatchMilliseconds">What making a batch takes.</param>
/// <param name="PeakRssBytes">Most memory of the process.</param>
public sealed record TrainLoopBenchmarkResult(
    string Data, string Size, int Molecules, int BatchSize, int Rounds, int Threads, double TrainingPerSecond, double BarePerSecond, double Fraction, double BatchMilliseconds, long PeakRssBytes)
{
    /// <summary>This result as JSON text, names in snake_case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, TrainLoopBenchmarkJson.Default.TrainLoopBenchmarkResult);
}

/// <summary>
/// Measures what the training loop costs beside the network: a model with encoders of its own for SMILES and SELFIES, and a
/// fingerprint, is trained from a data set, and then does forward and backward passes alone on tensors in memory.
/// </summary>
public static class TrainLoopBenchmark
{
    private const int Epochs = 3; // the first warms up

    /// <summary>Trains in a temporary folder, and removes it.</summary>
    /// <param name="data">A named data set.</param>
    /// <param name="size">Size of the networks.</param>
    /// <param name="rounds">How often both are measured, in turns.</param>
    /// <param name="threads">Threads; null: as libtorch does by itself.</param>
    /// <param name="progress">Called with the number of rounds done.</param>
    /// <param name="cancellation">Stops between steps.</param>
    public static TrainLoopBenchmarkResult Run(string data, string size, int rounds, int? threads = null, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        if (threads is { } number) set_num_threads(number);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmfusion-bench-");
        try
        {
            RunConfig config = new() { Data = data, Size = size, Epochs = Epochs, EvaluateTest = false, Device = "cpu", CheckpointMinutes = 1e5 };
            List<double> training = [], bare = [], batchSeconds = [];
            int molecules = 0;
            for (int round = 1; round <= rounds; round++)
            {
                string model = Path.Combine(folder.FullName, $"{round}");
                List<double> epochs = [];
                TrainingRun.Run(config, model, resume: false, e =>
                {
                    if (e is EpochDone { Record: var record }) epochs.Add(record.MoleculesPerSecond);
                }, cancellation);
                training.Add(epochs.Skip(1).Max());
                (molecules, double best, double making) = Bare(config, model, cancellation);
                bare.Add(best);
                batchSeconds.Add(making);
                progress?.Invoke(round);
            }

            return new TrainLoopBenchmarkResult(data, size, molecules, config.BatchSize, rounds, get_num_threads(), Median(training), Median(bare),
                Median(training.Zip(bare, (t, b) => t / b)), 1e3 * Median(batchSeconds), Process.GetCurrentProcess().PeakWorkingSet64);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The faster of two passes over the batches of an epoch, as the training's rate is that of its fastest epoch.</summary>
    private static (int Molecules, double PerSecond, double BatchSeconds) Bare(RunConfig config, string folder, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using TrainedModel model = TrainedModel.Load(folder);
        IReadOnlyList<DataRow> rows = RunData.Open(config with { Targets = [.. model.Manifest!.Targets.Select(t => t.Name)] }).Train;
        MoleculeInputs[] inputs = model.Inputs.Encode(PreparedRows.Of(rows, model.Inputs.Representation, null, cancellation).Representations, cancellation: cancellation);
        Stopwatch clock = Stopwatch.StartNew();
        Batch[] batches = [.. new BatchSampler(inputs.Select(i => i.TokenCount), config.BatchSize, config.Seed).Epoch(1)
            .Select(batch => Batch.Of([.. batch.Select(i => inputs[i])], model.Inputs.Representation.Modalities, model.Inputs.Representation.Fingerprint.Size, CPU))];
        double making = clock.Elapsed.TotalSeconds / batches.Length;
        model.Network.train();
        double best = 0;
        for (int pass = 0; pass < Epochs; pass++)
        {
            clock.Restart();
            foreach (Batch batch in batches)
            {
                cancellation.ThrowIfCancellationRequested();
                using DisposeScope step = NewDisposeScope();
                model.Network.Forward(batch).square().mean().backward();
                model.Network.zero_grad(set_to_none: true);
            }

            if (pass > 0) best = Math.Max(best, inputs.Length / clock.Elapsed.TotalSeconds);
        }

        return (inputs.Length, best, making);
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(TrainLoopBenchmarkResult))]
internal sealed partial class TrainLoopBenchmarkJson : JsonSerializerContext;
