using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Training;

namespace LlmFusion.Prediction;

/// <summary>
/// The report.html of a model folder: figures, metrics with their intervals, data, network, settings, environment. One file
/// without links to anything, readable by print and on a phone.
/// </summary>
public static partial class RunReport
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
        html.Append($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{Text(targets)} - LLM-Fusion training report</title>
            <style>{Style}</style>
            </head>
            <body>
            <header>
            <p class="kind">LLM-Fusion training report</p>
            <h1>{Text(targets)}</h1>
            <p>from {Text(string.Join(", ", manifest.Modalities.Select(m => m.Name)))}, learned from {Text(manifest.Data.Name)}</p>
            </header>
            <main>

            """);
        Cards(html, manifest, state, reason);
        html.Append("<section><h2>Metrics</h2>\n");
        html.Append($"<p>Each target in its own unit. Epoch and settings were chosen on the validation split; <i>{Comparison.Constant}</i> predicts the training mean. Small: 95 % bootstrap intervals over the choice of rows ({Bootstrap.Resamples.ToString("N0", CultureInfo.InvariantCulture)} resamples).</p>\n");
        MetricsTable(html, manifest.Metrics);
        html.Append("</section>\n<section><h2>Figures</h2>\n<div class=\"figures\">\n");
        foreach ((int i, string plot) in plots.Index()) html.Append($"<figure{(i == 0 ? " class=\"wide\"" : "")}>{Inline(File.ReadAllText(plot), $"f{i}-")}</figure>\n");
        html.Append("</div></section>\n<section><h2>Run</h2>\n<div class=\"columns\">\n");
        Pairs(html, "Data", DataPairs(manifest));
        Pairs(html, "Network", [.. manifest.Modalities.Select(m => (m.Name, ModelCard.Describe(m))), .. parameters.Select(p => ($"parameters of {p.Part}", p.Frozen == 0 ? Count(p.Trained) : $"{Count(p.Trained)} trained, {Count(p.Frozen)} frozen")), ("trained parameters", Count(manifest.Training.Parameters))]);
        if (manifest.Environment is { } environment) Pairs(html, "Computed with", EnvironmentPairs(environment));
        html.Append("</div></section>\n<section><h2>Epochs</h2>\n<details><summary>Losses of each epoch</summary>\n");
        Epochs(html, state, config.Targets);
        html.Append("</details></section>\n<section><h2>Configuration</h2>\n<details open><summary>config.yaml</summary>\n");
        html.Append($"<pre>{Text(config.ToYaml())}</pre></details></section>\n</main>\n<footer>Written by LlmFusion {Text(manifest.ProgramVersion)}. Weights sha256 {Text(manifest.WeightsSha256)}.</footer>\n</body>\n</html>\n");
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

    /// <summary>An SVG file as part of a page: without its prolog, at the width there is, and with ids that no other figure has.</summary>
    private static string Inline(string svg, string prefix)
    {
        svg = svg[svg.IndexOf("<svg", StringComparison.Ordinal)..];
        svg = Namespaces().Replace(svg, "", 2); // a page knows what an svg is
        svg = Ids().Replace(svg, m => $"{m.Groups["before"].Value}{prefix}");
        return Size().Replace(svg, m => $"<svg viewBox=\"0 0 {m.Groups["w"].Value} {m.Groups["h"].Value}\" style=\"max-width:{m.Groups["w"].Value}px\"", 1);
    }

    [GeneratedRegex("(?<before>\\bid=\"|url\\(#|xlink:href=\"#|\\bhref=\"#)")]
    private static partial Regex Ids();

    [GeneratedRegex(" xmlns(:xlink)?=\"[^\"]*\"")]
    private static partial Regex Namespaces();

    [GeneratedRegex("<svg(?=[^>]*?\\bwidth=\"(?<w>[0-9.]+)\")(?=[^>]*?\\bheight=\"(?<h>[0-9.]+)\")")]
    private static partial Regex Size();

    private static string Text(string text) => WebUtility.HtmlEncode(text);

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

    private const string Style = """

        :root { --ink: #1f2933; --faint: #66717e; --line: #e3e7ec; --blue: #2b6cb0; --back: #f5f7f9; }
        * { box-sizing: border-box; }
        body { margin: 0; font: 15px/1.5 system-ui, "DejaVu Sans", "Liberation Sans", Arial, sans-serif; color: var(--ink); background: var(--back); }
        header { background: linear-gradient(120deg, #1a365d, #2b6cb0); color: #fff; padding: 30px max(24px, calc(50vw - 560px)); }
        header h1 { margin: 2px 0; font-size: 30px; overflow-wrap: anywhere; } header p { margin: 0; opacity: .85; overflow-wrap: anywhere; }
        .kind { text-transform: uppercase; letter-spacing: .08em; font-size: 12px; }
        main { max-width: 1168px; margin: 0 auto; padding: 12px 24px; }
        section { margin: 26px 0; } h2 { font-size: 20px; margin: 0 0 10px; } h3 { font-size: 15px; margin: 0 0 8px; }
        section > p { color: var(--faint); margin: 0 0 10px; max-width: 80ch; }
        .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; }
        .card, .box, figure, .scroll, pre { background: #fff; border: 1px solid var(--line); border-radius: 8px; }
        .card { padding: 12px 16px; min-width: 0; overflow-wrap: anywhere; } .card .title, .card .below { color: var(--faint); font-size: 13px; } .card .value { font-size: 24px; font-weight: 600; }
        .figures { display: flex; flex-wrap: wrap; gap: 14px; } figure { margin: 0; padding: 10px; flex: 1 1 400px; text-align: center; min-width: 0; }
        figure.wide { flex-basis: 100%; } figure svg { width: 100%; height: auto; }
        .scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; } th, td { padding: 6px 12px; text-align: left; vertical-align: top; }
        th { font-size: 13px; color: var(--faint); font-weight: 600; border-bottom: 1px solid var(--line); } tr.first td { border-top: 1px solid var(--line); }
        .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td small { display: block; color: var(--faint); font-size: 11.5px; }
        tr.model td { background: #ebf4fc; } tr.model td.n { font-weight: 600; } tr.model td small { font-weight: 400; }
        .columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 12px; align-items: start; } .box { padding: 14px 16px; min-width: 0; }
        dl { display: grid; grid-template-columns: minmax(90px, auto) 1fr; gap: 3px 14px; margin: 0; font-size: 14px; } dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
        pre { margin: 0; padding: 12px 16px; overflow-x: auto; columns: 340px 3; font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; } summary { cursor: pointer; color: var(--blue); margin-bottom: 8px; }
        footer { max-width: 1168px; margin: 0 auto; padding: 8px 24px 30px; color: var(--faint); font-size: 13px; overflow-wrap: anywhere; }
        @media print { body { background: #fff; } header { color: #000; background: none; } section, figure, .card { break-inside: avoid; } }

        """;
}
