using System.Globalization;
using System.Text;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Training;

namespace LlmFusion.Prediction;

/// <summary>The README.md of a released model: what it is, what it was trained on, how good it is, and where it must not be trusted. Every number in it was measured.</summary>
public static class ReleaseCard
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>Markdown.</summary>
    /// <param name="name">Name of the model.</param>
    /// <param name="manifest">The manifest of a released model.</param>
    /// <param name="config">How it was trained.</param>
    public static string Of(string name, ModelManifest manifest, RunConfig config)
    {
        ReleaseEntry release = manifest.Release!;
        StringBuilder card = new();
        card.AppendLine(Invariant, $"# {name}").AppendLine();
        card.AppendLine(Invariant, $"An LLM-Fusion model that predicts {string.Join(", ", manifest.Targets.Select(t => t.Unit.Length > 0 ? $"{t.Name} ({t.Unit})" : t.Name))} from "
            + $"{string.Join(", ", manifest.Modalities.Select(ModelCard.Describe))}. It needs not all of them: what a molecule lacks is left out.").AppendLine();
        card.AppendLine("```").AppendLine(Invariant, $"./llmfusion predict --model {name} --smiles \"CC(=O)Oc1ccccc1C(=O)O\"").AppendLine("```").AppendLine();
        Training(card, manifest, config, release);
        Test(card, manifest, release);
        Intervals(card, manifest, release);
        Limits(card, manifest, release);
        return card.ToString();
    }

    private static void Training(StringBuilder card, ModelManifest manifest, RunConfig config, ReleaseEntry release)
    {
        card.AppendLine("## Training").AppendLine().AppendLine("| | |").AppendLine("|---|---|");
        card.AppendLine(Invariant, $"| data | {manifest.Data.Name}: {manifest.Data.Train:N0} training and {manifest.Data.Valid:N0} validation molecules |");
        foreach (DomainEntry domain in release.Domains)
            if (Catalog.Entries.FirstOrDefault(e => e.Name == domain.Data) is { } entry) card.AppendLine(Invariant, $"| {entry.Name} | {entry.About}; licence {entry.Licence} |");
        card.AppendLine(Invariant, $"| command | `./llmfusion train --config {TrainingRun.ConfigFile} -o DIR`, then `./llmfusion models release DIR -o MODEL` |");
        card.AppendLine(Invariant, $"| network | {(config.Backbone is { } backbone ? $"backbone {backbone}" : $"size {config.Size}")}, {manifest.Training.Parameters:N0} trained parameters, stored as float16 |");
        card.AppendLine(Invariant, $"| time | {manifest.Training.Seconds / 3600:F1} hours, {manifest.Training.Epochs} epochs, the best was {manifest.Training.BestEpoch}{(manifest.Environment is { } e ? $"; {e.Threads} threads on {e.Processor}" : "")} |");
        if (manifest.Initial is { } initial) card.AppendLine(Invariant, $"| began from | {initial.Name}, weights of sha256 {initial.WeightsSha256}, whose training is not in this time |");
        card.AppendLine(Invariant, $"| seed | {manifest.Training.Seed} |");
        card.AppendLine(Invariant, $"| split | sha256 {manifest.Data.SplitSha256} |").AppendLine();
    }

    private static void Test(StringBuilder card, ModelManifest manifest, ReleaseEntry release)
    {
        card.AppendLine("## Test metrics").AppendLine();
        card.AppendLine("Measured with the float16 weights of this folder; chosen on the validation split. `./llmfusion evaluate --data` repeats them. \"Without stereo twins\": without the molecules that differ from a training molecule only in stereochemistry.").AppendLine();
        card.AppendLine("| data | molecules | from | target | n | MAE | MSE | R2 | unit |").AppendLine("|---|---|---|---|---|---|---|---|---|");
        foreach (ReleaseMetrics row in release.Test)
            card.AppendLine(Invariant, $"| {row.Data} | {row.Part} | {From(manifest, row.Modalities)} | {row.Target} | {row.Metrics.N} | {row.Metrics.Mae:G4} | {row.Metrics.Mse:G4} | {row.Metrics.R2:F3} | {Unit(manifest, row.Target)} |");
        card.AppendLine();
        ComparisonRow[] constant = [.. manifest.Metrics.Rows.Where(r => r.Predictor == Comparison.Constant)];
        if (constant.Length > 0)
            card.AppendLine(Invariant, $"The training mean would have the test MAE {string.Join(", ", constant.Select(r => string.Create(Invariant, $"{r.Target} {r.Metrics.Mae:G4}")))}.").AppendLine();
    }

    private static void Intervals(StringBuilder card, ModelManifest manifest, ReleaseEntry release)
    {
        card.AppendLine("## Prediction intervals").AppendLine();
        card.AppendLine(Invariant, $"Split-conformal, for a coverage of {release.Coverage:P0}, calibrated on {release.CalibrationFraction:P0} of the validation molecules, chosen by molecule. "
            + $"{(release.HeldOut ? "Training has not seen these." : "Training made its choices on these too, so the intervals may be somewhat too narrow.")}"
            + $" The promise holds on average over molecules like those of the data set, not for each kind of molecule.").AppendLine();
        card.AppendLine("| data | from | target | coverage on test | mean width |").AppendLine("|---|---|---|---|---|");
        foreach (ReleaseMetrics row in release.Test.Where(r => r.Part == release.Test[0].Part))
            card.AppendLine(Invariant, $"| {row.Data} | {From(manifest, row.Modalities)} | {row.Target} | {(row.Metrics.Coverage is { } c ? string.Create(Invariant, $"{100 * c.Share:F1} % | {c.MeanWidth:G4}") : "no interval | ")} |");
        card.AppendLine();
    }

    private static void Limits(StringBuilder card, ModelManifest manifest, ReleaseEntry release)
    {
        card.AppendLine("## Where it must not be trusted").AppendLine();
        card.AppendLine("Predictions are flagged for molecules that differ from the training molecules of the data set that a property was learned from:").AppendLine();
        foreach (DomainEntry d in release.Domains)
            card.AppendLine(Invariant, $"- {string.Join(", ", d.Targets)} ({d.Data}): other elements than {string.Join(", ", d.Elements)}; fewer than {d.FewestAtoms} or more than {d.MostAtoms} heavy atoms; "
                + $"a Tanimoto similarity below {d.LeastSimilarity:F2} to the nearest of {d.Fingerprints:N0} training molecules (Morgan radius 2).");
        card.AppendLine().AppendLine("A flagged prediction is an extrapolation: its interval promises nothing. A molecule without a flag may still be predicted badly.");
        if (manifest.Targets.Any(t => t.Name is "logp" or "qed"))
            card.AppendLine().AppendLine("LogP and QED are here a learned imitation of RDKit's formulas (Crippen's LogP, and QED), not of measurements: where RDKit is at hand, compute them.");
        if (release.Domains.Any(d => d.Data == "qm9"))
            card.AppendLine().AppendLine("QM9's properties are of single molecules in the gas phase by density functional theory (B3LYP/6-31G(2df,p)), not of experiments.");
    }

    private static string From(ModelManifest manifest, IReadOnlyList<string> modalities) =>
        string.Join("+", manifest.Modalities.Where(m => modalities.Contains(m.Name)).Select(m => m.Modality().Abbreviation));

    private static string Unit(ModelManifest manifest, string target) => manifest.Targets.First(t => t.Name == target).Unit;
}
