using System.CommandLine;
using LlmFusion.Cli.Rendering;
using LlmFusion.Distributed;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Cli.Commands;

/// <summary><c>train</c>: from a table of molecules, or a built-in data set, to a model folder.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        Command command = new("train", "Train a fusion model on a table of molecules, or on a built-in data set");
        Argument<FileInfo?> file = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "Table to be split (CSV, TSV, .gz, Parquet, .smi, SDF)" };
        Option<string?> output = new("--output", "-o") { Description = "Model folder to write" };
        Option<string?> resume = new("--resume") { Description = "Go on with the run in this folder from its last checkpoint", HelpName = "DIR" };
        Option<FileInfo?> configFile = new("--config") { Description = "YAML or JSON file with the whole configuration; options given here override it" };
        Option<bool> json = new("--json") { Description = "Print the metrics as JSON" };
        command.Arguments.Add(file);
        command.Options.Add(output);
        command.Options.Add(resume);
        command.Options.Add(configFile);
        command.Options.Add(json);
        RunOptions options = new(command);
        command.SetRun(Run);
        return command;

        int Run(ParseResult result, Screen screen, CancellationToken cancellation)
        {
            string? resumed = result.GetValue(resume);
            string folder = resumed ?? result.GetValue(output) ?? throw new UsageException("no folder to write the model to: give -o DIR");
            string? path = result.GetValue(configFile)?.FullName ?? (resumed is null ? null : Path.Combine(resumed, TrainingRun.ConfigFile));
            if (resumed is not null && !File.Exists(path)) throw new UsageException($"{resumed}: holds no {TrainingRun.ConfigFile}; expected the folder of a training run");
            RunConfig config = options.Apply(result, path is null ? new RunConfig() : RunConfig.Load(path));
            if (result.GetValue(file) is { } given) config = config with { File = given.ToString() };
            ProcessGroup group = ProcessGroup.Join();
            using TrainingView view = new(screen);
            TrainingSummary? summary = TrainingRun.RunTogether(config, folder, resumed is not null, group, view.Show, cancellation);
            view.Dispose();
            group.Leave();
            if (summary is null) return ExitCode.Done;
            if (result.GetValue(json)) screen.Data(summary.Manifest.Metrics.ToJson());
            else TrainingView.Summarise(summary, screen);
            return summary.Reason == StopReason.Cancelled ? ExitCode.Failed : ExitCode.Done;
        }
    }

    /// <summary>The options that stand for a member of <see cref="RunConfig"/>; only those given on the command line override the configuration.</summary>
    private sealed class RunOptions
    {
        private readonly List<Func<ParseResult, RunConfig, RunConfig>> _overrides = [];
        private readonly Command _command;

        public RunOptions(Command command)
        {
            _command = command;
            Add<string>("--data", "Built-in data set: demo, qm9 or chebi20", (c, v) => c with { Data = v });
            Add<string>("--train", "Training file of a predefined split", (c, v) => c with { TrainFile = v });
            Add<string>("--valid", "Validation file of a predefined split", (c, v) => c with { ValidFile = v });
            Add<string>("--test", "Test file of a predefined split", (c, v) => c with { TestFile = v });
            Add<string>("--split", "How FILE is split: random, scaffold, grouped (stereoisomers together) or column", (c, v) => c with { Split = v });
            AddList("--split-fractions", "Shares of training, validation and test, for instance 0.8,0.1,0.1", (c, v) => c with { SplitFractions = [.. v.Select(double.Parse)] });
            Add<int>("--split-seed", "Seed of the split", (c, v) => c with { SplitSeed = v });
            Add<string>("--split-column", "Column that names the split: train, valid or test", (c, v) => c with { SplitColumn = v, Split = "column" });
            Add<string>("--smiles-column", "SMILES column (else the one named smiles)", (c, v) => c with { SmilesColumn = v });
            Add<string>("--id-column", "Column that identifies a row", (c, v) => c with { IdColumn = v });
            Add<string>("--text-column", "Column with descriptions (else text, description or caption)", (c, v) => c with { TextColumn = v });
            AddList("--targets", "Columns to learn, separated by commas", (c, v) => c with { Targets = [.. v] });
            AddList("--units", "Units of targets for display, for instance gap=eV,logs=log(mol/L)", (c, v) => c with { Units = v.Select(u => u.Split('=', 2)).ToDictionary(u => u[0], u => u.Length > 1 ? u[1] : throw new ArgumentException($"--units: got {u[0]}, expected NAME=UNIT")) });
            Add<bool>("--skip-bad-rows", "Leave out rows that cannot be read instead of refusing the file", (c, v) => c with { SkipBadRows = v });
            AddList("--modalities", "Modalities to fuse: smiles, selfies, text, fingerprint", (c, v) => c with { Modalities = [.. v] });
            AddPairs("--modality", "A modality of your own: numeric columns of the data (NAME=columns:A,B) or vectors computed elsewhere (NAME=vectors:FILE)", "NAME=SOURCE", (c, v) => c with { Inputs = v });
            AddPairs("--encoder", "Frozen pretrained encoder of smiles, selfies or text: a preset (see models list), a repository id or a folder, as in smiles=chemberta; also MODEL@REVISION,pooling=mean,max-tokens=N", "NAME=MODEL", (c, v) => c with { Encoders = v });
            Add<string>("--backbone", "Pretrained language model that fuses, for instance gpt2 or gpt2-large: a preset, a repository id or a folder (else a new one of --size)", (c, v) => c with { Backbone = v });
            Add<string>("--init", "Weights of named encoders and backbone: pretrained, or random (their architecture alone, offline)", (c, v) => c with { Init = Choice(v, ("pretrained", InitKind.Pretrained), ("random", InitKind.Random)) });
            Add<bool>("--no-store", "Neither use nor keep stored embeddings of frozen encoders", (c, v) => c with { Store = !v });
            Add<string>("--fingerprint", "Morgan fingerprint as counts or bits (the paper: bits)", (c, v) => c with { Fingerprint = c.Fingerprint with { Counts = CountsOf(v) } });
            Add<int>("--fingerprint-radius", "Radius of the Morgan fingerprint", (c, v) => c with { Fingerprint = c.Fingerprint with { Radius = v } });
            Add<int>("--fingerprint-size", "Length of the Morgan fingerprint", (c, v) => c with { Fingerprint = c.Fingerprint with { Size = v } });
            Add<string>("--smiles-form", "Spelling that the sequence modalities read: canonical or as-given", (c, v) => c with { SmilesForm = Choice(v, ("canonical", SmilesForm.Canonical), ("as-given", SmilesForm.AsGiven)) });
            Add<string>("--size", "Size of encoders and backbone: tiny, mini, small or base (the paper's)", (c, v) => c with { Size = v });
            Add<string>("--positions", "Positional encodings: modality+llm, modality, llm or none", (c, v) => c with { Positions = Choice(v, ("modality+llm", PositionMode.ModalityAndLlm), ("modality", PositionMode.Modality), ("llm", PositionMode.Llm), ("none", PositionMode.None)) });
            Add<string>("--modality-encoding", "Modality encodings: learned or sinusoidal", (c, v) => c with { ModalityEncoding = Choice(v, ("learned", ModalityEncoding.Learned), ("sinusoidal", ModalityEncoding.Sinusoidal)) });
            Add<int>("--max-tokens", "Longest token sequence", (c, v) => c with { MaximumTokens = v });
            Add<double>("--dropout", "Dropout probability", (c, v) => c with { Dropout = v });
            Add<string>("--loss", "mse or mae", (c, v) => c with { Loss = Choice(v, ("mse", LossKind.Mse), ("mae", LossKind.Mae)) });
            Add<int>("--epochs", "Most epochs", (c, v) => c with { Epochs = v });
            Add<int>("--batch-size", "Molecules per step", (c, v) => c with { BatchSize = v });
            Add<double>("--learning-rate", "Learning rate after the warm-up", (c, v) => c with { LearningRate = v });
            Add<double>("--weight-decay", "Weight decay of AdamW", (c, v) => c with { WeightDecay = v });
            Add<int>("--warmup-steps", "Steps of linear warm-up", (c, v) => c with { WarmupSteps = v });
            Add<string>("--schedule", "plateau (the paper's ReduceLROnPlateau) or cosine", (c, v) => c with { Schedule = Choice(v, ("plateau", ScheduleKind.Plateau), ("cosine", ScheduleKind.Cosine)) });
            Add<int>("--plateau-patience", "Epochs without improvement before the learning rate falls", (c, v) => c with { PlateauPatience = v });
            Add<double>("--plateau-factor", "By what the learning rate is then multiplied", (c, v) => c with { PlateauFactor = v });
            Add<int>("--early-stopping", "Epochs without improvement before training stops", (c, v) => c with { EarlyStopping = v });
            Add<double>("--clip-norm", "Largest gradient norm, 0 for no limit", (c, v) => c with { ClipNorm = v });
            Add<int>("--seed", "Seed of weights, data order and dropout", (c, v) => c with { Seed = v });
            Add<string>("--device", "auto, cpu or cuda", (c, v) => c with { Device = v });
            Add<bool>("--bf16", "Multiply in bfloat16 while training, on CUDA devices; weights stay float32", (c, v) => c with { Bf16 = v });
            Add<bool>("--no-test", "Leave the test split unopened, for tuning", (c, v) => c with { EvaluateTest = !v });
            Add<bool>("--ridge", "Fit ridge regression on count fingerprints beside, as a baseline", (c, v) => c with { RidgeBaseline = v });
        }

        public RunConfig Apply(ParseResult result, RunConfig config) => _overrides.Aggregate(config, (c, apply) => apply(result, c));

        private void Add<T>(string name, string description, Func<RunConfig, T, RunConfig> apply)
        {
            Option<T> option = new(name) { Description = description };
            _command.Options.Add(option);
            _overrides.Add((result, config) => result.GetResult(option) is null ? config : apply(config, result.GetValue(option)!));
        }

        private void AddPairs(string name, string description, string form, Func<RunConfig, Dictionary<string, string>, RunConfig> apply)
        {
            Option<string[]> option = OptionValues.Pairs(name, description, form);
            _command.Options.Add(option);
            _overrides.Add((result, config) => result.GetResult(option) is null ? config : apply(config, OptionValues.ParsePairs(name, result.GetValue(option))));
        }

        private void AddList(string name, string description, Func<RunConfig, string[], RunConfig> apply) =>
            Add<string>(name, description, (config, text) => apply(config, text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)));

        private static bool CountsOf(string text) => Choice(text, ("counts", true), ("bits", false));

        private static T Choice<T>(string text, params (string Name, T Value)[] choices) =>
            choices.Any(c => c.Name == text) ? choices.First(c => c.Name == text).Value
                : throw new UsageException($"got {text}, expected {string.Join(" or ", choices.Select(c => c.Name))}");
    }
}
