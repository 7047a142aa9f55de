using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Diagnostics;

/// <summary>What <see cref="GraphBenchmark"/> measured; seconds are medians over the steps.</summary>
/// <param name="Data">The data set.</param>
/// <param name="BatchSize">Molecules a step.</param>
/// <param name="AtomsPerMolecule">Their mean number of atoms.</param>
/// <param name="Steps">Steps measured.</param>
/// <param name="Threads">Threads that computed.</param>
/// <param name="Parameters">Numbers of the network that are trained.</param>
/// <param name="StepSeconds">A whole step: the making of the batch, forward and backward pass, optimiser.</param>
/// <param name="MoleculesPerSecond">Batch size by <paramref name="StepSeconds"/>.</param>
/// <param name="MatmulGflops">This machine's rate of a 2048 x 2048 x 2048 product, median before and after.</param>
/// <param name="FractionOfMatmul">FLOPs of the products of forward and backward pass, by <paramref name="StepSeconds"/> and the matmul rate.</param>
public sealed record GraphBenchmarkResult(
    string Data, int BatchSize, double AtomsPerMolecule, int Steps, int Threads, long Parameters, double StepSeconds, double MoleculesPerSecond, double MatmulGflops, double FractionOfMatmul)
{
    /// <summary>This result as JSON text, names in snake_case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, GraphBenchmarkJson.Default.GraphBenchmarkResult);
}

/// <summary>Measures training steps of the graph encoder of size mini and a linear layer on its pooled vector to three targets, by themselves: mean absolute error, clipped AdamW.</summary>
public static class GraphBenchmark
{
    private const int Targets = 3;

    /// <summary>Trains for a number of steps, after two that are not counted.</summary>
    /// <param name="data">A data set of the <see cref="Catalog"/>; its molecules are taken in their order, and again from the beginning.</param>
    /// <param name="batchSize">Molecules a step.</param>
    /// <param name="steps">Steps that are measured.</param>
    /// <param name="threads">Threads; null: as libtorch does by itself.</param>
    /// <param name="progress">Called with the number of steps done.</param>
    /// <param name="cancellation">Stops between steps.</param>
    /// <exception cref="DataSetMissingException">The data set is not on this machine.</exception>
    public static GraphBenchmarkResult Run(string data, int batchSize, int steps, int? threads = null, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        if (threads is { } number) set_num_threads(number);
        manual_seed(0);
        MolecularGraph[] graphs = [.. MoleculeBatch.Select(Catalog.Rows(data, new CatalogOptions { Targets = [] }).Where(r => r.Sample is not null).Take(batchSize * (steps + 2)), GraphOf, ct: cancellation).OfType<MolecularGraph>()];
        using GraphNetwork network = new(NewNetworks.Graph(SizePreset.Mini.Width / 2, SizePreset.Mini.GraphLayers));
        using TorchSharp.Modules.Linear head = nn.Linear(network.PooledWidth, Targets);
        (string Name, TorchSharp.Modules.Parameter Value)[] trained = [.. network.named_parameters().Concat(head.named_parameters()).Select(p => (p.name, p.parameter))];
        using AdamW optimizer = new([new ParameterGroup(trained)]);
        List<double> seconds = [];
        double flops = 0, atoms = 0;
        MatmulRate matmul = new();
        for (int step = -2; step < steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (step == 0) matmul.Measure();
            MolecularGraph[] molecules = [.. Enumerable.Range(0, batchSize).Select(i => graphs[((step + 2) * batchSize + i) % graphs.Length])];
            Stopwatch clock = Stopwatch.StartNew();
            double needed = TrainStep(network, head, optimizer, molecules);
            if (step < 0) continue;
            seconds.Add(clock.Elapsed.TotalSeconds);
            flops += needed / steps;
            atoms += molecules.Average(m => m.AtomCount) / steps;
            progress?.Invoke(step + 1);
        }

        matmul.Measure();
        double median = seconds.Order().ElementAt(seconds.Count / 2);
        return new GraphBenchmarkResult(Catalog.Find(data).Name, batchSize, atoms, steps, get_num_threads(), trained.Sum(p => p.Value.numel()), median, batchSize / median, matmul.Gflops, flops / median / matmul.Gflops / 1e9);
    }

    /// <summary>One step; the FLOPs of its products, of which the backward pass has twice as many as the forward pass.</summary>
    private static double TrainStep(GraphNetwork network, TorchSharp.Modules.Linear head, AdamW optimizer, MolecularGraph[] molecules)
    {
        using DisposeScope scope = NewDisposeScope();
        GraphBatch batch = GraphFeatures.Batch(molecules, CPU);
        head.forward(GraphNetwork.Pool(network.Forward(batch), batch)).abs().mean().backward();
        optimizer.Step(1e-4, Math.Min(1, 1 / (optimizer.GradientNorm() + 1e-6)));
        network.zero_grad(set_to_none: true);
        head.zero_grad(set_to_none: true);
        return 3 * network.Flops(batch);
    }

    private static MolecularGraph? GraphOf(DataRow row)
    {
        if (!Molecule.TryParse(row.Smiles, out Molecule? molecule, out _)) return null;
        using (molecule) return molecule.Graph();
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(GraphBenchmarkResult))]
internal sealed partial class GraphBenchmarkJson : JsonSerializerContext;
