using LlmFusion.Fusion;
using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>Does fusion help? Each structural modality alone, all without the graph, all; and what the language model is good for.</summary>
public static class FusionStudy
{
    private const string Alone = "one modality", Together = "several", OtherFusion = "another fusion", LeftOut = "a modality left out of half of training";

    /// <summary>The study, trained along from the encoders that come with the program, on a part of QM9 that two cores can read often enough.</summary>
    public static Study Create() => new()
    {
        Name = "fusion",
        Title = "Does fusion help?",
        Arguments = "fusion",
        Question = """
            HOMO, LUMO and their gap from each structural modality alone, from all without the graph, and from all: 10,000 molecules of QM9's training split (the same for all rows),
            each seen 15 times, with one set of settings for all rows. The encoders of SMILES and SELFIES begin as `llmfusion-smiles` and `llmfusion-selfies` and are trained along;
            that of the graph begins anew. The best epoch is chosen on a fifth of the validation split. *Atoms as tokens*: the language model reads one token for each atom in the place
            of one for the graph. *Mean and MLP*: the mean of the modality tokens and an MLP with as many weights in the place of the language model.
            *Left out of half*: in training every second molecule, drawn anew each epoch, comes without its fingerprint; in validation and test all have it.
            """,
        Panels = [new("qm9", "QM9", ["homo", "lumo", "gap"], StudyMetric.Mae, config => config with { Data = "qm9", TrainRows = 10_000, CalibrationFraction = 0.8 })],
        Claims = Claims,
        Rows =
        [
            Row("gr", "GR", Alone, 1.5, "graph"),
            Row("sm", "SM", Alone, 4, "smiles"),
            Row("sf", "SF", Alone, 4, "selfies"),
            Row("mfp", "MFP", Alone, 1, "fingerprint"),
            Row("sm-sf-mfp", "SM+SF+MFP", Together, 7, "smiles", "selfies", "fingerprint"),
            Row("mfp-gr", "MFP+GR", Together, 2, "fingerprint", "graph"),
            Row("all", "SM+SF+MFP+GR", Together, 8, "smiles", "selfies", "fingerprint", "graph"),
            Atoms(Row("gr-atoms", "GR, atoms as tokens", OtherFusion, 3, "graph")),
            Atoms(Row("all-atoms", "SM+SF+MFP+GR, atoms as tokens", OtherFusion, 9, "smiles", "selfies", "fingerprint", "graph")),
            Mean(Row("gr-mean-mlp", "GR, mean and MLP", OtherFusion, 1.5, "graph")),
            Mean(Row("all-mean-mlp", "SM+SF+MFP+GR, mean and MLP", OtherFusion, 8, "smiles", "selfies", "fingerprint", "graph")),
            HalfOfFingerprints(Row("mfp-gr-half", "MFP+GR, MFP left out of half", LeftOut, 2, "fingerprint", "graph")),
            HalfOfFingerprints(Row("all-half", "SM+SF+MFP+GR, MFP left out of half", LeftOut, 8, "smiles", "selfies", "fingerprint", "graph")),
        ],
    };

    private static IReadOnlyList<StudyClaim> Claims { get; } =
    [
        new("all together are better than the graph alone", "all", "gr"), new("all together are better than the graph alone", "mfp-gr", "gr"),
        new("without the graph, several are better than one", "sm-sf-mfp", "sm"), new("without the graph, several are better than one", "sm-sf-mfp", "sf"), new("without the graph, several are better than one", "sm-sf-mfp", "mfp"),
        new("atoms as tokens are better than one token for the graph", "gr-atoms", "gr"), new("atoms as tokens are better than one token for the graph", "all-atoms", "all"),
        new("a language model fuses better than mean and MLP", "gr", "gr-mean-mlp"), new("a language model fuses better than mean and MLP", "all", "all-mean-mlp"),
        new("it is the fingerprint that hurts", "mfp-gr-half", "mfp-gr"), new("it is the fingerprint that hurts", "all-half", "all"),
    ];

    private static StudyRow Atoms(StudyRow row) => row with { Task = row.Task.Changed(c => c with { GraphTokens = GraphTokens.Atoms }) };

    private static StudyRow Mean(StudyRow row) => row with { Task = row.Task.Changed(c => c with { Fusion = FusionKind.MeanMlp }) };

    private static StudyRow HalfOfFingerprints(StudyRow row) => row with { Task = row.Task.Changed(c => c with { ModalityDropouts = new() { ["fingerprint"] = 0.5 } }) };

    private static StudyRow Row(string name, string title, string group, double minutes, params string[] modalities) => new(name, title, group, new CellTask.Fusion(new RunConfig
    {
        Modalities = [.. modalities],
        Encoders = modalities.Where(m => m is "smiles" or "selfies").ToDictionary(m => m, m => $"llmfusion-{m},train"),
        EncoderLearningRates = modalities.Where(m => m is "smiles" or "selfies").ToDictionary(m => m, _ => 4e-4),
        Loss = LossKind.Mae,
        Dropout = 0,
        BatchSize = 64,
        LearningRate = 8e-4,
        WeightDecay = 1e-4,
        Schedule = ScheduleKind.OneCycle,
        Epochs = 15,
        EarlyStopping = 15,
        EmaDecay = 0.999,
    }), minutes);
}
