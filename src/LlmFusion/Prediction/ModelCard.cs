using System.Globalization;
using System.Text;
using LlmFusion.Evaluation;
using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Prediction;

/// <summary>The README.md of a model folder: what the model is, what it was trained on, how good it is, how it is used.</summary>
public static class ModelCard
{
    /// <summary>Markdown.</summary>
    public static string Of(ModelManifest manifest, RunConfig config)
    {
        StringBuilder card = new();
        card.AppendLine("# LLM-Fusion model").AppendLine();
        card.AppendLine($"Predicts {string.Join(", ", manifest.Targets.Select(t => t.Unit.Length > 0 ? $"{t.Name} ({t.Unit})" : t.Name))} from "
            + $"{string.Join(", ", manifest.Modalities.Select(m => Describe(m)))}.").AppendLine();
        card.AppendLine("| | |").AppendLine("|---|---|");
        card.AppendLine($"| program | LlmFusion {manifest.ProgramVersion} |");
        card.AppendLine($"| data | {manifest.Data.Name}: {manifest.Data.Train} training, {manifest.Data.Valid} validation, {manifest.Data.Test} test molecules |");
        card.AppendLine($"| split | sha256 {manifest.Data.SplitSha256} |");
        card.AppendLine($"| network | {(config.Backbone is { } backbone ? $"backbone {backbone}{(config.Init == InitKind.Random ? " with random weights" : "")}" : $"size {config.Size}")}, {manifest.Training.Parameters.ToString("N0", CultureInfo.InvariantCulture)} trained parameters{(manifest.Training.Tune == TuneMode.Full ? "" : $" (--tune {manifest.Training.Tune.ToString().ToLowerInvariant()})")} |");
        card.AppendLine($"| training | {manifest.Training.Epochs} epochs in {manifest.Training.Seconds / 60:F0} minutes, best epoch {manifest.Training.BestEpoch}, seed {manifest.Training.Seed} |");
        card.AppendLine().AppendLine("## Metrics").AppendLine();
        card.AppendLine("Chosen on the validation split; `constant` predicts the training mean.").AppendLine();
        card.AppendLine("| split | target | predictor | n | MAE | RMSE | MSE | R2 | unit |").AppendLine("|---|---|---|---|---|---|---|---|---|");
        foreach (ComparisonRow row in manifest.Metrics.Rows)
            card.AppendLine(string.Create(CultureInfo.InvariantCulture,
                $"| {row.Split} | {row.Target} | {row.Predictor} | {row.Metrics.N} | {row.Metrics.Mae:G4} | {row.Metrics.Rmse:G4} | {row.Metrics.Mse:G4} | {row.Metrics.R2:F3} | {row.Unit} |"));
        if (manifest.Metrics.Rows.Any(r => r.Metrics.Intervals is not null))
        {
            card.AppendLine().AppendLine($"95 % bootstrap intervals of `{Comparison.Model}` ({Bootstrap.Resamples.ToString("N0", CultureInfo.InvariantCulture)} resamples of the rows):").AppendLine();
            card.AppendLine("| split | target | MAE | RMSE | MSE | R2 |").AppendLine("|---|---|---|---|---|---|");
            foreach (ComparisonRow row in manifest.Metrics.Rows.Where(r => r.Predictor == Comparison.Model))
                if (row.Metrics.Intervals is { } i)
                    card.AppendLine($"| {row.Split} | {row.Target} | {Range(i.Mae)} | {Range(i.Rmse)} | {Range(i.Mse)} | {Range(i.R2)} |");
        }

        if (manifest.Environment is { } e)
        {
            card.AppendLine().AppendLine("## Computed with").AppendLine();
            card.AppendLine($"LlmFusion {e.Program}, libtorch {e.Libtorch}, RDKit {e.Rdkit}, {e.Threads} threads on {e.Processor} ({e.Vectors}, {e.Device}). The same configuration, data and these give the same weights to the last bit.");
        }

        card.AppendLine().AppendLine("## Use").AppendLine().AppendLine("```").AppendLine("./llmfusion predict --model THIS_FOLDER molecules.csv -o predictions.csv").AppendLine("```").AppendLine();
        card.AppendLine("The model is trustworthy only for molecules like those it was trained on. `config.yaml` holds the whole configuration, `llmfusion.json` what the program needs.");
        return card.ToString();
    }

    private static string Range(Interval i) => string.Create(CultureInfo.InvariantCulture, $"{i.Low:G4} to {i.High:G4}");

    internal static string Describe(ModalityEntry entry) => entry switch
    {
        { Fingerprint: { } f } => $"Morgan fingerprint (radius {f.Radius}, {f.Size} {(f.Counts ? "counts" : "bits")})",
        { Columns: { } columns } => $"{entry.Name} (columns {string.Join(", ", columns.Select(c => c.Name))})",
        { Vectors: { } vectors } => $"{entry.Name} (vectors of {vectors.Count} numbers from a file)",
        { Frozen: { } frozen } => $"{entry.Name} ({entry.Modality().Abbreviation}, frozen encoder {frozen.Id ?? frozen.Model}{(frozen.Commit is { } commit ? $" at {commit[..8]}" : "")}{(frozen.SubstituteVocabulary ? ", random weights" : "")})",
        { Tuned: { } tuned } => $"{entry.Name} ({entry.Modality().Abbreviation}, encoder {tuned.Id ?? tuned.Model}{(tuned.Commit is { } commit ? $" at {commit[..8]}" : "")}, trained along)",
        _ => $"{entry.Name} ({entry.Modality().Abbreviation})",
    };
}
