using System.CommandLine;
using System.Globalization;
using LlmFusion.Cli.Rendering;
using LlmFusion.Pretraining;

namespace LlmFusion.Cli.Commands;

/// <summary><c>pretrain</c>: an encoder from unlabelled molecules or texts.</summary>
internal static class PretrainCommand
{
    public static Command Create()
    {
        PretrainConfig standard = new() { Modality = "smiles" };
        Argument<string?> modality = new("MODALITY") { Description = "What the encoder reads: smiles, selfies or text", Arity = ArgumentArity.ZeroOrOne };
        modality.AcceptOnlyFromAmong("smiles", "selfies", "text");
        Option<string?> output = new("--output", "-o") { Description = "Folder to write the encoder to", HelpName = "FOLDER" };
        Option<string?> resume = new("--resume") { Description = "Go on with the run in this folder from its last checkpoint", HelpName = "FOLDER" };
        Option<bool> overwrite = new("--overwrite") { Description = "Replace an earlier run in the output folder" };
        Option<bool> json = new("--json") { Description = "Print the record of the run as JSON" };
        Command command = new("pretrain", "Pretrain an encoder on unlabelled molecules or texts") { modality, output, resume, overwrite, json };
        List<Func<ParseResult, PretrainConfig, PretrainConfig>> overrides = [];
        Add<string>("--size", "Size: tiny, mini, small or base", standard.Size, (c, v) => c with { Size = v });
        Add<string>("--objective", "full (masked tokens and RDKit's descriptors; text: the next token) or mlm (masked tokens alone)", "full", (c, v) => c with { Objective = v switch { "full" => PretrainObjective.Full, "mlm" => PretrainObjective.Mlm, _ => throw new ArgumentException($"--objective: got {v}, expected full or mlm") } });
        Add<string>("--data", "Data sets whose training split is read, separated by commas; none: only --file", "qm9,chebi20", (c, v) => c with { Data = Names(v) });
        Add<string[]>("--file", "Further table of molecules (CSV, .smi, ..); for text also a .txt with a text a line; may be repeated", null, (c, v) => c with { Files = v });
        Add<string>("--exclude", "Data sets no molecule of whose validation and test splits may be read, separated by commas; none", "qm9,chebi20", (c, v) => c with { Exclude = Names(v) });
        Add<int>("--epochs", "Times that the corpus is read", standard.Epochs, (c, v) => c with { Epochs = v });
        Add<double>("--minutes", "Minutes of training instead of epochs; the learning rate is planned over them", null, (c, v) => c with { Minutes = v });
        Add<int>("--batch-size", "Sequences of a step", standard.BatchSize, (c, v) => c with { BatchSize = v });
        Add<double>("--learning-rate", "Learning rate after the warm-up; half a cosine follows", standard.LearningRate, (c, v) => c with { LearningRate = v });
        Add<double>("--dropout", "Dropout probability", standard.Dropout, (c, v) => c with { Dropout = v });
        Add<double>("--random-share", "Share of the molecules that an epoch shows as random equivalent SMILES", standard.RandomShare, (c, v) => c with { RandomShare = v });
        Add<double>("--descriptor-weight", "Weight of the descriptors beside the tokens", standard.DescriptorWeight, (c, v) => c with { DescriptorWeight = v });
        Add<int>("--max-tokens", "Longest sequence in tokens", standard.MaximumTokens, (c, v) => c with { MaximumTokens = v });
        Add<int>("--vocabulary", "Most tokens of the vocabulary", standard.VocabularySize, (c, v) => c with { VocabularySize = v });
        Add<int>("--seed", "Seed of weights, order, masks and random SMILES", standard.Seed, (c, v) => c with { Seed = v });
        Add<double>("--checkpoint-minutes", "Minutes between checkpoints, 0 for one after every step", standard.CheckpointMinutes, (c, v) => c with { CheckpointMinutes = v });
        Add<bool>("--bf16", "Multiply in bfloat16: 1.3 (graph) to 1.8 times (sequences) as fast on processors with AVX512-BF16; also on CUDA devices; slower than float32 elsewhere; weights stay float32", null, (c, v) => c with { Bf16 = v });
        Add<string>("--device", "auto, cpu or cuda", standard.Device, (c, v) => c with { Device = v });
        HelpWithExamples.Set(
            command,
            [
                "./llmfusion pretrain smiles -o my-smiles --minutes 30",
                "./llmfusion pretrain selfies -o my-selfies --data qm9 --file more-molecules.csv --epochs 3",
                "./llmfusion pretrain text -o my-text --data chebi20 --file captions.txt --vocabulary 3000",
                "./llmfusion pretrain --resume my-smiles",
                "./llmfusion train molecules.csv --targets y --modalities smiles --encoder smiles=my-smiles,train -o model",
            ],
            [
                "No molecule that stands, stereochemistry ignored, in the validation or test split of a data set of --exclude is",
                "read, nor its text; how many were left out stands in pretraining.json and README.md of the folder.",
            ]);
        command.SetRun(Run);
        return command;

        int Run(ParseResult result, Screen screen, CancellationToken cancellation)
        {
            string? resumed = result.GetValue(resume);
            if (resumed is not null && (result.GetValue(modality) is not null || result.GetValue(output) is not null || result.GetValue(overwrite)))
                throw new UsageException("--resume goes on in its own folder, as the run was begun: it takes neither MODALITY nor -o nor --overwrite");
            using PretrainView view = new(screen);
            PretrainRecord record = resumed is not null
                ? PretrainRun.Resume(resumed, view.Show, cancellation)
                : PretrainRun.Start(
                    overrides.Aggregate(new PretrainConfig { Modality = result.GetValue(modality) ?? throw new UsageException("nothing to read: give smiles, selfies or text") }, (config, apply) => apply(result, config)),
                    result.GetValue(output) ?? throw new UsageException("no folder to write the encoder to: give -o FOLDER"), view.Show, cancellation, result.GetValue(overwrite));
            view.Dispose();
            if (result.GetValue(json)) screen.Data(record.ToJson());
            else PretrainView.Summarise(record, resumed ?? result.GetValue(output)!, screen);
            return ExitCode.Done;
        }

        void Add<T>(string name, string description, object? standard, Func<PretrainConfig, T, PretrainConfig> apply)
        {
            Option<T> option = new(name) { Description = description + (standard is null ? "" : string.Create(CultureInfo.InvariantCulture, $" [{standard}]")) };
            command.Options.Add(option);
            overrides.Add((result, config) => result.GetResult(option) is { Implicit: false } ? apply(config, result.GetValue(option)!) : config);
        }
    }

    private static string[] Names(string list) => list == "none" ? [] : OptionValues.List(list)!;
}
