using System.Globalization;
using System.Text;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;

namespace LlmFusion.Experiments;

/// <summary>The error of a row on the test split.</summary>
/// <param name="Mean">Mean over the seeds.</param>
/// <param name="Interval">Where it lies with 95 % confidence over the choice of test molecules and of seeds.</param>
/// <param name="Seeds">How many seeds.</param>
public sealed record StudyValue(double Mean, Interval Interval, int Seeds)
{
    /// <summary>
    /// <code>
    /// mean +- 1.96 sqrt(b^2 + s^2 / k)      b^2: mean over the seeds of the bootstrap's variance; s: deviation of the k seeds, 0 where k = 1
    /// </code>
    /// </summary>
    /// <param name="seeds">The metrics of each seed, with their bootstrap intervals.</param>
    /// <param name="metric">Which of them.</param>
    /// <returns>Null where there is none, or one has no interval.</returns>
    public static StudyValue? Of(IReadOnlyList<TargetMetrics> seeds, StudyMetric metric)
    {
        if (seeds.Count == 0 || seeds.Any(m => m.Intervals is null)) return null;
        double[] values = [.. seeds.Select(m => metric == StudyMetric.Mae ? m.Mae : m.Mse)];
        Interval[] intervals = [.. seeds.Select(m => metric == StudyMetric.Mae ? m.Intervals!.Mae : m.Intervals!.Mse)];
        double mean = values.Average(), ofRows = intervals.Average(i => Math.Pow((i.High - i.Low) / (2 * 1.96), 2));
        double ofSeeds = values.Length < 2 ? 0 : values.Sum(v => (v - mean) * (v - mean)) / (values.Length - 1);
        double half = 1.96 * Math.Sqrt(ofRows + ofSeeds / values.Length);
        return new StudyValue(mean, new Interval(mean - half, mean + half), values.Length);
    }
}

/// <summary>The tables of a study, in Markdown, with a figure of bars for each target.</summary>
public static class StudyReport
{
    /// <summary>Name of the report in a study's folder.</summary>
    public const string FileName = "README.md";

    /// <summary>Writes report and figures of what is done so far.</summary>
    /// <param name="run">The study's run.</param>
    /// <param name="output">Its folder.</param>
    /// <param name="seeds">How many seeds are looked for.</param>
    public static void Write(StudyRun run, string output, int seeds)
    {
        Study study = run.Study;
        ILookup<(StudyRow, StudyPanel), CellResult> results = study.Cells(seeds).Select(cell => (Cell: cell, Result: run.ResultOf(cell))).Where(r => r.Result is not null)
            .ToLookup(r => (r.Cell.Row, r.Cell.Panel), r => r.Result!);
        CellResult[] all = [.. results.SelectMany(r => r)];
        StringBuilder text = new();
        text.Append($"# {study.Title}\n\n{study.Question.Trim()}\n\n");
        if (all.Length == 0)
        {
            text.Append("No cell has been run yet.\n");
            AtomicFile.Write(Path.Combine(output, FileName), text.ToString());
            return;
        }

        Table(text, study, results, Test);
        if (all.Any(r => r.WithoutStereoTwins is not null))
        {
            text.Append("On the test molecules that do not stand in training if stereochemistry is ignored:\n\n");
            Table(text, study, results, (r, target) => r.WithoutStereoTwins?.Targets.GetValueOrDefault(target), except: panel => results.Where(r => r.Key.Item2 == panel).SelectMany(r => r).All(r => r.WithoutStereoTwins is null));
        }

        foreach (StudyPanel panel in study.Panels)
            foreach (string target in panel.Targets)
                if (Figure(study, panel, target, results, output) is { } figure) text.Append($"![{target} of {panel.Title}]({figure}.png)\n");
        Footer(text, study, run, all, seeds);
        AtomicFile.Write(Path.Combine(output, FileName), text.ToString());
    }

    private static TargetMetrics? Test(CellResult result, string target) => result.Metrics.Find(Parts.Test, target, result.Predictor);

    private static void Table(StringBuilder text, Study study, ILookup<(StudyRow, StudyPanel), CellResult> results, Func<CellResult, string, TargetMetrics?> metrics, Func<StudyPanel, bool>? except = null)
    {
        (StudyPanel Panel, string Target)[] columns = [.. from panel in study.Panels where except?.Invoke(panel) != true from target in panel.Targets select (panel, target)];
        bool titled = columns.Select(c => c.Panel).Distinct().Count() > 1;
        string[] paper = except is not null ? [] : [.. columns.Select(c => c.Target).Distinct().Where(t => study.Rows.Any(r => r.Paper.ContainsKey(t)))];
        text.Append($"| |{string.Concat(columns.Select(c => $" {(titled ? $"{c.Panel.Title}: " : "")}{c.Target}, {Name(c.Panel.Metric)}{Unit(results, c.Panel, c.Target)} |"))}{string.Concat(paper.Select(t => $" paper: {t} |"))} parameters | minutes |\n");
        text.Append($"|---|{string.Concat(columns.Select(_ => "---:|"))}{string.Concat(paper.Select(_ => "---:|"))}---:|---:|\n");
        Dictionary<(StudyRow, StudyPanel, string), StudyValue> values = [];
        foreach (StudyRow row in study.Rows)
            foreach ((StudyPanel panel, string target) in columns)
                if (StudyValue.Of([.. results[(row, panel)].Select(r => metrics(r, target)).OfType<TargetMetrics>()], panel.Metric) is { } value) values[(row, panel, target)] = value;
        foreach (IGrouping<string, StudyRow> group in study.Rows.GroupBy(r => r.Group))
        {
            if (group.Key.Length > 0) text.Append($"| *{group.Key}* |{string.Concat(columns.Select(_ => " |"))}{string.Concat(paper.Select(_ => " |"))} | |\n");
            foreach (StudyRow row in group)
            {
                CellResult[] own = [.. study.Panels.SelectMany(p => results[(row, p)])];
                if (own.Length == 0) continue;
                text.Append($"| {row.Title} |");
                foreach ((StudyPanel panel, string target) in columns)
                    text.Append(values.TryGetValue((row, panel, target), out StudyValue? value) ? $" {Written(value, IsClearlyBest(row, panel, target))} |" : " |");
                foreach (string target in paper) text.Append(row.Paper.TryGetValue(target, out double given) ? $" {Given(row, target, given)} |" : " |");
                text.Append(CultureInfo.InvariantCulture, $" {own.Average(r => r.Parameters) / 1e6:F1} M | {own.Average(r => r.Seconds) / 60:F0} |\n");
            }
        }

        text.Append($"| training mean |{string.Concat(columns.Select(c => $" {Constant(c.Panel, c.Target)} |"))}{string.Concat(paper.Select(_ => " |"))} | |\n\n");

        // The difference is of the first panel that has the target.
        string Given(StudyRow row, string target, double given) => columns.Where(c => c.Target == target).Select(c => values.GetValueOrDefault((row, c.Panel, target))).FirstOrDefault(v => v is not null) is { } own
            ? string.Create(CultureInfo.InvariantCulture, $"{Number(given)} <small>{(own.Mean - given) / given:+0 %;-0 %}</small>") : Number(given);

        bool IsClearlyBest(StudyRow row, StudyPanel panel, string target) =>
            values.Where(v => v.Key.Item2 == panel && v.Key.Item3 == target && v.Key.Item1 != row).All(v => v.Value.Interval.Low > values[(row, panel, target)].Interval.High);

        string Constant(StudyPanel panel, string target) =>
            results.Where(r => r.Key.Item2 == panel).SelectMany(r => r).Select(r => r.Metrics.Find(Parts.Test, target, Comparison.Constant)).FirstOrDefault(m => m is not null) is { } m ? Number(panel.Metric == StudyMetric.Mae ? m.Mae : m.Mse) : "";
    }

    private static string? Figure(Study study, StudyPanel panel, string target, ILookup<(StudyRow, StudyPanel), CellResult> results, string output)
    {
        List<Bar> bars = [];
        foreach (StudyRow row in study.Rows)
            if (StudyValue.Of([.. results[(row, panel)].Select(r => Test(r, target)).OfType<TargetMetrics>()], panel.Metric) is { } value) bars.Add(new Bar(row.Title, row.Group, value.Mean, value.Interval));
        if (bars.Count < 2) return null;
        string file = $"{panel.Name}-{target}";
        Plots.Bars(bars, $"{panel.Title}: {target}", $"Test {Name(panel.Metric)}{Unit(results, panel, target)}", Path.Combine(output, file));
        return file;
    }

    private static void Footer(StringBuilder text, Study study, StudyRun run, CellResult[] all, int seeds)
    {
        StudyCell[] missing = [.. study.Cells(seeds).Where(c => run.ResultOf(c) is null)];
        text.Append(CultureInfo.InvariantCulture, $"\nMeans over seeds ({string.Join(", ", all.Select(r => r.Seed).Distinct().Order())}) on the test split, which chose nothing: settings and epochs were chosen on validation. Small: 95 % intervals, mean ± 1.96 sqrt(b² + s²/k) with the bootstrap's b over test molecules and the deviation s of the k seeds. Bold where a row's interval lies below those of all others.\n\n");
        text.Append(CultureInfo.InvariantCulture, $"{all.Length} runs, {all.Sum(r => r.Seconds) / 3600:F1} hours in all, on {string.Join("; ", all.Select(r => r.Environment is { } e ? $"{e.Processor} ({e.Vectors}), {e.Threads} threads" : "an unknown machine").Distinct())}, LlmFusion {string.Join(", ", all.Select(r => r.Environment?.Program).OfType<string>().Distinct())}.");
        text.Append(CultureInfo.InvariantCulture, $" Each run's settings, hashes, curve and metrics are in `cells/`. Again: `./llmfusion reproduce {study.Name} --seeds {seeds} -o FOLDER`.\n");
        if (missing.Length > 0) text.Append(CultureInfo.InvariantCulture, $"\nNot run yet: {missing.Length} of {study.Cells(seeds).Count} cells ({string.Join(", ", missing.Select(c => c.Name).Take(12))}{(missing.Length > 12 ? ", .." : "")}).\n");
    }

    private static string Written(StudyValue value, bool bold) =>
        $"{(bold ? "**" : "")}{Number(value.Mean)}{(bold ? "**" : "")} <small>{Number(value.Interval.Low)} to {Number(value.Interval.High)}</small>";

    private static string Unit(ILookup<(StudyRow, StudyPanel), CellResult> results, StudyPanel panel, string target)
    {
        string unit = results.Where(r => r.Key.Item2 == panel).SelectMany(r => r).SelectMany(r => r.Metrics.Rows).FirstOrDefault(r => r.Target == target)?.Unit ?? "";
        return unit.Length == 0 ? "" : panel.Metric == StudyMetric.Mse ? $" ({unit}²)" : $" ({unit})";
    }

    private static string Name(StudyMetric metric) => metric == StudyMetric.Mae ? "MAE" : "MSE";

    private static string Number(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}
