using System.Text.Json;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Transformers;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace LlmFusion.Training;

/// <summary>How the learning rate changes after the warm-up.</summary>
public enum ScheduleKind
{
    /// <summary>ReduceLROnPlateau on the validation loss (paper, P19).</summary>
    Plateau,

    /// <summary>Half a cosine from the learning rate to zero over all epochs: the better choice where their number is fixed beforehand.</summary>
    Cosine,

    /// <summary>Not at all.</summary>
    Constant,

    /// <summary>PyTorch's <c>OneCycleLR</c> over all epochs: up from a low rate and down to almost none, with a rise of its own in the place of the warm-up.</summary>
    OneCycle,
}

/// <summary>Where the weights of named encoders and backbone come from.</summary>
public enum InitKind
{
    /// <summary>From their checkpoints.</summary>
    Pretrained,

    /// <summary>From the seed: only the architectures are taken, and encoders get a substitute vocabulary of the training split. Every real size runs offline.</summary>
    Random,
}

/// <summary>What fuses the modality tokens.</summary>
public enum FusionKind
{
    /// <summary>The paper's: a language model at its input embeddings, a GPT-2 where it is new.</summary>
    LanguageModel,

    /// <summary>A new Llama with as many weights (paper, P24).</summary>
    Llama,

    /// <summary>A new Granite with as many weights (paper, P24).</summary>
    Granite,

    /// <summary>Their mean and an MLP with as many weights as the language model of the same size, to see what that is good for.</summary>
    MeanMlp,

    /// <summary>The same MLP on their concatenation: what a network makes of naive concatenation.</summary>
    ConcatMlp,
}

/// <summary>
/// A whole training run: data, model and optimisation. One YAML or JSON file (<c>--config</c>), written back complete
/// into the output folder.
/// </summary>
public sealed partial record RunConfig
{
    /// <summary>A built-in data set: <c>demo</c>, <c>qm9</c> or <c>chebi20</c>, or several joined by <c>+</c>; null where files are given.</summary>
    public string? Data { get; init; }

    /// <summary>Where several data sets are joined: whether molecules of any one's validation or test split are left out of training.</summary>
    public bool ExcludeHeldOut { get; init; } = true;

    /// <summary>Where several data sets are joined: how often the training rows of each are drawn in an epoch, 1 where nothing is said.</summary>
    public Dictionary<string, int> DataRepeats { get; init; } = [];

    /// <summary>Whether training molecules of ChEBI-20 without a description get a text made by template, which is not the data set's caption.</summary>
    public bool TemplatedTrainText { get; init; }

    /// <summary>One file that is to be split, or null.</summary>
    public string? File { get; init; }

    /// <summary>Training file of a predefined split, or null.</summary>
    public string? TrainFile { get; init; }

    /// <summary>Validation file of a predefined split, or null.</summary>
    public string? ValidFile { get; init; }

    /// <summary>Test file of a predefined split, or null for none.</summary>
    public string? TestFile { get; init; }

    /// <summary>How <see cref="File"/> is split: <c>random</c>, <c>scaffold</c>, <c>grouped</c>, or <c>column</c>.</summary>
    public string Split { get; init; } = "random";

    /// <summary>Share of the rows in training, validation and test.</summary>
    public List<double> SplitFractions { get; init; } = [0.8, 0.1, 0.1];

    /// <summary>Seed of the split.</summary>
    public int SplitSeed { get; init; }

    /// <summary>Column that names the split where <see cref="Split"/> is <c>column</c>.</summary>
    public string? SplitColumn { get; init; }

    /// <summary>SMILES column, or null for the one named smiles.</summary>
    public string? SmilesColumn { get; init; }

    /// <summary>Column that identifies a row, or null for the usual names, else the row number.</summary>
    public string? IdColumn { get; init; }

    /// <summary>Column with descriptions, or null for the usual names.</summary>
    public string? TextColumn { get; init; }

    /// <summary>The properties to learn, each a column.</summary>
    public List<string> Targets { get; init; } = [];

    /// <summary>Unit of each target, for display; built-in data sets know theirs.</summary>
    public Dictionary<string, string> Units { get; init; } = [];

    /// <summary>Column with a weight of each row, a number from 0 on, or null: all weigh the same. The test split needs none.</summary>
    public string? WeightColumn { get; init; }

    /// <summary>Leave out rows that cannot be read instead of refusing the file.</summary>
    public bool SkipBadRows { get; init; }

    /// <summary>How many training rows are taken, chosen by <see cref="SplitSeed"/>; null: all.</summary>
    public int? TrainRows { get; init; }

    /// <summary>Share of the validation split, chosen by molecule, that the run leaves alone, for the calibration of prediction intervals (see <see cref="CalibrationSplit"/>).</summary>
    public double CalibrationFraction { get; init; }

    /// <summary>The modalities to fuse; null: those of <see cref="InitModel"/>, else <see cref="DefaultModalities"/>.</summary>
    public List<string>? Modalities { get; init; }

    /// <summary>Radius, size and kind of the Morgan fingerprint.</summary>
    public FingerprintOptions Fingerprint { get; init; } = new();

    /// <summary>Which spelling the sequence modalities read.</summary>
    public SmilesForm SmilesForm { get; init; } = SmilesForm.Canonical;

    /// <summary>
    /// Modalities that the user defines, by name: <c>columns:mw,tpsa</c> for numeric columns of the data, or
    /// <c>vectors:FILE</c> for vectors computed elsewhere (see <see cref="VectorTable"/>). They are fused with <see cref="Modalities"/>.
    /// </summary>
    public Dictionary<string, string> Inputs { get; init; } = [];

    /// <summary>
    /// Pretrained encoders by modality, as <see cref="EncoderChoice.Parse"/> reads them, frozen unless they say <c>train</c>; a
    /// sequence modality without one has a new encoder that is trained along.
    /// </summary>
    public Dictionary<string, string> Encoders { get; init; } = [];

    /// <summary>The fusing language model: a preset, a repository id or a folder, each with <c>@REVISION</c> where wanted; null for a new one of <see cref="Size"/>.</summary>
    public string? Backbone { get; init; }

    /// <summary>What the weights of <see cref="Encoders"/> and <see cref="Backbone"/> are.</summary>
    public InitKind Init { get; init; } = InitKind.Pretrained;

    /// <summary>
    /// A trained model to begin from, by its folder or the name of one that ships with the program, or null: its architecture, vocabularies and weights, for the modalities and targets that both
    /// have. Settings of the architecture are then the model's and must be left out; <see cref="Encoders"/> are for modalities that it does not have.
    /// </summary>
    public string? InitModel { get; init; }

    /// <summary>What fuses the modality tokens; with <see cref="Backbone"/> a language model.</summary>
    public FusionKind Fusion { get; init; } = FusionKind.LanguageModel;

    /// <summary>Whether embeddings of frozen encoders are kept in the store.</summary>
    public bool Store { get; init; } = true;

    /// <summary>Size of the networks: <c>tiny</c>, <c>mini</c>, <c>small</c> or <c>base</c>.</summary>
    public string Size { get; init; } = SizePreset.Mini.Name;

    /// <summary>What the language model reads of the graph: one token, or one for each atom.</summary>
    public GraphTokens GraphTokens { get; init; } = GraphTokens.Pooled;

    /// <summary>Targets that are predicted as sums over the atoms of molecules with a graph, an MLP of each atom's state: those that grow with the molecule.</summary>
    public List<string> AtomContributions { get; init; } = [];

    /// <summary>Width of an atom's state in the graph encoder; null: half the width of <see cref="Size"/>.</summary>
    public int? GraphWidth { get; init; }

    /// <summary>Rounds of messages in the graph encoder; null: as <see cref="Size"/> says.</summary>
    public int? GraphLayers { get; init; }

    /// <summary>Which positional encodings are added.</summary>
    public PositionMode Positions { get; init; } = PositionMode.ModalityAndLlm;

    /// <summary>How the modality encodings are made.</summary>
    public ModalityEncoding ModalityEncoding { get; init; } = ModalityEncoding.Learned;

    /// <summary>Longest token sequence.</summary>
    public int MaximumTokens { get; init; } = 256;

    /// <summary>Dropout probability in all transformers.</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Probability with which each modality of a training molecule is left out, one always staying; see <see cref="Training.ModalityDropout"/>.</summary>
    public double ModalityDropout { get; init; }

    /// <summary>The same for some modalities, in the place of <see cref="ModalityDropout"/>.</summary>
    public Dictionary<string, double> ModalityDropouts { get; init; } = [];

    /// <summary>Probability with which a training molecule keeps one modality alone.</summary>
    public double SingleModality { get; init; }

    /// <summary>How often a modality is the one that is kept alone, relative to the others; one that is not named has its probability to stay, 1 - <see cref="ModalityDropout"/>.</summary>
    public Dictionary<string, double> SingleModalityWeights { get; init; } = [];

    /// <summary>Whether the sequence encoders of <see cref="InitModel"/> that are not named in <see cref="EncoderLearningRates"/> stay as they are: their embeddings are computed once.</summary>
    public bool FreezeEncoders { get; init; }

    /// <summary>Modalities of fingerprint, graph and columns whose encoder is not that of <see cref="InitModel"/>, but begins anew: what it had learned by heart is forgotten.</summary>
    public List<string> NewEncoders { get; init; } = [];

    /// <summary>What of the fusion model is trained.</summary>
    public TuneMode Tune { get; init; } = TuneMode.Full;

    /// <summary>Rank of low-rank adapters.</summary>
    public int LoraRank { get; init; } = 8;

    /// <summary>Their corrections are multiplied by alpha / rank.</summary>
    public double LoraAlpha { get; init; } = 16;

    /// <summary>Dropout of the adapters' inputs.</summary>
    public double LoraDropout { get; init; } = 0.05;

    /// <summary>Names of the layers that get an adapter; empty: c_attn in a GPT-2, q_proj and v_proj in Llama and Granite.</summary>
    public List<string> LoraTargets { get; init; } = [];

    /// <summary>Whether the adapters are taken into the weights at the end, instead of being saved beside them.</summary>
    public bool LoraMerge { get; init; }

    /// <summary>Learning rate of encoders that are trained along, by modality; the others have <see cref="LearningRate"/>; with 0 it stays as it is. Schedules change all alike.</summary>
    public Dictionary<string, double> EncoderLearningRates { get; init; } = [];

    /// <summary>What is minimised.</summary>
    public LossKind Loss { get; init; } = LossKind.Mse;

    /// <summary>What is minimised of some targets, in the place of <see cref="Loss"/>.</summary>
    public Dictionary<string, LossKind> TargetLosses { get; init; } = [];

    /// <summary>Where Huber's loss turns from a parabola to a line, in scaled units.</summary>
    public double HuberDelta { get; init; } = 1;

    /// <summary>Weight of a target in the loss; 1 for those that are not named.</summary>
    public Dictionary<string, double> TargetWeights { get; init; } = [];

    /// <summary>How targets are scaled.</summary>
    public ScalingKind TargetScaling { get; init; } = ScalingKind.Standard;

    /// <summary>Targets that are scaled otherwise than <see cref="TargetScaling"/>.</summary>
    public Dictionary<string, ScalingKind> TargetScalings { get; init; } = [];

    /// <summary>Most passes over the training split.</summary>
    public int Epochs { get; init; } = 30;

    /// <summary>Molecules that go through the network at once.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Batches whose gradients are added up for one step: as one batch of so many times the size, in the memory of one.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>Learning rate after the warm-up.</summary>
    public double LearningRate { get; init; } = 3e-4;

    /// <summary>Decoupled weight decay of AdamW.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>What the weight decay leaves out; nothing, as AdamW has it.</summary>
    public List<DecayExemption> NoDecay { get; init; } = [];

    /// <summary>Steps over which the learning rate rises linearly from zero.</summary>
    public int WarmupSteps { get; init; } = 100;

    /// <summary>How the learning rate changes after the warm-up.</summary>
    public ScheduleKind Schedule { get; init; } = ScheduleKind.Plateau;

    /// <summary>Share of all steps over which the rate of one cycle rises to <see cref="LearningRate"/>.</summary>
    public double OneCycleRise { get; init; } = 0.1;

    /// <summary>By what ReduceLROnPlateau multiplies the learning rate.</summary>
    public double PlateauFactor { get; init; } = 0.5;

    /// <summary>How many epochs without improvement ReduceLROnPlateau lets pass.</summary>
    public int PlateauPatience { get; init; } = 3;

    /// <summary>How much less than the best a validation loss must be to count as an improvement.</summary>
    public double PlateauThreshold { get; init; } = 1e-4;

    /// <summary>Whether <see cref="PlateauThreshold"/> is a share of the best or a difference.</summary>
    public ThresholdMode PlateauThresholdMode { get; init; } = ThresholdMode.Rel;

    /// <summary>Epochs after a reduction that ReduceLROnPlateau does not count.</summary>
    public int PlateauCooldown { get; init; }

    /// <summary>ReduceLROnPlateau goes no lower, and the cosine ends there.</summary>
    public double MinimumLearningRate { get; init; }

    /// <summary>Epochs without improvement after which training stops.</summary>
    public int EarlyStopping { get; init; } = 10;

    /// <summary>Largest norm of the gradient over all parameters; 0 for no limit.</summary>
    public double ClipNorm { get; init; } = 1.0;

    /// <summary>Decay of the running average of the weights, which is then what is validated and saved; 0 for none.</summary>
    public double EmaDecay { get; init; }

    /// <summary>Seed of weights, data order and dropout.</summary>
    public int Seed { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Whether training multiplies in bfloat16 where the network is linear; slower than float32 on processors without AVX512-BF16.</summary>
    public bool Bf16 { get; init; }

    /// <summary>Whether the test split is opened at the end.</summary>
    public bool EvaluateTest { get; init; } = true;

    /// <summary>Whether ridge regression on count fingerprints is fitted beside, as a baseline.</summary>
    public bool RidgeBaseline { get; init; }

    /// <summary>Minutes between checkpoints within an epoch, 0 for one after every step; ends of epochs and interruptions have theirs besides.</summary>
    public double CheckpointMinutes { get; init; } = 10;

    /// <summary>
    /// Minutes after which the run stops behind the step under way, with a checkpoint to go on from, counted anew each time it goes on;
    /// 0 for no limit. Schedules are over all epochs, however often it stops.
    /// </summary>
    public double Minutes { get; init; }

    /// <summary>Whether the fusing language model computes its activations again in the backward pass instead of keeping them: less memory, more work.</summary>
    public bool CheckpointActivations { get; init; }

    /// <summary>Whether the checkpoints of a finished run stay, so that it can be resumed with more epochs.</summary>
    public bool KeepCheckpoints { get; init; }

    /// <summary>The built-in data sets of <see cref="Data"/>; none where files are given.</summary>
    public IReadOnlyList<string> DataNames() => Data?.Split('+', ',').Select(name => name.Trim()).ToArray() ?? [];

    /// <summary>What is fused where nothing is said.</summary>
    public static IReadOnlyList<string> DefaultModalities { get; } = ["smiles", "selfies", "fingerprint"];

    /// <summary>The modalities in stack order.</summary>
    public IReadOnlyList<Modality> StackOrder() => Modality.InStackOrder([.. (Modalities ?? DefaultModalities).Where(m => !Inputs.ContainsKey(m)).Select(Modality.Parse), .. DefinedModalities().Keys]);

    /// <summary>How a target is scaled.</summary>
    public ScalingKind ScalingOf(string target) => TargetScalings.GetValueOrDefault(target, TargetScaling);

    /// <summary>The adapters that <see cref="TuneMode.Lora"/> adds.</summary>
    public LowRankConfig Lora() => new() { Rank = LoraRank, Alpha = LoraAlpha, Dropout = LoraDropout, Targets = [.. LoraTargets] };

    /// <summary>The modalities of <see cref="Inputs"/>, each with its columns or its file.</summary>
    /// <exception cref="ArgumentException">One is of another form.</exception>
    public IReadOnlyDictionary<Modality, string[]> DefinedModalities()
    {
        Dictionary<Modality, string[]> defined = [];
        foreach ((string name, string source) in Inputs)
        {
            (ModalityKind kind, string[] parts) = source.Split(':', 2) switch
            {
                ["columns", var columns] => (ModalityKind.Columns, columns.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)),
                ["vectors", var file] when file.Length > 0 => (ModalityKind.Vectors, [file]),
                _ => throw new ArgumentException($"modality {name}: got '{source}', expected columns:NAME,.. or vectors:FILE"),
            };
            if (parts.Length == 0 || parts.Distinct().Count() < parts.Length) throw new ArgumentException($"modality {name}: got '{source}', expected at least one column, each once");
            defined[Modality.Named(name, kind)] = parts;
        }

        return defined;
    }

    /// <summary>The targets where none are named: those that the named data sets have by default.</summary>
    public IReadOnlyList<string> DefaultTargets() => [.. DataNames().SelectMany(name => Catalog.Find(name).DefaultTargets).Distinct()];

    /// <summary>The places of <see cref="AtomContributions"/> among the targets.</summary>
    /// <exception cref="ArgumentException">One is no target.</exception>
    public IReadOnlyList<int> PlacesOfContributions() =>
    [
        .. AtomContributions.Select(name => Targets.IndexOf(name) is >= 0 and int place ? place
            : throw new ArgumentException($"atom_contributions: got {name}, expected some of the targets {string.Join(", ", Targets)}")),
    ];

    /// <summary>The pretrained encoders by modality.</summary>
    /// <exception cref="ArgumentException">One is of another form, or its modality is not in use or no sequence.</exception>
    public IReadOnlyDictionary<Modality, EncoderChoice> EncoderChoices()
    {
        IReadOnlyList<Modality> stack = StackOrder();
        Dictionary<Modality, EncoderChoice> choices = [];
        foreach ((string name, string encoder) in Encoders)
        {
            Modality modality = Modality.Parse(name);
            if (!modality.IsSequence) throw new ArgumentException($"encoder of {modality}: only smiles, selfies and text are read by a pretrained encoder");
            if (!stack.Contains(modality)) throw new ArgumentException($"encoder of {modality}: the run does not use that modality; it fuses {string.Join(", ", stack)}");
            choices[modality] = EncoderChoice.Parse(encoder);
        }

        return choices;
    }

    /// <summary>Reads a YAML or JSON file (JSON is YAML); keys in snake_case, an unknown key is an error.</summary>
    /// <exception cref="InvalidDataException">The file is not of that form; the message names file and line.</exception>
    public static RunConfig Load(string path)
    {
        try
        {
            return new DeserializerBuilder().WithNamingConvention(UnderscoredNamingConvention.Instance)
                .WithEnumNamingConvention(UnderscoredNamingConvention.Instance)
                .Build().Deserialize<RunConfig?>(System.IO.File.ReadAllText(path)) ?? new RunConfig();
        }
        catch (YamlDotNet.Core.YamlException e)
        {
            throw new InvalidDataException($"{path}, line {e.Start.Line}: {(e.InnerException ?? e).Message}", e);
        }
    }

    /// <summary>The complete configuration as YAML that <see cref="Load"/> reads.</summary>
    public string ToYaml() => new SerializerBuilder().WithNamingConvention(UnderscoredNamingConvention.Instance)
        .WithEnumNamingConvention(UnderscoredNamingConvention.Instance).DisableAliases().Build().Serialize(this);

    internal static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };
}
