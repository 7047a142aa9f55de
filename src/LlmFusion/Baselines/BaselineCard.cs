using System.Globalization;
using System.Text;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;

namespace LlmFusion.Baselines;

/// <summary>The README.md of a baseline's folder.</summary>
internal static class BaselineCard
{
    /// <summary>Markdown.</summary>
    /// <param name="manifest">The model's.</param>
    /// <param name="config">How it was made.</param>
    /// <param name="gains">Of each target's trees: <see cref="FeatureRows.SharesOfGain"/>.</param>
    public static string Of(ModelManifest manifest, BaselineConfig config, IReadOnlyList<IReadOnlyList<double>> gains)
    {
        StringBuilder card = new();
        card.AppendLine("# XGBoost baseline").AppendLine();
        card.AppendLine($"Predicts {string.Join(", ", manifest.Targets.Select(t => t.Unit.Length > 0 ? $"{t.Name} ({t.Unit})" : t.Name))} from {(manifest.Modalities.Count > 1 ? "the concatenation of " : "")}"
            + $"{string.Join(", ", manifest.Modalities.Select(ModelCard.Describe))}.").AppendLine();
        card.AppendLine("| | |").AppendLine("|---|---|");
        card.AppendLine($"| program | LlmFusion {manifest.ProgramVersion}, XGBoost {manifest.Baseline!.Version} |");
        card.AppendLine($"| data | {manifest.Data.Name}: {manifest.Data.Train} training, {manifest.Data.Valid} validation, {manifest.Data.Test} test molecules |");
        card.AppendLine($"| split | sha256 {manifest.Data.SplitSha256} |");
        card.AppendLine(CultureInfo.InvariantCulture, $"| search | {config.Trials} random settings for each target{(config.SearchRows is { } rows ? $" on {rows:N0} training rows" : "")}, chosen by the {config.Metric} on the validation split, seed {manifest.Training.Seed}; the best grown on all training rows |");
        card.AppendLine().AppendLine("| target | trees | learning rate | depth | subsample | colsample by tree | gamma | min child weight |").AppendLine("|---|---|---|---|---|---|---|---|");
        foreach ((TargetEntry target, BoostedTarget trees) in manifest.Targets.Zip(manifest.Baseline.Targets))
            card.AppendLine(CultureInfo.InvariantCulture, $"| {target.Name} | {trees.Trees} | {trees.Settings.LearningRate} | {trees.Settings.MaxDepth} | {trees.Settings.Subsample} | {trees.Settings.ColsampleByTree} | {trees.Settings.Gamma} | {trees.Settings.MinChildWeight} |");
        if (manifest.Modalities.Count > 1)
        {
            card.AppendLine().AppendLine("What the trees go by: the share of the splits' gain (XGBoost's `total_gain`) that each modality's features have.").AppendLine();
            card.AppendLine($"| target | {string.Join(" | ", manifest.Modalities.Select(m => m.Name))} |").AppendLine($"|---|{string.Concat(manifest.Modalities.Select(_ => "---|"))}");
            foreach ((TargetEntry target, IReadOnlyList<double> shares) in manifest.Targets.Zip(gains))
                card.AppendLine($"| {target.Name} | {string.Join(" | ", shares.Select(share => (100 * share).ToString("F0", CultureInfo.InvariantCulture) + " %"))} |");
        }

        card.AppendLine().AppendLine("## Metrics").AppendLine().AppendLine("| split | target | predictor | n | MAE | RMSE | MSE | R2 | unit |").AppendLine("|---|---|---|---|---|---|---|---|---|");
        foreach (ComparisonRow row in manifest.Metrics.Rows)
            card.AppendLine(CultureInfo.InvariantCulture, $"| {row.Split} | {row.Target} | {row.Predictor} | {row.Metrics.N} | {row.Metrics.Mae:G4} | {row.Metrics.Rmse:G4} | {row.Metrics.Mse:G4} | {row.Metrics.R2:F3} | {row.Unit} |");
        card.AppendLine().AppendLine("## Use").AppendLine().AppendLine("```").AppendLine("./llmfusion predict --model THIS_FOLDER molecules.csv -o predictions.csv").AppendLine("```").AppendLine();
        card.AppendLine("`trees/` holds XGBoost's own JSON, one file for each target in the order above, which `xgboost.Booster().load_model` reads; predict there with `iteration_range=(0, trees)`, the number in the table. What was zero in a fingerprint was missing for the trees, not a 0: give `xgboost.DMatrix` a sparse matrix (`scipy.sparse.csr_matrix`), or a dense one with NaN in the place of zeros. Targets are scaled as `llmfusion.json` says. `trials.jsonl` is the log of the search.");
        return card.ToString();
    }
}
