using System.Globalization;
using System.Text;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Training;

namespace LlmFusion.Prediction;

/// <summary>The README.md of a released model: what it is, what it was trained on, how good it is, and where it must not be trusted. Every number in it was measured.</summary>
public static class ReleaseCard
{
    /// <summary>Name of the card in the model's folder.</summary>
    public const string FileName = "README.md";

    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>Markdown.</summary>
    /// <param name="name">Name of the model.</param>
    /// <param name="manifest">The manifest of a released model.</param>
    /// <param name="config">How it was trained.</param>
    /// <param name="notes">Markdown of whoever releases it, for what the program cannot know; empty: none.</param>
    public static string Of(string name, ModelManifest manifest, RunConfig config, string notes = "")
    {
        ReleaseEntry release = manifest.Release!;
        StringBuilder card = new();
        card.AppendLine(Invariant, $"# {name}").AppendLine();
        card.Append(Invariant, $"An LLM-Fusion model that predicts {string.Join(", ", manifest.Targets.Select(t => t.Name))} from {string.Join(", ", manifest.Modalities.Select(m => Describe(m, config)))}.");
        card.AppendLine(manifest.Modalities.Count > 1 ? " It needs not all of them: what a molecule lacks is left out." : "").AppendLine();
        card.AppendLine("```").AppendLine(Invariant, $"./llmfusion predict --model {name} --smiles \"CC(=O)Oc1ccccc1C(=O)O\"").AppendLine("```").AppendLine();
        Properties(card, manifest, config, release);
        Training(card, manifest, config, release);
        if (notes.Trim() is { Length: > 0 } text) card.AppendLine(text).AppendLine();
        Test(card, manifest, release);
        Intervals(card, manifest, release);
        Limits(card, manifest, release);
        return card.ToString();
    }

    /// <summary>Writes the card of a released model anew, from what was measured when it was released.</summary>
    /// <param name="folder">The released model.</param>
    /// <param name="name">Its name.</param>
    /// <param name="notes">See <see cref="Of"/>.</param>
    /// <exception cref="ModelFolderException">It is not a released model.</exception>
    public static void Rewrite(string folder, string name, string notes)
    {
        ModelManifest manifest = TrainedModel.ReadManifest(folder);
        if (manifest.Release is null) throw new ModelFolderException(folder, "is not a released model, expected the output of models release");
        AtomicFile.Write(Path.Combine(folder, FileName), Of(name, manifest, RunConfig.Load(Path.Combine(folder, TrainingRun.ConfigFile)), notes));
    }

    private static void Properties(StringBuilder card, ModelManifest manifest, RunConfig config, ReleaseEntry release)
    {
        card.AppendLine("| property | what it is | unit |").AppendLine("|---|---|---|");
        foreach (TargetEntry target in manifest.Targets) card.AppendLine(Invariant, $"| {target.Name} | {KnownTargets.About(target.Name)} | {target.Unit} |");
        card.AppendLine();
        if (config.AtomContributions.Count > 0)
            card.AppendLine(Invariant, $"{string.Join(", ", config.AtomContributions)}: where the model has the graph, the sum of what each atom contributes, in which the other modalities have no part.").AppendLine();
        foreach (IGrouping<string, (string Target, string Set)> better in BetterFromFewer(manifest, release).GroupBy(b => b.Set, b => b))
            card.AppendLine(Invariant, $"**{string.Join(", ", better.Select(b => b.Target))}: better from {better.Key} than from everything**, on the test split by more than a twentieth (the metrics stand below): give `--modalities {string.Join(",", manifest.Modalities.Where(m => better.Key.Split('+').Contains(m.Modality().Abbreviation)).Select(m => m.Name))}` for these.").AppendLine();
    }

    /// <summary>Targets whose error is lower by more than a twentieth from some of the modalities than from all, and from which.</summary>
    private static IEnumerable<(string Target, string Set)> BetterFromFewer(ModelManifest manifest, ReleaseEntry release)
    {
        foreach (IGrouping<(string Data, string Target), ReleaseMetrics> target in release.Test.Where(r => r.Part == release.Test[0].Part).GroupBy(r => (r.Data, r.Target)))
        {
            ReleaseMetrics best = target.MinBy(r => r.Metrics.Mae)!;
            if (best.Metrics.Mae < 0.95 * target.First().Metrics.Mae) yield return (target.Key.Target, From(manifest, best.Modalities));
        }
    }

    private static void Training(StringBuilder card, ModelManifest manifest, RunConfig config, ReleaseEntry release)
    {
        card.AppendLine("## Training").AppendLine().AppendLine("| | |").AppendLine("|---|---|");
        card.AppendLine(Invariant, $"| data | {manifest.Data.Name}: {manifest.Data.Train:N0} training and {manifest.Data.Valid:N0} validation molecules |");
        foreach (DomainEntry domain in release.Domains)
            if (Catalog.Entries.FirstOrDefault(e => e.Name == domain.Data) is { } entry) card.AppendLine(Invariant, $"| {entry.Name} | {entry.About}; licence {entry.Licence} |");
        card.AppendLine(Invariant, $"| command | `./llmfusion train --config {TrainingRun.ConfigFile} -o DIR`, then `./llmfusion models release DIR -o MODEL`{(manifest.Initial is null ? "" : "; before it, what it began from")} |");
        card.AppendLine(Invariant, $"| network | {(config.Backbone is { } backbone ? $"backbone {backbone}" : $"size {config.Size}")}, {manifest.Training.Parameters:N0} trained parameters, stored as float16 |");
        card.AppendLine(Invariant, $"| time | {manifest.Training.Seconds / 3600:F1} hours, {manifest.Training.Epochs} epochs, the best was {manifest.Training.BestEpoch}{(manifest.Environment is { } e ? $"; {e.Threads} threads on {e.Processor}" : "")} |");
        if (manifest.Initial is { } initial) card.AppendLine(Invariant, $"| began from | {initial.Name}, weights of sha256 {initial.WeightsSha256}, whose training is not in this time |");
        card.AppendLine(Invariant, $"| seed | {manifest.Training.Seed} |");
        card.AppendLine(Invariant, $"| split | sha256 {manifest.Data.SplitSha256} |").AppendLine();
    }

    private static void Test(StringBuilder card, ModelManifest manifest, ReleaseEntry release)
    {
        card.AppendLine("## Test metrics").AppendLine();
        card.AppendLine("Measured with the float16 weights of this folder; chosen on the validation split. `./llmfusion evaluate --data` repeats them. "
            + (release.Test.Any(r => r.Part != release.Test[0].Part) ? "\"Without stereo twins\": without the molecules that differ only in stereochemistry from one of the data set's own training split, also where this model's training left that one out." : "Of the test molecules fewer than one in a hundred differ only in stereochemistry from one of the data set's own training split.")).AppendLine();
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
        card.AppendLine("| data | from | target | coverage on test | mean width | unit |").AppendLine("|---|---|---|---|---|---|");
        foreach (ReleaseMetrics row in release.Test.Where(r => r.Part == release.Test[0].Part))
            card.AppendLine(Invariant, $"| {row.Data} | {From(manifest, row.Modalities)} | {row.Target} | {(row.Metrics.Coverage is { } c ? string.Create(Invariant, $"{100 * c.Share:F1} % | {c.MeanWidth:G4}") : "no interval | ")} | {Unit(manifest, row.Target)} |");
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

    private static string Describe(ModalityEntry modality, RunConfig config) => config.FreezeEncoders && !config.EncoderLearningRates.ContainsKey(modality.Name) && modality.Tuned is { } own
        ? $"{modality.Name} ({modality.Modality().Abbreviation}, an encoder of the model's own that was {own.Id ?? own.Model} once)"
        : ModelCard.Describe(modality);

    private static string From(ModelManifest manifest, IReadOnlyList<string> modalities) =>
        string.Join("+", manifest.Modalities.Where(m => modalities.Contains(m.Name)).Select(m => m.Modality().Abbreviation));

    private static string Unit(ModelManifest manifest, string target) => manifest.Targets.First(t => t.Name == target).Unit;
}
