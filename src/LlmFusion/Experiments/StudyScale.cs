using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>How large the networks of the paper's tables are, and on how much they are trained.</summary>
/// <param name="Name">Name on the command line.</param>
/// <param name="Encoders">The frozen encoder of each sequence modality.</param>
/// <param name="Backbone">The pretrained fusing language model; null: a new one of <paramref name="Size"/>.</param>
/// <param name="LargeBackbone">The one of Table 3; null: a new one of <paramref name="LargeSize"/>.</param>
/// <param name="LargeStep">How many times as long a training step with the larger language model takes: Table 3 gives it so many fewer epochs. For mini it was measured (5.0, docs/reproducing.md), for the paper's models it is the ratio of their weights.</param>
/// <param name="Size">Size of what is new.</param>
/// <param name="LargeSize">Size of Table 3's.</param>
/// <param name="Epochs">Epochs on QM9 and on ChEBI-20's captioned molecules.</param>
/// <param name="ChebiEpochs">Epochs on ChEBI-20.</param>
/// <param name="Trials">Settings that are tried for XGBoost, for each target.</param>
/// <param name="SearchRows">Training rows that a trial sees; null: all.</param>
public sealed record StudyScale(
    string Name, IReadOnlyDictionary<Modality, string> Encoders, string? Backbone, string? LargeBackbone, double LargeStep, string Size, string LargeSize, int Epochs, int ChebiEpochs, int Trials, int? SearchRows)
{
    /// <summary>The paper's encoders and language models, from the model hub: days on a CPU.</summary>
    public static readonly StudyScale Paper = new("paper", Frozen("chemberta", "selfbart", "gpt2"), "gpt2", "gpt2-large", 6, "base", "base", 20, 40, 12, 20_000);

    /// <summary>The encoders that come with the program and a fusing language model of their size: offline, hours on two cores.</summary>
    public static readonly StudyScale Mini = new("mini", Frozen("llmfusion-smiles", "llmfusion-selfies", "llmfusion-text"), null, null, 5, "mini", "small", 30, 60, 12, 20_000);

    /// <summary>Minutes, on the built-in demo data: shows that every row runs, and says nothing of the paper.</summary>
    public static readonly StudyScale Smoke = Mini with { Name = "smoke", Size = "tiny", LargeSize = "mini", Epochs = 2, ChebiEpochs = 2, Trials = 2, SearchRows = 300 };

    /// <summary>All, the largest first.</summary>
    public static readonly IReadOnlyList<StudyScale> All = [Paper, Mini, Smoke];

    /// <summary>How long a network is trained on one of the large data sets: as long as all of its kind, and no cell above 45 minutes at the mini scale.</summary>
    /// <param name="network">The network.</param>
    /// <param name="epochs">Epochs of one whose encoders are frozen.</param>
    public static int EpochsOf(RunConfig network, int epochs) => Math.Max(1, network.EncoderChoices().Values.Any(e => e.Train) ? epochs / 8 : network.StackOrder().Contains(Modality.Graph) ? 2 * epochs / 3 : epochs);

    /// <summary>The scale of that name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static StudyScale Named(string name) => All.FirstOrDefault(s => s.Name == name) ?? throw new ArgumentException($"scale: got {name}, expected {string.Join(", ", All.Select(s => s.Name))}");

    private static Dictionary<Modality, string> Frozen(string smiles, string selfies, string text) => new() { [Modality.Smiles] = smiles, [Modality.Selfies] = selfies, [Modality.Text] = text };
}
