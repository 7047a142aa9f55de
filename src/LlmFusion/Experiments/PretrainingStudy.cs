using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>Does pretraining help? Random weights, masked tokens alone, and masked tokens with descriptors; frozen and trained along; with few and with more molecules.</summary>
public static class PretrainingStudy
{
    private static readonly int[] Sizes = [1_000, 10_000];

    /// <summary>The study of the SMILES encoder.</summary>
    /// <param name="control">Folder of the encoder that was pretrained by masked tokens alone (<c>pretrain smiles --objective mlm</c>), which does not come with the program.</param>
    public static Study Create(string control) => new()
    {
        Name = "pretraining",
        Title = "Does pretraining help?",
        Arguments = $"pretraining --control {control}",
        Question = """
            LogP and QED of ChEBI-20 and the gap of QM9 from SMILES alone, with 1,000 and with 10,000 training molecules. The encoder has one form, and one vocabulary except where its
            weights are random (that of the training molecules then): *random* weights, pretrained by *masked tokens* alone, and by masked tokens and RDKit's *descriptors* (`llmfusion-smiles`);
            LogP, QED and what they are made of are none of the descriptors, and no molecule of a validation or test split was seen. *Frozen*, as in the paper, or *trained along*. About 1,900 steps of
            32 molecules in every run, one set of settings; the best epoch is chosen on a fifth of the validation split.
            """,
        Panels =
        [
            .. Sizes.Select(size => new StudyPanel($"chebi20-{size}", $"{size:N0} of ChEBI-20", ["logp", "qed"], StudyMetric.Mse, c => Sized(c, size) with { Data = "chebi20" })),
            .. Sizes.Select(size => new StudyPanel($"qm9-{size}", $"{size:N0} of QM9", ["gap"], StudyMetric.Mae, c => Sized(c, size) with { Data = "qm9", Loss = LossKind.Mae })),
        ],
        Rows = [.. new[] { false, true }.SelectMany(train => new[] { Row("random", "random", "llmfusion-smiles", InitKind.Random, train), Row("masked", "masked tokens", control, InitKind.Pretrained, train), Row("full", "masked tokens and descriptors", "llmfusion-smiles", InitKind.Pretrained, train) })],
    };

    private static RunConfig Sized(RunConfig config, int size) => config with { TrainRows = size, CalibrationFraction = 0.8, Epochs = 60_000 / size, EarlyStopping = 60_000 / size };

    private static StudyRow Row(string name, string title, string encoder, InitKind init, bool train) => new(
        train ? $"{name}-trained" : $"{name}-frozen", title, train ? "trained along" : "frozen", new CellTask.Fusion(new RunConfig
        {
            Modalities = ["smiles"],
            Encoders = new() { ["smiles"] = train ? $"{encoder},train" : encoder },
            Init = init,
            Dropout = 0,
            BatchSize = 32,
            LearningRate = 5e-4,
            WeightDecay = 1e-4,
            Schedule = ScheduleKind.OneCycle,
            EmaDecay = 0.999,
        }), train ? 3 : 1);
}
