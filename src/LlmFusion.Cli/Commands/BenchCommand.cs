using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;
using LlmFusion.Diagnostics;

namespace LlmFusion.Cli.Commands;

/// <summary><c>bench</c>: how fast this machine is.</summary>
internal static class BenchCommand
{
    public static Command Create() => new("bench", "Measure how fast this machine is") { Featurize(), Embed(), Predict(), Train(), Graph(), TrainLoop() };

    private static Command Featurize()
    {
        Option<string> data = new("--data") { Description = "Named data set to take molecules from: demo, qm9 or chebi20", HelpName = "NAME", DefaultValueFactory = _ => DemoDataSet.Name };
        data.Validators.Add(result => OptionValues.CheckDataSet("--data", result, result.GetValueOrDefault<string>()));
        Option<int> molecules = OptionValues.WholeNumber("--molecules", "How many molecules; from the beginning again where the data set has fewer", 2000, 1);
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("featurize", "Molecules per second of everything that the featurize command computes, on one core and on all") { data, molecules, json };
        HelpWithExamples.Set(command, ["./llmfusion bench featurize", "./llmfusion bench featurize --data qm9 --molecules 10000 --json"]);
        command.SetRun((parse, screen, stop) =>
        {
            int count = parse.GetValue(molecules);
            // Begun by the first molecule, so that its rate does not count the making of the data set.
            ProgressLine? progress = null;
            FeaturizeBenchmarkResult result;
            try
            {
                result = FeaturizeBenchmark.Run(parse.GetValue(data)!, count, done => (progress ??= screen.Progress("molecules", 2L * count)).Report(done), stop);
            }
            finally
            {
                progress?.Dispose();
            }

            if (parse.GetValue(json)) screen.Data(result.ToJson());
            else Show(result, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Embed()
    {
        Option<int> count = OptionValues.WholeNumber("--count", "How many sequences of random tokens, of lengths as SMILES have them", 256, 1);
        Option<FileInfo?> sequences = new("--sequences") { Description = "JSON file with token sequences instead: a list of lists of ids from 0 to 766", HelpName = "FILE" };
        Option<int?> threads = OptionValues.WholeNumber("--threads", "Threads (else as many as libtorch chooses)", 1);
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("embed", "Sequences per second of the embedding engine, and its share of this machine's matrix product rate") { count, sequences, threads, json };
        HelpWithExamples.Set(command, ["./llmfusion bench embed", "./llmfusion bench embed --sequences tokens.json --threads 2 --json"],
            ["RoBERTa of ChemBERTa's size (6 layers x 768) with random weights, class token. useful_fraction: the FLOPs that the", "tokens need in the full network, by seconds and by the matmul rate, which is measured before and after."]);
        command.SetRun((parse, screen, stop) =>
        {
            IReadOnlyList<int[]> given = parse.GetValue(sequences) is { } file
                ? JsonSerializer.Deserialize<int[][]>(File.ReadAllBytes(file.FullName)) ?? throw new UsageException($"{file}: got null, expected a list of lists of ids")
                : EmbedBenchmark.RandomSequences(parse.GetValue(count));
            using ProgressLine progress = screen.Progress("sequences", given.Count);
            EmbedBenchmarkResult result = EmbedBenchmark.Run(given, parse.GetValue(threads), done => progress.Report(done), stop);
            progress.Dispose();
            if (parse.GetValue(json)) screen.Data(result.ToJson());
            else Show(result, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Predict()
    {
        Option<string> data = new("--data") { Description = "Named data set whose test molecules are predicted: demo, qm9 or chebi20", HelpName = "NAME", DefaultValueFactory = _ => DemoDataSet.Name };
        data.Validators.Add(result => OptionValues.CheckDataSet("--data", result, result.GetValueOrDefault<string>()));
        Option<int> molecules = OptionValues.WholeNumber("--molecules", "Most molecules", 2000, 1);
        Option<int> rounds = OptionValues.WholeNumber("--rounds", "How often they are predicted, after one round that is not measured", 3, 1);
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("predict", "Molecules per second from SMILES to prediction, and the time that the network's matrix products alone would take") { data, molecules, rounds, json };
        TrainedModelOptions model = new(command);
        HelpWithExamples.Set(command, ["./llmfusion bench predict --data qm9 --json", "./llmfusion bench predict --model my-model --modalities fingerprint --molecules 10000"],
            ["fraction_of_flop_floor: the FLOPs of the network's matrix products for the molecules' own tokens, at the matmul rate that is", "measured before and after, by the seconds. Stored embeddings of frozen encoders would be no prediction: they are not used."]);
        command.SetRun((parse, screen, stop) =>
        {
            int count = parse.GetValue(rounds);
            using OpenModel open = model.Open(parse, screen, columns: null, stop, store: false);
            using ProgressLine progress = screen.Progress("rounds", count);
            PredictBenchmarkResult result = PredictBenchmark.Run(open.Models is [Prediction.TrainedModel one] ? one : throw new UsageException($"--model: got {(open.Models.Count > 1 ? $"{open.Models.Count} models" : "a baseline")}, expected one fusion model to measure"), open.Predictor, parse.GetValue(data)!, parse.GetValue(molecules), count, done => progress.Report(done), stop);
            progress.Dispose();
            if (parse.GetValue(json)) screen.Data(result.ToJson());
            else Show(result, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Train()
    {
        Option<int> batch = OptionValues.WholeNumber("--batch-size", "Samples a step", 64, 1);
        Option<int> steps = OptionValues.WholeNumber("--steps", "Steps measured, after one that is not", 6, 1);
        Option<bool> checkpoint = new("--checkpoint-activations") { Description = "Compute activations again in the backward pass, for less memory" };
        Option<int?> threads = OptionValues.WholeNumber("--threads", "Threads (else as many as libtorch chooses)", 1);
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("train", "Training steps a second of GPT-2 Small on four modality tokens, their share of this machine's matrix product rate, and memory") { batch, steps, checkpoint, threads, json };
        HelpWithExamples.Set(command, ["./llmfusion bench train", "./llmfusion bench train --batch-size 256 --checkpoint-activations --json"],
            ["All 12 layers x 768 are trained, dropout 0.1, AdamW, random weights and data. fraction_of_matmul: the FLOPs of forward", "and backward pass, by their seconds and by the matmul rate, which is measured before and after."]);
        command.SetRun((parse, screen, stop) =>
        {
            int count = parse.GetValue(steps);
            using ProgressLine progress = screen.Progress("steps", count);
            TrainBenchmarkResult result = TrainBenchmark.Run(parse.GetValue(batch), count, parse.GetValue(checkpoint), parse.GetValue(threads), done => progress.Report(done), stop);
            progress.Dispose();
            if (parse.GetValue(json)) screen.Data(result.ToJson());
            else Show(result, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Graph()
    {
        Option<string> data = new("--data") { Description = "Named data set to take molecules from: demo, qm9 or chebi20", HelpName = "NAME", DefaultValueFactory = _ => DemoDataSet.Name };
        data.Validators.Add(result => OptionValues.CheckDataSet("--data", result, result.GetValueOrDefault<string>()));
        Option<int> batch = OptionValues.WholeNumber("--batch-size", "Molecules a step", 128, 1);
        Option<int> steps = OptionValues.WholeNumber("--steps", "Steps measured, after two that are not", 20, 1);
        Option<int?> threads = OptionValues.WholeNumber("--threads", "Threads (else as many as libtorch chooses)", 1);
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("graph", "Training steps a second of the graph encoder by itself, and its share of this machine's matrix product rate") { data, batch, steps, threads, json };
        HelpWithExamples.Set(command, ["./llmfusion bench graph", "./llmfusion bench graph --data qm9 --steps 50 --json"],
            ["Size mini, pooled, a linear layer to three targets, mean absolute error, AdamW. fraction_of_matmul: the FLOPs of forward", "and backward pass, by the step's seconds and by the matmul rate, which is measured before and after."]);
        command.SetRun((parse, screen, stop) =>
        {
            int count = parse.GetValue(steps);
            using ProgressLine progress = screen.Progress("steps", count);
            GraphBenchmarkResult result = GraphBenchmark.Run(parse.GetValue(data)!, parse.GetValue(batch), count, parse.GetValue(threads), done => progress.Report(done), stop);
            progress.Dispose();
            if (parse.GetValue(json)) screen.Data(result.ToJson());
            else Show(result, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Show(GraphBenchmarkResult result, Screen screen)
    {
        DataTable table = new("data", "batch", "atoms", "steps", "threads", "ms/step", "molecules/s", "matmul GFLOP/s", "of matmul");
        table.Add(result.Data, result.BatchSize, result.AtomsPerMolecule.ToString("F1", CultureInfo.InvariantCulture), result.Steps, result.Threads, (1000 * result.StepSeconds).ToString("F1", CultureInfo.InvariantCulture),
            result.MoleculesPerSecond.ToString("F0", CultureInfo.InvariantCulture), result.MatmulGflops.ToString("F0", CultureInfo.InvariantCulture), $"{(100 * result.FractionOfMatmul).ToString("F0", CultureInfo.InvariantCulture)}%");
        screen.Table(table);
    }

    private static Command TrainLoop()
    {
        Option<string> data = new("--data") { Description = "Named data set to train on: demo, qm9 or chebi20", HelpName = "NAME", DefaultValueFactory = _ => DemoDataSet.Name };
        data.Validators.Add(result => OptionValues.CheckDataSet("--data", result, result.GetValueOrDefault<string>()));
        Option<string> size = new("--size") { Description = "Size of the networks: tiny, mini, small or base", DefaultValueFactory = _ => "mini" };
        Option<int> rounds = OptionValues.WholeNumber("--rounds", "How often both are measured, in turns", 3, 1);
        Option<int?> threads = OptionValues.WholeNumber("--threads", "Threads (else as many as libtorch chooses)", 1);
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("train-loop", "Molecules a second of training from SMILES, SELFIES and fingerprint, beside the same network's forward and backward pass alone") { data, size, rounds, threads, json };
        HelpWithExamples.Set(command, ["./llmfusion bench train-loop", "./llmfusion bench train-loop --size tiny --json"],
            ["A model is trained in a temporary folder, then the network does its passes on the same batches, which are made beforehand.", "fraction: what the optimiser, the making of batches and everything else leave of the bare rate."]);
        command.SetRun((parse, screen, stop) =>
        {
            int count = parse.GetValue(rounds);
            using ProgressLine progress = screen.Progress("rounds", count);
            TrainLoopBenchmarkResult result = TrainLoopBenchmark.Run(parse.GetValue(data)!, parse.GetValue(size)!, count, parse.GetValue(threads), done => progress.Report(done), stop);
            progress.Dispose();
            if (parse.GetValue(json)) screen.Data(result.ToJson());
            else Show(result, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Show(PredictBenchmarkResult result, Screen screen)
    {
        DataTable table = new("data", "molecules", "from", "threads", "seconds", "molecules/s", "MFLOP each", "matmul GFLOP/s", "of floor");
        table.Add(result.Data, result.Molecules, string.Join("+", result.Modalities), result.Threads, result.Seconds.ToString("F2", CultureInfo.InvariantCulture), result.MoleculesPerSecond.ToString("F0", CultureInfo.InvariantCulture),
            (result.FlopsPerMolecule / 1e6).ToString("F1", CultureInfo.InvariantCulture), result.MatmulGflops.ToString("F0", CultureInfo.InvariantCulture), $"{(100 * result.FractionOfFlopFloor).ToString("F0", CultureInfo.InvariantCulture)}%");
        screen.Table(table);
    }

    private static void Show(TrainLoopBenchmarkResult result, Screen screen)
    {
        DataTable table = new("data", "size", "molecules", "threads", "training/s", "bare/s", "fraction", "ms a batch", "peak GB");
        table.Add(result.Data, result.Size, result.Molecules, result.Threads, result.TrainingPerSecond.ToString("F0", CultureInfo.InvariantCulture), result.BarePerSecond.ToString("F0", CultureInfo.InvariantCulture),
            $"{(100 * result.Fraction).ToString("F0", CultureInfo.InvariantCulture)}%", result.BatchMilliseconds.ToString("F1", CultureInfo.InvariantCulture), (result.PeakRssBytes / 1e9).ToString("F2", CultureInfo.InvariantCulture));
        screen.Table(table);
    }

    private static void Show(TrainBenchmarkResult result, Screen screen)
    {
        DataTable table = new("batch", "steps", "threads", "s/step", "samples/s", "optimiser s", "matmul GFLOP/s", "of matmul", "peak GB");
        table.Add(result.BatchSize, result.Steps, result.Threads, result.StepSeconds.ToString("F3", CultureInfo.InvariantCulture), result.SamplesPerSecond.ToString("F1", CultureInfo.InvariantCulture),
            result.OptimizerSeconds.ToString("F3", CultureInfo.InvariantCulture), result.MatmulGflops.ToString("F0", CultureInfo.InvariantCulture),
            $"{(100 * result.FractionOfMatmul).ToString("F0", CultureInfo.InvariantCulture)}%", (result.PeakRssBytes / 1e9).ToString("F2", CultureInfo.InvariantCulture));
        screen.Table(table);
    }

    private static void Show(EmbedBenchmarkResult result, Screen screen)
    {
        DataTable table = new("sequences", "tokens", "threads", "seconds", "sequences/s", "tokens/s", "matmul GFLOP/s", "useful");
        table.Add(result.Sequences, result.Tokens, result.Threads, result.Seconds.ToString("F2", CultureInfo.InvariantCulture), result.SequencesPerSecond.ToString("F1", CultureInfo.InvariantCulture),
            result.TokensPerSecond.ToString("N0", CultureInfo.InvariantCulture), result.MatmulGflops.ToString("F0", CultureInfo.InvariantCulture), $"{(100 * result.UsefulFraction).ToString("F0", CultureInfo.InvariantCulture)}%");
        screen.Table(table);
    }

    private static void Show(FeaturizeBenchmarkResult result, Screen screen)
    {
        DataTable table = new("data", "molecules", "cores", "molecules/s", "seconds");
        foreach (FeaturizeRate rate in new[] { result.OneCore, result.AllCores })
            table.Add(result.Data, result.Molecules, rate.Threads, rate.MoleculesPerSecond.ToString("N0", CultureInfo.InvariantCulture), rate.Seconds.ToString("F2", CultureInfo.InvariantCulture));
        screen.Table(table);
    }
}
