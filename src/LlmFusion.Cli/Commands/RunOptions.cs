using System.CommandLine;
using System.Globalization;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Cli.Commands;

/// <summary>The options that stand for a member of <see cref="RunConfig"/>; only those given on the command line override the configuration.</summary>
internal sealed class RunOptions
{
    /// <summary>What a model that a run begins from decides.</summary>
    public static readonly string[] OfArchitecture = ["--size", "--backbone", "--smiles-form", "--positions", "--modality-encoding", "--max-tokens"];

    private readonly List<Func<ParseResult, RunConfig, RunConfig>> _overrides = [];
    private readonly Command _command;
    private readonly RunConfig _standard;

    /// <summary>Gives a command the options of data and inputs, which every run has.</summary>
    /// <param name="command">The command.</param>
    /// <param name="standard">What holds where nothing is given, for the help; null: a new configuration.</param>
    /// <param name="frozenAlone">Whether encoders are never trained along, so that the help does not offer it.</param>
    public RunOptions(Command command, RunConfig? standard = null, bool frozenAlone = false)
    {
        _command = command;
        _standard = standard ?? new RunConfig();
        Add<string>("--data", "Built-in data set: demo, qm9, chebi20 or chebi20-captioned; or several to learn together, as in qm9,chebi20", (c, v) => c with { Data = string.Join('+', v.Split(',', StringSplitOptions.TrimEntries)) });
        Add<bool>("--include-held-out", "With several data sets: train also on molecules that stand in the validation or test split of one of them", (c, v) => c with { ExcludeHeldOut = !v });
        Add<bool>("--templated-train-text", "Give training molecules of ChEBI-20 texts made by template, which are not the data set's captions", (c, v) => c with { TemplatedTrainText = v });
        Add<string>("--train", "Training file of a predefined split", (c, v) => c with { TrainFile = v });
        Add<string>("--valid", "Validation file of a predefined split", (c, v) => c with { ValidFile = v });
        Add<string>("--test", "Test file of a predefined split", (c, v) => c with { TestFile = v });
        Add<string>("--split", "How FILE is split: random, scaffold, grouped (stereoisomers together) or column", (c, v) => c with { Split = v }, c => c.Split);
        AddList("--split-fractions", "Shares of training, validation and test, for instance 0.8,0.1,0.1", (c, v) => c with { SplitFractions = [.. v.Select(double.Parse)] }, "0.8,0.1,0.1");
        Add<int>("--split-seed", "Seed of the split", (c, v) => c with { SplitSeed = v }, c => c.SplitSeed);
        Add<string>("--split-column", "Column that names the split: train, valid or test", (c, v) => c with { SplitColumn = v, Split = "column" });
        Add<string>("--smiles-column", "SMILES column (else the one named smiles)", (c, v) => c with { SmilesColumn = v });
        Add<string>("--id-column", "Column that identifies a row", (c, v) => c with { IdColumn = v });
        Add<string>("--text-column", "Column with descriptions (else text, description or caption)", (c, v) => c with { TextColumn = v });
        AddList("--targets", "Columns to learn, separated by commas", (c, v) => c with { Targets = [.. v] });
        AddList("--units", "Units of targets for display, for instance gap=eV,logs=log(mol/L)", (c, v) => c with { Units = v.Select(u => u.Split('=', 2)).ToDictionary(u => u[0], u => u.Length > 1 ? u[1] : throw new ArgumentException($"--units: got {u[0]}, expected NAME=UNIT")) });
        Add<bool>("--skip-bad-rows", "Leave out rows that cannot be read instead of refusing the file", (c, v) => c with { SkipBadRows = v });
        Add<int>("--train-rows", "Take only so many training rows, a random part that --split-seed decides (else all)", (c, v) => c with { TrainRows = v });
        AddList("--modalities", $"Modalities {(frozenAlone ? "to read: smiles, selfies, text, fingerprint" : "to fuse: smiles, selfies, text, fingerprint, graph")}", (c, v) => c with { Modalities = [.. v] }, string.Join(",", _standard.StackOrder().Select(m => m.Name)));
        AddPairs("--modality", "A modality of your own: numeric columns of the data (NAME=columns:A,B) or vectors computed elsewhere (NAME=vectors:FILE)", "NAME=SOURCE", (c, v) => c with { Inputs = v });
        AddPairs("--encoder", $"Pretrained encoder of smiles, selfies or text: a preset (see models list), a repository id or a folder, as in smiles=chemberta; also MODEL@REVISION,pooling=mean,max-tokens=N; frozen{(frozenAlone ? "" : ", or with ,train trained along")}", "NAME=MODEL", (c, v) => c with { Encoders = v });
        Add<bool>("--no-store", "Neither use nor keep stored embeddings of frozen encoders", (c, v) => c with { Store = !v });
        Add<string>("--fingerprint", "Morgan fingerprint as counts or bits (the paper: bits)", (c, v) => c with { Fingerprint = c.Fingerprint with { Counts = CountsOf(v) } }, c => c.Fingerprint.Counts ? "counts" : "bits");
        Add<int>("--fingerprint-radius", "Radius of the Morgan fingerprint", (c, v) => c with { Fingerprint = c.Fingerprint with { Radius = v } }, c => c.Fingerprint.Radius);
        Add<int>("--fingerprint-size", "Length of the Morgan fingerprint", (c, v) => c with { Fingerprint = c.Fingerprint with { Size = v } }, c => c.Fingerprint.Size);
        Add<string>("--smiles-form", "Spelling that the sequence modalities read: canonical or as-given", (c, v) => c with { SmilesForm = Choice(v, ("canonical", SmilesForm.Canonical), ("as-given", SmilesForm.AsGiven)) }, _ => "canonical");
        AddForAllOrSome("--target-scaling", "How targets are scaled: standard, none or log; or by target, for instance ic50=log", "standard", Scaling,
            (c, v) => c with { TargetScaling = v }, (c, v) => c with { TargetScalings = v });
        Add<int>("--seed", "Seed of weights, data order and dropout", (c, v) => c with { Seed = v }, c => c.Seed);
        Add<bool>("--no-test", "Leave the test split unopened, for tuning", (c, v) => c with { EvaluateTest = !v });
    }

    /// <summary>Adds those of the network and its training.</summary>
    public void AddNetwork()
    {
        AddPairs("--data-repeats", "With several data sets: how often the training rows of one are drawn in an epoch (else once), as in chebi20=2", "NAME=TIMES", (c, v) => c with { DataRepeats = v.ToDictionary(r => r.Key, r => WholeNumber("--data-repeats", r.Value)) });
        Add<string>("--weight-column", "Column with a weight of each training and validation row, from 0 on (else all weigh the same)", (c, v) => c with { WeightColumn = v });
        Add<double>("--calibration-fraction", "Share of the validation split to leave alone, for prediction intervals (models release), for instance 0.5", (c, v) => c with { CalibrationFraction = v }, c => c.CalibrationFraction);
        Add<string>("--backbone", "Pretrained language model that fuses, for instance gpt2 or gpt2-large: a preset, a repository id or a folder (else a new one of --size)", (c, v) => c with { Backbone = v });
        Add<string>("--init", "Trained model to begin from, a folder or llmfusion-mini: its architecture and weights; or the weights of named encoders and backbone: pretrained, or random (their architecture alone, offline)",
            (c, v) => v switch { "pretrained" => c with { Init = InitKind.Pretrained }, "random" => c with { Init = InitKind.Random }, _ => c with { InitModel = v } });
        Add<bool>("--freeze-encoders", "With --init of a model: leave its encoders of smiles, selfies and text as they are, but those with an --encoder-learning-rate; their embeddings are computed once", (c, v) => c with { FreezeEncoders = v });
        AddList("--new-encoders", "With --init of a model: modalities (fingerprint, graph, columns) whose encoder begins anew, as in fingerprint", (c, v) => c with { NewEncoders = [.. v] });
        Add<string>("--fusion", "What fuses: language-model (--backbone, else a new GPT-2 of --size), llama or granite (new, of the same size), or to compare with, an MLP with as many weights on the modality tokens' mean or concatenation: mean-mlp, concat-mlp", (c, v) => c with { Fusion = Choice(v, ("language-model", FusionKind.LanguageModel), ("mean-mlp", FusionKind.MeanMlp), ("llama", FusionKind.Llama), ("granite", FusionKind.Granite), ("concat-mlp", FusionKind.ConcatMlp)) }, _ => "language-model");
        AddList("--atom-contributions", "Targets predicted as the sum of what the graph's atoms contribute: those that grow with the molecule, as in logp", (c, v) => c with { AtomContributions = [.. v] });
        Add<string>("--graph-tokens", "What the language model reads of the graph: pooled (one token) or atoms (one for each atom)", (c, v) => c with { GraphTokens = Choice(v, ("pooled", GraphTokens.Pooled), ("atoms", GraphTokens.Atoms)) }, _ => "pooled");
        Add<int>("--graph-width", "Width of the graph encoder (else half that of --size)", (c, v) => c with { GraphWidth = v });
        Add<int>("--graph-layers", "Layers of the graph encoder (else as --size has them)", (c, v) => c with { GraphLayers = v });
        Add<string>("--size", "Size of encoders and backbone: tiny, mini, small or base (the paper's)", (c, v) => c with { Size = v }, c => c.Size);
        Add<string>("--positions", "Positional encodings: modality+llm, modality, llm or none", (c, v) => c with { Positions = Choice(v, ("modality+llm", PositionMode.ModalityAndLlm), ("modality", PositionMode.Modality), ("llm", PositionMode.Llm), ("none", PositionMode.None)) }, _ => "modality+llm");
        Add<string>("--modality-encoding", "Modality encodings: learned or sinusoidal", (c, v) => c with { ModalityEncoding = Choice(v, ("learned", ModalityEncoding.Learned), ("sinusoidal", ModalityEncoding.Sinusoidal)) }, _ => "learned");
        Add<int>("--max-tokens", "Longest token sequence", (c, v) => c with { MaximumTokens = v }, c => c.MaximumTokens);
        Add<double>("--dropout", "Dropout probability", (c, v) => c with { Dropout = v }, c => c.Dropout);
        AddForAllOrSome("--modality-dropout", "Probability with which each modality of a training molecule is left out (one always stays), so that the model answers from any subset; or by modality, for instance 0.2,text=0.9", "0",
            text => Number("--modality-dropout", text), (c, v) => c with { ModalityDropout = v }, (c, v) => c with { ModalityDropouts = v });
        Add<double>("--single-modality", "Probability with which a training molecule keeps one modality alone", (c, v) => c with { SingleModality = v }, c => c.SingleModality);
        AddPairs("--single-modality-weights", "How often a modality is the one that is kept alone, relative to the others (else its probability to stay), as in fingerprint=4", "NAME=WEIGHT", (c, v) => c with { SingleModalityWeights = v.ToDictionary(w => w.Key, w => Number("--single-modality-weights", w.Value)) });
        Add<string>("--tune", "What of the fusion model is trained: full, lora (adapters in the language model, and all that is new), head (projections, fingerprint encoder, head) or norms (these, norms and positions)", (c, v) => c with { Tune = Choice(v, ("full", TuneMode.Full), ("lora", TuneMode.Lora), ("head", TuneMode.Head), ("norms", TuneMode.Norms)) }, c => "full");
        Add<int>("--lora-rank", "Rank of the adapters", (c, v) => c with { LoraRank = v }, c => c.LoraRank);
        Add<double>("--lora-alpha", "The adapters' corrections are multiplied by alpha / rank", (c, v) => c with { LoraAlpha = v }, c => c.LoraAlpha);
        Add<double>("--lora-dropout", "Dropout of the adapters' inputs", (c, v) => c with { LoraDropout = v }, c => c.LoraDropout);
        AddList("--lora-targets", "Layers that get an adapter (else c_attn in a GPT-2, q_proj,v_proj in Llama and Granite)", (c, v) => c with { LoraTargets = [.. v] });
        Add<bool>("--lora-merge", "Take the adapters into the weights at the end instead of saving them beside", (c, v) => c with { LoraMerge = v });
        AddPairs("--encoder-learning-rate", "Learning rate of an encoder that is trained along (else --learning-rate; 0: it stays as it is), as in smiles=1e-5", "NAME=RATE", (c, v) => c with { EncoderLearningRates = v.ToDictionary(r => r.Key, r => Number("--encoder-learning-rate", r.Value)) });
        AddForAllOrSome("--loss", "mse, mae or huber; or by target, for instance mae,logp=mse", "mse", Loss, (c, v) => c with { Loss = v }, (c, v) => c with { TargetLosses = v });
        Add<double>("--huber-delta", "Where Huber's loss turns from a parabola to a line, in scaled units", (c, v) => c with { HuberDelta = v }, c => c.HuberDelta);
        AddList("--target-weights", "Weights of targets in the loss, for instance gap=2,homo=0.5 (1 for those not named)", (c, v) => c with { TargetWeights = Named("--target-weights", v).ToDictionary(w => w.Name, w => Number("--target-weights", w.Value)) });
        Add<int>("--epochs", "Most epochs", (c, v) => c with { Epochs = v }, c => c.Epochs);
        Add<int>("--batch-size", "Molecules that go through the network at once", (c, v) => c with { BatchSize = v }, c => c.BatchSize);
        Add<int>("--accumulate", "Batches whose gradients are added up for one step: a larger batch in the same memory", (c, v) => c with { Accumulate = v }, c => c.Accumulate);
        Add<double>("--learning-rate", "Learning rate after the warm-up", (c, v) => c with { LearningRate = v }, c => c.LearningRate);
        Add<double>("--weight-decay", "Weight decay of AdamW", (c, v) => c with { WeightDecay = v }, c => c.WeightDecay);
        AddList("--no-decay", "What the weight decay leaves out: norms, biases, embeddings (else nothing)", (c, v) => c with { NoDecay = [.. v.Select(e => Choice(e, ("norms", DecayExemption.Norms), ("biases", DecayExemption.Biases), ("embeddings", DecayExemption.Embeddings)))] });
        Add<int>("--warmup-steps", "Steps of linear warm-up", (c, v) => c with { WarmupSteps = v }, c => c.WarmupSteps);
        Add<string>("--schedule", "plateau (the paper's ReduceLROnPlateau), cosine, constant or one-cycle", (c, v) => c with { Schedule = Choice(v, ("plateau", ScheduleKind.Plateau), ("cosine", ScheduleKind.Cosine), ("constant", ScheduleKind.Constant), ("one-cycle", ScheduleKind.OneCycle)) }, c => "plateau");
        Add<double>("--one-cycle-rise", "Share of all steps over which one-cycle rises", (c, v) => c with { OneCycleRise = v }, c => c.OneCycleRise);
        Add<int>("--plateau-patience", "Epochs without improvement that pass before the learning rate falls", (c, v) => c with { PlateauPatience = v }, c => c.PlateauPatience);
        Add<double>("--plateau-factor", "By what the learning rate is then multiplied", (c, v) => c with { PlateauFactor = v }, c => c.PlateauFactor);
        Add<double>("--plateau-threshold", "How much better an improvement is than the best", (c, v) => c with { PlateauThreshold = v }, c => c.PlateauThreshold);
        Add<string>("--plateau-threshold-mode", "Whether that is a share of the best (rel) or a difference (abs)", (c, v) => c with { PlateauThresholdMode = Choice(v, ("rel", ThresholdMode.Rel), ("abs", ThresholdMode.Abs)) }, c => "rel");
        Add<int>("--plateau-cooldown", "Epochs after a fall that are not counted", (c, v) => c with { PlateauCooldown = v }, c => c.PlateauCooldown);
        Add<double>("--min-learning-rate", "Plateau goes no lower, and cosine ends there", (c, v) => c with { MinimumLearningRate = v }, c => c.MinimumLearningRate);
        Add<int>("--early-stopping", "Epochs without improvement before training stops", (c, v) => c with { EarlyStopping = v }, c => c.EarlyStopping);
        Add<double>("--clip-norm", "Largest gradient norm, 0 for no limit", (c, v) => c with { ClipNorm = v }, c => c.ClipNorm);
        Add<double>("--ema-decay", "Decay of a running average of the weights, which is then validated and saved, for instance 0.999; 0 for none", (c, v) => c with { EmaDecay = v }, c => c.EmaDecay);
        Add<double>("--minutes", "Stop after so many minutes with a checkpoint, to go on with --resume; 0 for no limit", (c, v) => c with { Minutes = v }, c => c.Minutes);
        Add<double>("--checkpoint-minutes", "Minutes between checkpoints within an epoch, 0 for one after every step", (c, v) => c with { CheckpointMinutes = v }, c => c.CheckpointMinutes);
        Add<bool>("--checkpoint-activations", "Compute the language model's activations again in the backward pass instead of keeping them: less memory, more work", (c, v) => c with { CheckpointActivations = v });
        Add<bool>("--keep-checkpoints", "Keep the checkpoints of a finished run, to resume it with more --epochs", (c, v) => c with { KeepCheckpoints = v });
        Add<string>("--device", "auto, cpu or cuda", (c, v) => c with { Device = v }, c => c.Device);
        Add<bool>("--bf16", "Multiply in bfloat16 while training: 1.3 (graph) to 1.8 times (sequences) as fast on processors with AVX512-BF16; also on CUDA devices; slower than float32 elsewhere; weights stay float32", (c, v) => c with { Bf16 = v });
        Add<bool>("--ridge", "Fit ridge regression on count fingerprints beside, as a baseline", (c, v) => c with { RidgeBaseline = v });
    }

    /// <summary>The configuration with what the command line says.</summary>
    public RunConfig Apply(ParseResult result, RunConfig config) => _overrides.Aggregate(config, (c, apply) => apply(result, c));

    private void Add<T>(string name, string description, Func<RunConfig, T, RunConfig> apply, Func<RunConfig, object>? byDefault = null)
    {
        Option<T> option = new(name) { Description = description + (byDefault is null ? "" : string.Create(CultureInfo.InvariantCulture, $" [default: {byDefault(_standard)}]")) };
        _command.Options.Add(option);
        _overrides.Add((result, config) => result.GetResult(option) is { Implicit: false } ? apply(config, result.GetValue(option)!) : config);
    }

    private void AddPairs(string name, string description, string form, Func<RunConfig, Dictionary<string, string>, RunConfig> apply)
    {
        Option<string[]> option = OptionValues.Pairs(name, description, form);
        _command.Options.Add(option);
        _overrides.Add((result, config) => result.GetResult(option) is { Implicit: false } ? apply(config, OptionValues.ParsePairs(name, result.GetValue(option))) : config);
    }

    /// <summary>An option with a value for all (targets, modalities), or NAME=VALUE for some of them, or both.</summary>
    private void AddForAllOrSome<T>(string name, string description, string byDefault, Func<string, T> parse, Func<RunConfig, T, RunConfig> forAll, Func<RunConfig, Dictionary<string, T>, RunConfig> forSome) =>
        AddList(name, description, (config, given) =>
        {
            ILookup<bool, string> isNamed = given.ToLookup(g => g.Contains('=', StringComparison.Ordinal));
            config = isNamed[false].Aggregate(config, (c, value) => forAll(c, parse(value)));
            return isNamed.Contains(true) ? forSome(config, Named(name, [.. isNamed[true]]).ToDictionary(n => n.Name, n => parse(n.Value))) : config;
        }, byDefault);

    private void AddList(string name, string description, Func<RunConfig, string[], RunConfig> apply, string? byDefault = null) =>
        Add<string>(name, description, (config, text) => apply(config, text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)), byDefault is null ? null : _ => byDefault);

    private static ScalingKind Scaling(string text) => Choice(text, ("standard", ScalingKind.Standard), ("none", ScalingKind.None), ("log", ScalingKind.Log));

    private static LossKind Loss(string text) => Choice(text, ("mse", LossKind.Mse), ("mae", LossKind.Mae), ("huber", LossKind.Huber));

    private static IEnumerable<(string Name, string Value)> Named(string option, string[] given) => OptionValues.ParsePairs(option,
        [.. given.Select(g => g.Contains('=') ? g : throw new UsageException($"{option}: got {g}, expected NAME=VALUE"))]).Select(p => (p.Key, p.Value));

    private static double Number(string option, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : throw new UsageException($"{option}: got {text}, expected a number");

    private static int WholeNumber(string option, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : throw new UsageException($"{option}: got {text}, expected a whole number");

    private static bool CountsOf(string text) => Choice(text, ("counts", true), ("bits", false));

    private static T Choice<T>(string text, params (string Name, T Value)[] choices) =>
        choices.Any(c => c.Name == text) ? choices.First(c => c.Name == text).Value
            : throw new UsageException($"got {text}, expected {string.Join(" or ", choices.Select(c => c.Name))}");
}
