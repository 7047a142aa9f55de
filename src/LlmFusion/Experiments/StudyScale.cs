using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>How long the networks of a table are trained on a data set, all of a kind alike.</summary>
/// <param name="Frozen">Epochs where all encoders but the fingerprint's are frozen.</param>
/// <param name="Graph">Epochs where the encoder of the graph is trained from nothing.</param>
/// <param name="Along">Epochs where pretrained encoders are trained along.</param>
public sealed record StudyEpochs(int Frozen, int Graph, int Along)
{
    /// <summary>The network with its epochs; it is never stopped early.</summary>
    public RunConfig Of(RunConfig network)
    {
        int epochs = network.EncoderChoices().Values.Any(e => e.Train) ? Along : network.StackOrder().Contains(Modality.Graph) ? Graph : Frozen;
        return network with { Epochs = epochs, EarlyStopping = epochs };
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Frozen} (with a graph {Graph}, with encoders trained along {Along})";
}

/// <summary>How large the networks of the paper's tables are, and on how much they are trained.</summary>
/// <param name="Name">Name on the command line.</param>
/// <param name="Encoders">The frozen encoder of each sequence modality.</param>
/// <param name="Backbone">The pretrained fusing language model; null: a new one of <paramref name="Size"/>.</param>
/// <param name="LargeBackbone">The one of Table 3; null: a new one of <paramref name="LargeSize"/>.</param>
/// <param name="LargeStep">How many times as long a training step with the larger language model takes: Table 3 gives it so many fewer epochs. For mini it was measured (5.0, docs/reproducing.md), for the paper's models it is the ratio of their weights.</param>
/// <param name="Size">Size of what is new.</param>
/// <param name="LargeSize">Size of Table 3's.</param>
/// <param name="Qm9">Epochs on QM9.</param>
/// <param name="Chebi20">Epochs on ChEBI-20.</param>
/// <param name="Captioned">Epochs on ChEBI-20's captioned molecules, which are few.</param>
/// <param name="Trials">Settings that are tried for XGBoost, for each target.</param>
/// <param name="SearchRows">Training rows that a trial sees; null: all.</param>
public sealed record StudyScale(
    string Name, IReadOnlyDictionary<Modality, string> Encoders, string? Backbone, string? LargeBackbone, double LargeStep, string Size, string LargeSize, StudyEpochs Qm9, StudyEpochs Chebi20, StudyEpochs Captioned, int Trials, int? SearchRows)
{
    /// <summary>How the one setting of all networks was found, in a sentence.</summary>
    public string Tuning { get; init; } = "One setting for all rows, chosen beforehand and tried once.";

    /// <summary>The paper's encoders and language models, from the model hub: days on a CPU.</summary>
    public static readonly StudyScale Paper = new("paper", Frozen("chemberta", "selfbart", "gpt2"), "gpt2", "gpt2-large", 6, "base", "base", new(15, 15, 3), new(30, 20, 5), new(30, 60, 20), 16, 20_000);

    /// <summary>The encoders that come with the program and a fusing language model of their size: offline, hours on two cores.</summary>
    public static readonly StudyScale Mini = new("mini", Frozen("llmfusion-smiles", "llmfusion-selfies", "llmfusion-text"), null, null, 5, "mini", "small", new(15, 15, 8), new(30, 20, 6), new(30, 60, 16), 16, 20_000)
    {
        Tuning = "One setting for all rows, chosen on validation among eight that were tried with SM+SF+MFP on QM9, ten with SM+SF+TEXT+MFP on the captioned molecules and two with SM+SF+MFP on ChEBI-20 (docs/results/fusion-settings).",
    };

    /// <summary>Minutes, on the built-in demo data: shows that every row runs, and says nothing of the paper.</summary>
    public static readonly StudyScale Smoke = Mini with { Name = "smoke", Size = "tiny", LargeSize = "mini", Qm9 = new(2, 2, 1), Chebi20 = new(2, 2, 1), Captioned = new(2, 2, 1), Trials = 2, SearchRows = 300 };

    /// <summary>All, the largest first.</summary>
    public static readonly IReadOnlyList<StudyScale> All = [Paper, Mini, Smoke];

    /// <summary>The scale of that name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static StudyScale Named(string name) => All.FirstOrDefault(s => s.Name == name) ?? throw new ArgumentException($"scale: got {name}, expected {string.Join(", ", All.Select(s => s.Name))}");

    private static Dictionary<Modality, string> Frozen(string smiles, string selfies, string text) => new() { [Modality.Smiles] = smiles, [Modality.Selfies] = selfies, [Modality.Text] = text };
}
