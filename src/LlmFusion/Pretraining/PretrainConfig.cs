using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Pretraining;

/// <summary>What an encoder is to learn.</summary>
public enum PretrainObjective
{
    /// <summary>SMILES and SELFIES: masked tokens, and RDKit's descriptors from the embedding. Text: the next token.</summary>
    Full,

    /// <summary>Masked tokens alone: the control.</summary>
    Mlm,
}

/// <summary>How an encoder is pretrained; the defaults suit the mini size on two cores.</summary>
public sealed record PretrainConfig
{
    /// <summary>What the encoder reads: smiles, selfies or text.</summary>
    public required string Modality { get; init; }

    /// <summary>Name of a <see cref="SizePreset"/>.</summary>
    public string Size { get; init; } = SizePreset.Mini.Name;

    /// <summary>What it learns.</summary>
    public PretrainObjective Objective { get; init; }

    /// <summary>Named data sets whose training split is read; ChEBI-20 with its template texts.</summary>
    public IReadOnlyList<string> Data { get; init; } = ["qm9", "chebi20"];

    /// <summary>Further tables of molecules; for text also .txt files with a text a line.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    /// <summary>Named data sets no molecule of whose validation and test splits may be in the corpus.</summary>
    public IReadOnlyList<string> Exclude { get; init; } = ["qm9", "chebi20"];

    /// <summary>Times that the corpus is read; without meaning where <see cref="Minutes"/> are given.</summary>
    public int Epochs { get; init; } = 2;

    /// <summary>Minutes of training, over which the learning rate is planned; null: <see cref="Epochs"/> decide.</summary>
    public double? Minutes { get; init; }

    /// <summary>Sequences of a step.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Learning rate at the end of the warm-up.</summary>
    public double LearningRate { get; init; } = 5e-4;

    /// <summary>Share of the run in which the rate rises; half a cosine follows.</summary>
    public double Warmup { get; init; } = 0.05;

    /// <summary>AdamW's weight decay.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Largest gradient norm.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>Dropout while pretraining; little data seen few times needs none.</summary>
    public double Dropout { get; init; }

    /// <summary>Share of a sequence's tokens that are to be restored.</summary>
    public double MaskRate { get; init; } = 0.15;

    /// <summary>Share of the molecules that an epoch shows as random equivalent SMILES; the others are canonical, as in use.</summary>
    public double RandomShare { get; init; } = 0.5;

    /// <summary>Weight of the descriptors' squared error beside the tokens' cross entropy.</summary>
    public double DescriptorWeight { get; init; } = 1;

    /// <summary>Longest sequence in tokens.</summary>
    public int MaximumTokens { get; init; } = 256;

    /// <summary>Most tokens of the vocabulary.</summary>
    public int VocabularySize { get; init; } = 4096;

    /// <summary>Rarer tokens of molecules are unknown; rarer pairs of a text are not merged.</summary>
    public int MinimumCount { get; init; } = 3;

    /// <summary>Share of the corpus that is held out for the validation loss, at most <see cref="MostHeldOut"/> sequences.</summary>
    public double HeldOut { get; init; } = 0.01;

    /// <summary>Seed of weights, order, masks and random SMILES.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Minutes between checkpoints; 0 is after every step.</summary>
    public double CheckpointMinutes { get; init; } = 5;

    /// <summary>auto, cpu or cuda.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Whether products are computed in bfloat16 where the encoder is linear; slower than float32 on processors without AVX512-BF16.</summary>
    public bool Bf16 { get; init; }

    /// <summary>Most sequences that validate.</summary>
    public const int MostHeldOut = 2000;

    /// <summary>The modality.</summary>
    public Modality Reads() => Modalities.Modality.Parse(Modality);

    /// <summary>Whether descriptors are learned.</summary>
    public bool LearnsDescriptors => Objective == PretrainObjective.Full && Reads() != Modalities.Modality.Text;

    /// <summary>The configuration as JSON with keys in snake_case.</summary>
    public JsonObject ToJson() => JsonSerializer.SerializeToNode(this, RunConfig.Json)!.AsObject();

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It is of another form.</exception>
    public static PretrainConfig From(JsonObject json)
    {
        try
        {
            return json.Deserialize<PretrainConfig>(RunConfig.Json) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"configuration of the pretraining: {e.Message}; expected that of this version", e);
        }
    }

    /// <summary>Fails on the first value that is impossible.</summary>
    /// <exception cref="ArgumentException">The message says which, what it is, and what was expected.</exception>
    public void Check()
    {
        Require(Reads().IsSequence, "modality", Modality, "smiles, selfies or text");
        SizePreset.Named(Size);
        Require(Objective == PretrainObjective.Full || Reads() != Modalities.Modality.Text, "objective", "mlm", "full for text, whose encoder learns the next token");
        Require(Data.Count + Files.Count > 0, "data", "nothing", "at least one data set or file");
        Require(Epochs >= 1, "epochs", Epochs, "at least 1");
        Require(Minutes is null or > 0, "minutes", Minutes ?? 0, "above 0");
        Require(BatchSize >= 1, "batch_size", BatchSize, "at least 1");
        Require(LearningRate > 0, "learning_rate", LearningRate, "a positive number");
        Require(Warmup is >= 0 and < 1, "warmup", Warmup, "from 0 to below 1");
        Require(WeightDecay >= 0, "weight_decay", WeightDecay, "0 or more");
        Require(ClipNorm > 0, "clip_norm", ClipNorm, "above 0");
        Require(Dropout is >= 0 and < 1, "dropout", Dropout, "from 0 to below 1");
        Require(MaskRate is > 0 and < 1, "mask_rate", MaskRate, "between 0 and 1");
        Require(RandomShare is >= 0 and <= 1, "random_share", RandomShare, "from 0 to 1");
        Require(DescriptorWeight > 0, "descriptor_weight", DescriptorWeight, "above 0");
        Require(MaximumTokens is >= 8 and <= 4096, "maximum_tokens", MaximumTokens, "8 to 4096");
        Require(VocabularySize is >= 300 and <= 65536, "vocabulary_size", VocabularySize, "300 to 65536");
        Require(MinimumCount >= 1, "minimum_count", MinimumCount, "at least 1");
        Require(HeldOut is > 0 and < 1, "held_out", HeldOut, "between 0 and 1");
        Require(CheckpointMinutes >= 0, "checkpoint_minutes", CheckpointMinutes, "0 or more");
    }

    private static void Require(bool holds, string key, object got, string expected)
    {
        if (!holds) throw new ArgumentException(FormattableString.Invariant($"{key}: got {got}, expected {expected}"));
    }
}
