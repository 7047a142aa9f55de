using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Transformers;
using static TorchSharp.torch;

namespace LlmFusion.Diagnostics;

/// <summary>What <see cref="PredictBenchmark"/> measured; seconds are the median over the rounds.</summary>
/// <param name="Data">The data set.</param>
/// <param name="Molecules">Molecules predicted in a round.</param>
/// <param name="Modalities">What the model was given.</param>
/// <param name="Rounds">Rounds measured, after one that is not.</param>
/// <param name="Threads">Threads that computed.</param>
/// <param name="Seconds">A round, from SMILES to values, intervals and flags.</param>
/// <param name="MoleculesPerSecond">Molecules by seconds.</param>
/// <param name="FlopsPerMolecule">FLOPs of the matrix products that the network needs for a molecule's own tokens, without padding.</param>
/// <param name="MatmulGflops">This machine's rate of a 2048 x 2048 x 2048 product, median before and after.</param>
/// <param name="FractionOfFlopFloor">The time that these FLOPs would take at that rate, by the seconds.</param>
public sealed record PredictBenchmarkResult(
    string Data, int Molecules, IReadOnlyList<string> Modalities, int Rounds, int Threads, double Seconds, double MoleculesPerSecond, double FlopsPerMolecule, double MatmulGflops, double FractionOfFlopFloor)
{
    /// <summary>This result as JSON text, names in snake_case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, PredictBenchmarkJson.Default.PredictBenchmarkResult);
}

/// <summary>Measures prediction end to end, from the SMILES of a data set's test molecules; reading and writing files is not in it.</summary>
public static class PredictBenchmark
{
    /// <summary>Predicts the same molecules in every round.</summary>
    /// <param name="model">A loaded model; stays the caller's.</param>
    /// <param name="predictor">What is measured; of that model.</param>
    /// <param name="data">A data set of the <see cref="Catalog"/>.</param>
    /// <param name="molecules">Most of its test molecules.</param>
    /// <param name="rounds">Rounds measured.</param>
    /// <param name="progress">Called with the number of rounds done.</param>
    /// <param name="cancellation">Stops between chunks of molecules.</param>
    /// <exception cref="DataSetMissingException">The data set is not on this machine.</exception>
    public static PredictBenchmarkResult Run(TrainedModel model, Predictor predictor, string data, int molecules, int rounds, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        if (molecules < 1 || rounds < 1) throw new ArgumentException($"molecules and rounds: got {molecules} and {rounds}, expected at least 1 each");
        // In memory beforehand, so that the measurement holds no reading. A text would not be there in use.
        DataRow[] rows = [.. Catalog.Rows(data, new CatalogOptions { Targets = [] }).Where(r => r.Sample?.Split == Parts.Test).Take(molecules).Select(r => r with { Sample = r.Sample! with { Text = null } })];
        double flops = Flops(model, predictor, rows);
        MatmulRate matmul = new();
        List<double> seconds = [];
        for (int round = 0; round <= rounds; round++)
        {
            if (round == 1) matmul.Measure();
            Stopwatch clock = Stopwatch.StartNew();
            foreach (RowPrediction _ in predictor.Predict(rows, cancellation))
            {
            }

            if (round == 0) continue;
            seconds.Add(clock.Elapsed.TotalSeconds);
            progress?.Invoke(round);
        }

        matmul.Measure();
        double median = seconds.Order().ElementAt(seconds.Count / 2);
        return new PredictBenchmarkResult(Catalog.Find(data).Name, rows.Length, [.. predictor.Modalities.Select(m => m.Name)], rounds, get_num_threads(), median, rows.Length / median,
            flops / rows.Length, matmul.Gflops, flops / median / matmul.Gflops / 1e9);
    }

    private static double Flops(TrainedModel model, Predictor predictor, DataRow[] rows)
    {
        FusionModel fusion = model.Network.Fusion;
        RepresentationOptions options = model.Inputs.Representation.Only(predictor.Modalities);
        Representations[] represented = [.. rows.Select(row => Representations.OfRow(row, options).Of).OfType<Representations>()];
        Dictionary<Modality, Func<int, double>> encoders = model.Network.Encoders.ToDictionary(e => e.Key, e => OfTokens(e.Value.Model));
        foreach ((Modality modality, FrozenEncoder encoder) in model.Inputs.Frozen) encoders[modality] = OfTokens(encoder.Network.Model);
        Dictionary<Modality, double> inFusion = fusion.Config.Modalities.ToDictionary(m => m, m => fusion.named_parameters()
            .Where(p => p.parameter.dim() == 2 && p.name.Split('.')[0] is var layer && (layer.EndsWith($"_{m}", StringComparison.Ordinal) || (layer == "fp_encoder" && m.Kind == ModalityKind.Fingerprint)))
            .Sum(p => 2.0 * p.parameter.numel()));
        Func<int, double> fuse = OfTokens(fusion.Llm);
        double ofAtom = fusion.Config.AtomTargets.Count == 0 ? 0 : 2.0 * fusion.Config.AtomWidth * (fusion.Config.AtomWidth + fusion.Config.AtomTargets.Count); // the MLP of sums over atoms
        double flops = 0;
        using TorchSharp.DisposeScope scope = NewDisposeScope(); // of the graphs
        foreach ((Representations of, MoleculeInputs inputs) in represented.Zip(model.Inputs.Encode(represented)))
        {
            int tokens = 0;
            foreach ((Modality modality, ModalityInput? input) in fusion.Config.Modalities.Zip(inputs.ByModality))
            {
                if (input is null) continue;
                int own = input is ModalityInput.Graph { Of: var atoms } && fusion.Config.GraphTokens == GraphTokens.Atoms ? atoms.AtomCount : 1;
                tokens += own;
                flops += own * inFusion[modality];
                if (input is ModalityInput.Graph graph) flops += model.Network.Graph!.Flops(GraphFeatures.Batch([graph.Of], CPU)) + (graph.Of.AtomCount * ofAtom);
                if (encoders.TryGetValue(modality, out Func<int, double>? encode)) flops += encode(input is ModalityInput.Tokens { Ids: var ids } ? ids.Length : model.Inputs.Frozen[modality].Tokenize(of.SequenceOf(modality)!).Ids.Length);
            }

            flops += fuse(tokens) + 2.0 * fusion.Llm.Width * fusion.Config.Targets;
        }

        return flops;
    }

    /// <summary>FLOPs of a sequence by its length: every weight matrix but the tables for each token, scores and weighted values for each pair.</summary>
    private static Func<int, double> OfTokens(Transformer model)
    {
        string[] tables = ["emb", "wte", "wpe"];
        double weights = model.named_parameters().Where(p => p.parameter.dim() == 2 && !tables.Any(t => p.name.Contains(t, StringComparison.Ordinal))).Sum(p => p.parameter.numel());
        return length => (2 * weights * length) + (4.0 * model.Layers * model.Width * length * length);
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(PredictBenchmarkResult))]
internal sealed partial class PredictBenchmarkJson : JsonSerializerContext;
