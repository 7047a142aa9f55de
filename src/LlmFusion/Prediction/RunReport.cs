using System.Globalization;
using System.Text;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Training;

namespace LlmFusion.Prediction;

/// <summary>
/// The report.html of a model folder: figures, metrics with their intervals, data, network, settings, environment. One file
/// without links to anything, readable by print and on a phone.
/// </summary>
public static class RunReport
{
    /// <summary>HTML. Figures are taken from the folder's plots.</summary>
    /// <param name="manifest">The model.</param>
    /// <param name="config">The configuration it was trained with.</param>
    /// <param name="state">Where training ended.</param>
    /// <param name="reason">Why it ended.</param>
    /// <param name="parameters">Parameters per part of the network.</param>
    /// <param name="plots">SVG files in the order in which they are shown, the learning curve first.</param>
    public static string Of(ModelManifest manifest, RunConfig config, TrainingState state, StopReason reason, IReadOnlyList<PartParameters> parameters, IReadOnlyList<string> plots)
    {
        string targets = string.Join(", ", manifest.Targets.Select(t => t.Name));
        StringBuilder html = new();
        HtmlPage.Begin(html, "LLM-Fusion training report", targets, $"from {string.Join(", ", manifest.Modalities.Select(m => m.Name))}, learned from {manifest.Data.Name}");
        Cards(html, manifest, state, reason);
        html.Append("<section><h2>Metrics</h2>\n");
        html.Append($"<p>Each target in its own unit. Epoch and settings were chosen on the validation split; <i>{Comparison.Constant}</i> predicts the training mean. Small: 95 % bootstrap intervals over the choice of rows ({Bootstrap.Resamples.ToString("N0", CultureInfo.InvariantCulture)} resamples).</p>\n");
        MetricsTable(html, manifest.Metrics);
        html.Append("</section>\n<section><h2>Figures</h2>\n<div class=\"figures\">\n");
        foreach ((int i, string plot) in plots.Index()) html.Append($"<figure{(i == 0 ? " class=\"wide\"" : "")}>{HtmlPage.Inline(File.ReadAllText(plot), $"f{i}-")}</figure>\n");
        html.Append("</div></section>\n<section><h2>Run</h2>\n<div class=\"columns\">\n");
        Pairs(html, "Data", DataPairs(manifest));
        Pairs(html, "Network", [.. manifest.Modalities.Select(m => (m.Name, ModelCard.Describe(m))), .. parameters.Select(p => ($"parameters of {p.Part}", p.Frozen == 0 ? Count(p.Trained) : $"{Count(p.Trained)} trained, {Count(p.Frozen)} frozen")), ("trained parameters", Count(manifest.Training.Parameters))]);
        if (manifest.Environment is { } environment) Pairs(html, "Computed with", EnvironmentPairs(environment));
        html.Append("</div></section>\n<section><h2>Epochs</h2>\n<details><summary>Losses of each epoch</summary>\n");
        Epochs(html, state, config.Targets);
        html.Append("</details></section>\n<section><h2>Configuration</h2>\n<details open><summary>config.yaml</summary>\n");
        html.Append($"<pre>{Text(config.ToYaml())}</pre></details></section>\n");
        HtmlPage.End(html, $"Written by LlmFusion {manifest.ProgramVersion}. Weights sha256 {manifest.WeightsSha256}.");
        return html.ToString();
    }

    private static void Cards(StringBuilder html, ModelManifest manifest, TrainingState state, StopReason reason)
    {
        html.Append("<section class=\"cards\">\n");
        string[] splits = [.. manifest.Metrics.Rows.Select(r => r.Split).Distinct()];
        foreach (ComparisonRow row in manifest.Metrics.Rows.Where(r => r.Split == splits[^1] && r.Predictor == Comparison.Model))
            Card($"{row.Target}, {row.Split} MAE", Number(row.Metrics.Mae) + (row.Unit.Length > 0 ? " " + row.Unit : ""), $"R² {Decimals(row.Metrics.R2)}, n = {Count(row.Metrics.N)}");
        string end = reason switch { StopReason.Completed => "all epochs done", StopReason.EarlyStopping => "stopped early", StopReason.TimeOver => "stopped when its time was over", _ => "stopped by the user" };
        Card("best epoch", $"{state.Best} of {state.Epoch}", end);
        Card("training time", Duration(manifest.Training.Seconds), $"{Count((long)state.History.DefaultIfEmpty().Average(h => h?.MoleculesPerSecond ?? 0))} molecules/s");
        Card("trained parameters", Short(manifest.Training.Parameters), $"seed {manifest.Training.Seed}");
        html.Append("</section>\n");

        void Card(string title, string value, string below) =>
            html.Append($"<div class=\"card\"><div class=\"title\">{Text(title)}</div><div class=\"value\">{Text(value)}</div><div class=\"below\">{Text(below)}</div></div>\n");
    }

    private static void MetricsTable(StringBuilder html, Comparison metrics)
    {
        html.Append("<div class=\"scroll\"><table><thead><tr><th>split</th><th>target</th><th>predictor</th><th class=\"n\">n</th><th class=\"n\">MAE</th><th class=\"n\">RMSE</th><th class=\"n\">MSE</th><th class=\"n\">R²</th><th>unit</th></tr></thead>\n<tbody>\n");
        foreach (IGrouping<(string Split, string Target), ComparisonRow> group in metrics.Rows.GroupBy(r => (r.Split, r.Target)).OrderByDescending(g => Array.IndexOf([.. Parts.All], g.Key.Split)))
            foreach ((int i, ComparisonRow row) in group.Index())
            {
                MetricIntervals? intervals = row.Metrics.Intervals;
                html.Append($"<tr class=\"{(i == 0 ? "first" : "")}{(row.Predictor == Comparison.Model ? " model" : "")}\"><td>{(i == 0 ? Text(row.Split) : "")}</td><td>{(i == 0 ? Text(row.Target) : "")}</td><td>{Text(row.Predictor)}</td><td class=\"n\">{Count(row.Metrics.N)}</td>");
                html.Append(Cell(row.Metrics.Mae, intervals?.Mae)).Append(Cell(row.Metrics.Rmse, intervals?.Rmse)).Append(Cell(row.Metrics.Mse, intervals?.Mse)).Append(Cell(row.Metrics.R2, intervals?.R2, decimals: true));
                html.Append($"<td>{Text(row.Unit)}</td></tr>\n");
            }

        html.Append("</tbody></table></div>\n");

        static string Cell(double value, Interval? interval, bool decimals = false)
        {
            Func<double, string> written = decimals ? Decimals : Number;
            return $"<td class=\"n\">{written(value)}{(interval is null ? "" : $"<small>{written(interval.Low)} to {written(interval.High)}</small>")}</td>";
        }
    }

    private static void Epochs(StringBuilder html, TrainingState state, IReadOnlyList<string> targets)
    {
        html.Append("<div class=\"scroll\"><table><thead><tr><th class=\"n\">epoch</th><th class=\"n\">training loss</th><th class=\"n\">validation loss</th><th class=\"n\">learning rate</th>");
        foreach (string target in targets) html.Append($"<th class=\"n\">MAE {Text(target)}</th>");
        html.Append("<th class=\"n\">molecules/s</th><th class=\"n\">seconds</th></tr></thead><tbody>\n");
        foreach (EpochRecord record in state.History)
        {
            html.Append($"<tr{(record.Epoch == state.Best ? " class=\"model\"" : "")}><td class=\"n\">{record.Epoch}</td><td class=\"n\">{Number(record.TrainLoss)}</td><td class=\"n\">{Number(record.ValidLoss)}</td><td class=\"n\">{Number(record.LearningRate)}</td>");
            foreach (double mae in record.ValidMae) html.Append($"<td class=\"n\">{Number(mae)}</td>");
            html.Append($"<td class=\"n\">{Count((long)record.MoleculesPerSecond)}</td><td class=\"n\">{record.Seconds.ToString("F1", CultureInfo.InvariantCulture)}</td></tr>\n");
        }

        html.Append("</tbody></table></div>\n");
    }

    private static (string, string)[] DataPairs(ModelManifest manifest) =>
    [
        ("data", manifest.Data.Name), ("training molecules", Count(manifest.Data.Train)), ("validation molecules", Count(manifest.Data.Valid)), ("test molecules", Count(manifest.Data.Test)),
        .. manifest.Targets.Select(t => ($"{t.Name} in training", $"mean {Number(t.Mean)}, standard deviation {Number(t.Deviation)}{(t.Unit.Length > 0 ? " " + t.Unit : "")}")),
        ("split sha256", manifest.Data.SplitSha256), .. manifest.Data.Sha256 is { } sha256 ? [("data sha256", sha256)] : Array.Empty<(string, string)>(),
    ];

    private static (string, string)[] EnvironmentPairs(RunEnvironment e) =>
    [
        ("LlmFusion", e.Program), ("libtorch", e.Libtorch), ("RDKit", e.Rdkit), ("runtime", e.Dotnet), ("system", e.System), ("processor", $"{e.Processor} ({e.Vectors})"),
        ("threads", $"{e.Threads}"), ("device", e.Device), .. e.Variables.Select(v => (v.Key, v.Value)),
    ];

    private static void Pairs(StringBuilder html, string title, IEnumerable<(string Name, string Value)> pairs)
    {
        html.Append($"<div class=\"box\"><h3>{Text(title)}</h3><dl>\n");
        foreach ((string name, string value) in pairs) html.Append($"<dt>{Text(name)}</dt><dd>{Text(value)}</dd>\n");
        html.Append("</dl></div>\n");
    }

    private static string Text(string text) => HtmlPage.Text(text);

    private static string Number(double value) => double.IsFinite(value) ? value.ToString("G4", CultureInfo.InvariantCulture) : "undefined";

    private static string Decimals(double value) => double.IsFinite(value) ? (Math.Round(value, 3) + 0.0).ToString("F3", CultureInfo.InvariantCulture) : "undefined";

    private static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Short(long count) => count switch
    {
        >= 1_000_000 => (count / 1e6).ToString("F1", CultureInfo.InvariantCulture) + " M",
        >= 10_000 => (count / 1e3).ToString("F0", CultureInfo.InvariantCulture) + " k",
        _ => Count(count),
    };

    private static string Duration(double seconds) => seconds switch
    {
        < 100 => $"{seconds.ToString("F0", CultureInfo.InvariantCulture)} s",
        < 6000 => $"{(seconds / 60).ToString("F0", CultureInfo.InvariantCulture)} min",
        _ => $"{(int)(seconds / 3600)} h {(int)(seconds / 60) % 60} min",
    };
}
