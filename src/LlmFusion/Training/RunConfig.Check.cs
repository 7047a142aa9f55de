using LlmFusion.Embedding;
using LlmFusion.Fusion;
using LlmFusion.Modalities;

namespace LlmFusion.Training;

public sealed partial record RunConfig
{
    /// <summary>Fails where a value is out of range; data columns are checked when the data is read.</summary>
    /// <exception cref="ArgumentException">What is wrong, what was expected.</exception>
    public void Check()
    {
        static void Require(bool holds, string name, object? got, string expected)
        {
            if (!holds) throw new ArgumentException($"{name}: got {got ?? "nothing"}, expected {expected}");
        }

        void RequireModality(string name, string got) => Require(StackOrder().Any(m => m.Name == got), name, got, $"a modality of the run: {string.Join(", ", StackOrder())}");

        IReadOnlyDictionary<Modality, EncoderChoice> encoders = EncoderChoices();
        if (Backbone is not null)
            Require(EncoderChoice.Parse(Backbone) is { Pooling: null, MaximumTokens: null, Train: false }, "backbone", Backbone, "a model without pooling, max-tokens and train: it reads one token a modality, and --tune says what of it is trained");
        _ = SizePreset.Named(Size);
        Fingerprint.Check();
        int sources = (Data is null ? 0 : 1) + (File is null ? 0 : 1) + (TrainFile is null ? 0 : 1);
        Require(sources == 1, "data", $"{sources} sources", "exactly one of a built-in data set, a file, or a training file");
        Require(TrainFile is null == ValidFile is null, "valid_file", ValidFile, "training and validation file together");
        Require(Targets.Count > 0 || Data is not null, "targets", "none", "at least one column");
        Require(SplitFractions.Count == 3 && SplitFractions.All(f => f >= 0) && Math.Abs(SplitFractions.Sum() - 1) < 1e-6, "split_fractions", string.Join(", ", SplitFractions), "three shares that add up to 1");
        Require(TrainRows is null or >= 1, "train_rows", TrainRows, "at least 1");
        if (Targets.Count > 0) PlacesOfContributions();
        Require(CalibrationFraction is >= 0 and < 1, "calibration_fraction", CalibrationFraction, "0 up to, not including, 1");
        Require(WeightColumn is null || Data is null, "weight_column", WeightColumn, "none with a built-in data set, which has no weights");
        Require(!TemplatedTrainText || Data is not null, "templated_train_text", TemplatedTrainText, "it with the built-in data set chebi20 alone");
        Require(DataRepeats.Count == 0 || DataNames().Count > 1, "data_repeats", string.Join(", ", DataRepeats.Keys), "none where there are not several data sets");
        foreach ((string name, int times) in DataRepeats) Require(times >= 1, "data_repeats", $"{name}={times}", "whole numbers from 1 on");
        Require(LoraRank >= 1, "lora_rank", LoraRank, "at least 1");
        Require(LoraAlpha > 0 && double.IsFinite(LoraAlpha), "lora_alpha", LoraAlpha, "a positive number");
        Require(LoraDropout is >= 0 and < 1, "lora_dropout", LoraDropout, "0 up to, not including, 1");
        Require(Tune == TuneMode.Lora || (!LoraMerge && LoraTargets.Count == 0), "lora_merge, lora_targets", Tune, "tune: lora with them");
        foreach ((string name, double rate) in EncoderLearningRates)
        {
            Modality modality = Modality.Parse(name);
            Require(rate >= 0 && double.IsFinite(rate), "encoder_learning_rates", $"{name}={rate}", "positive numbers, or 0 for one that stays as it is");
            Require(modality.Name == name && modality.IsSequence && StackOrder().Contains(modality) && encoders.GetValueOrDefault(modality) is not { Train: false },
                "encoder_learning_rates", name, "a modality of the run whose encoder is trained along: a new one, or a pretrained one with ,train");
        }

        Require(StackOrder().Contains(Modality.Graph) || (GraphTokens == GraphTokens.Pooled && AtomContributions.Count == 0 && GraphWidth is null && GraphLayers is null), "graph_tokens, atom_contributions, graph_width, graph_layers", string.Join(", ", StackOrder()), "the modality graph with them");
        Require(GraphWidth is null or (>= 8 and <= 4096), "graph_width", GraphWidth, "8 to 4096");
        Require(GraphLayers is null or (>= 1 and <= 64), "graph_layers", GraphLayers, "1 to 64");
        Require(Fusion == FusionKind.LanguageModel || (Backbone is null && InitModel is null && Tune == TuneMode.Full), "fusion", Fusion, "language_model with a backbone, with a model to begin from, and with a tune other than full");
        Require(Fusion != FusionKind.ConcatMlp || GraphTokens == GraphTokens.Pooled, "fusion", Fusion, "another with graph_tokens: atoms, which are not always as many");
        Require(HuberDelta > 0 && double.IsFinite(HuberDelta), "huber_delta", HuberDelta, "a positive number");
        foreach ((string name, double weight) in TargetWeights) Require(weight >= 0 && double.IsFinite(weight), "target_weights", $"{name}={weight}", "numbers from 0 on");
        Require(MaximumTokens is >= 8 and <= 4096, "maximum_tokens", MaximumTokens, "8 to 4096");
        Require(Dropout is >= 0 and < 1, "dropout", Dropout, "0 up to, not including, 1");
        Require(ModalityDropout is >= 0 and < 1, "modality_dropout", ModalityDropout, "0 up to, not including, 1");
        foreach ((string name, double probability) in ModalityDropouts)
        {
            Require(probability is >= 0 and < 1, "modality_dropouts", $"{name}={probability}", "0 up to, not including, 1");
            RequireModality("modality_dropouts", name);
        }

        foreach ((string name, double weight) in SingleModalityWeights)
        {
            Require(weight > 0 && double.IsFinite(weight), "single_modality_weights", $"{name}={weight}", "positive numbers");
            RequireModality("single_modality_weights", name);
            Require(SingleModality > 0 || ModalityDropout > 0 || ModalityDropouts.Count > 0, "single_modality_weights", $"{name}={weight}", "single_modality or modality_dropout with it: without them nothing is left out");
        }

        Require(!FreezeEncoders || InitModel is not null, "freeze_encoders", FreezeEncoders, "a model to begin from (init_model) with it");
        foreach (string name in NewEncoders)
        {
            RequireModality("new_encoders", name);
            Require(InitModel is not null, "new_encoders", name, "a model to begin from (init_model) with it");
            Require(Modality.Parse(name).Kind is ModalityKind.Fingerprint or ModalityKind.Graph or ModalityKind.Columns, "new_encoders", name, "fingerprint, graph or a modality made of columns");
        }

        Require(SingleModality is >= 0 and <= 1, "single_modality", SingleModality, "0 to 1");
        Require(Epochs >= 1, "epochs", Epochs, "at least 1");
        Require(BatchSize >= 1, "batch_size", BatchSize, "at least 1");
        Require(Accumulate >= 1 && (long)BatchSize * Accumulate <= int.MaxValue, "accumulate", Accumulate, "at least 1");
        Require(LearningRate > 0, "learning_rate", LearningRate, "a positive number");
        Require(MinimumLearningRate >= 0 && MinimumLearningRate <= LearningRate, "minimum_learning_rate", MinimumLearningRate, "from 0 to the learning rate");
        Require(WeightDecay >= 0, "weight_decay", WeightDecay, "0 or more");
        Require(WarmupSteps >= 0, "warmup_steps", WarmupSteps, "0 or more");
        Require(OneCycleRise is > 0 and < 1, "one_cycle_rise", OneCycleRise, "between 0 and 1");
        Require(PlateauFactor is > 0 and < 1, "plateau_factor", PlateauFactor, "between 0 and 1");
        Require(PlateauPatience >= 0, "plateau_patience", PlateauPatience, "0 or more");
        Require(PlateauThreshold >= 0 && double.IsFinite(PlateauThreshold), "plateau_threshold", PlateauThreshold, "0 or more");
        Require(PlateauCooldown >= 0, "plateau_cooldown", PlateauCooldown, "0 or more");
        Require(EmaDecay is >= 0 and < 1, "ema_decay", EmaDecay, "0 up to, not including, 1");
        Require(EarlyStopping >= 1, "early_stopping", EarlyStopping, "at least 1");
        Require(ClipNorm >= 0, "clip_norm", ClipNorm, "0 or more");
        Require(CheckpointMinutes is >= 0 and < 1e6, "checkpoint_minutes", CheckpointMinutes, "0 or more");
        Require(Minutes is >= 0 and < 1e6, "minutes", Minutes, "0 or more");
        Require(Device is "auto" or "cpu" or "cuda", "device", Device, "auto, cpu or cuda");
    }
}
