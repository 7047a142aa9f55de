using System.Globalization;
using System.Text;
using LlmFusion.Baselines;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;

namespace LlmFusion.Experiments;

/// <summary>What is done of a study: tables in Markdown (<c>README.md</c>) and in HTML (<c>report.html</c>), with a figure of bars for each target and the learning curves.</summary>
public static class StudyReport
{
    /// <summary>Name of the report in a study's folder.</summary>
    public const string FileName = "README.md";

    /// <summary>Paragraphs written by hand in a study's folder, what its numbers say and why: they stand in both reports, behind the tables.</summary>
    public const string FindingsFile = "findings.md";

    /// <summary>Name of the one in HTML.</summary>
    public const string HtmlFileName = "report.html";

    /// <summary>Writes reports and figures of what is done so far.</summary>
    /// <param name="run">The study's run.</param>
    /// <param name="output">Its folder.</param>
    /// <param name="seeds">How many seeds are asked for; results of more that lie there stand in the report all the same.</param>
    public static void Write(StudyRun run, string output, int seeds)
    {
        Study study = run.Study;
        int asked = seeds;
        while (study.Cells(seeds + 1).Any(cell => cell.Seed == seeds && cell.Row.Seeds <= seeds && run.ResultOf(cell) is not null)) seeds++;
        (StudyCell Cell, CellResult? Result)[] all = [.. study.Cells(seeds).Select(cell => (cell, run.ResultOf(cell)))];
        StudyCell[] cells = [.. all.Where(r => r.Cell.Seed < Math.Max(asked, r.Cell.Row.Seeds) || r.Result is not null).Select(r => r.Cell)];
        (StudyCell Cell, CellResult Result)[] done = [.. all.Where(r => r.Result is not null).Select(r => (r.Cell, r.Result!))];
        ILookup<(StudyRow, StudyPanel), CellResult> results = done.ToLookup(r => (r.Cell.Row, r.Cell.Panel), r => r.Result);
        StudyTable table = StudyTable.Of(study, results);
        StudyTable? alone = StudyTable.WithoutStereoTwins(study, results);
        IReadOnlyList<StudyVerdict> verdicts = StudyVerdict.Of(study, results);
        string[] figures = done.Length == 0 ? [] : [.. Figures(study, table, done, output)];
        string[] notes = [.. Notes(study, cells, [.. done.Select(d => d.Result)], seeds)];
        string findings = Path.Combine(output, FindingsFile) is { } file && File.Exists(file) ? File.ReadAllText(file).Trim() : "";
        AtomicFile.Write(Path.Combine(output, FileName), Markdown(study, table, alone, verdicts, findings, figures, notes));
        AtomicFile.Write(Path.Combine(output, HtmlFileName), Html(study, table, alone, verdicts, findings, figures, notes, output));
    }

    private const string VerdictsTitle = "What is claimed, and whether it holds";

    private static string VerdictsNote(bool severalSeeds) => "The first row's error on the test split less the second's, molecule by molecule where both were measured on the same, with 95 % intervals over molecules"
        + (severalSeeds ? " and seeds; a row with one seed has the spread of those of its kind with several, where there are any." : "; there is one seed, and a small difference may be its alone.") + " It holds where the interval lies below zero.";

    private static string[] VerdictHeadings(IReadOnlyList<StudyVerdict> verdicts) => ["target", "difference", "95 % interval", "holds", .. verdicts.Any(v => v.WithoutStereoTwins is not null) ? ["without stereo twins"] : Array.Empty<string>()];

    private static string[] Fields(Study study, IReadOnlyList<StudyVerdict> verdicts, StudyVerdict v) => [$"{v.Row.Title} against {(v.Than.Group == v.Row.Group ? "" : $"{v.Than.Group}: ")}{v.Than.Title}", $"{(study.Panels.Count > 1 ? $"{v.Panel.Title}: " : "")}{v.Target}",
        $"{Number(v.Difference)} ({Percent(v.OfOther, 1)})", $"{Number(v.Interval.Low)} to {Number(v.Interval.High)}", v.Holds,
        .. verdicts.Any(o => o.WithoutStereoTwins is not null) ? [v.WithoutStereoTwins?.Holds ?? ""] : Array.Empty<string>()];

    private const string FindingsTitle = "What it says";

    private const string DeparturesTitle = "Departures from the paper";

    private const string AloneTitle = "On the test molecules that do not stand in the data set's training split if stereochemistry is ignored";

    private static string Markdown(Study study, StudyTable table, StudyTable? alone, IReadOnlyList<StudyVerdict> verdicts, string findings, string[] figures, string[] notes)
    {
        StringBuilder text = new();
        text.Append($"# {study.Title}\n\n{study.Question.Trim()}\n\n");
        if (table.Lines.Count == 0) return text.Append("No cell has been run yet.\n").ToString();
        Table(table);
        if (alone is not null)
        {
            text.Append($"{AloneTitle}:\n\n");
            Table(alone);
        }

        if (verdicts.Count > 0)
        {
            text.Append($"## {VerdictsTitle}\n\n{VerdictsNote(table.HasSeveralSeeds)}\n\n| |").AppendJoin("", VerdictHeadings(verdicts).Select(h => $" {h} |")).Append("\n|---|---|---:|---:|---|").Append(VerdictHeadings(verdicts).Length > 4 ? "---|\n" : "\n");
            foreach (IGrouping<string, StudyVerdict> claim in verdicts.GroupBy(v => v.Claim.Says))
            {
                text.Append($"| *{claim.Key}* |").AppendJoin("", VerdictHeadings(verdicts).Select(_ => " |")).Append('\n');
                foreach (StudyVerdict verdict in claim) text.Append("| ").AppendJoin(" | ", Fields(study, verdicts, verdict)).Append(" |\n");
            }

            text.Append('\n');
        }

        if (findings.Length > 0) text.Append($"## {FindingsTitle}\n\n{findings}\n\n");
        foreach (string figure in figures) text.Append($"![{figure}]({figure}.png)\n");
        text.Append('\n').AppendJoin("\n\n", notes).Append('\n');
        if (study.Departures.Count > 0) text.Append($"\n## {DeparturesTitle}\n\n").AppendJoin("", study.Departures.Select(d => $"- {d}\n"));
        return text.ToString();

        void Table(StudyTable of)
        {
            text.Append("| |").AppendJoin("", Headings(of).Select(h => $" {h} |")).Append("\n|---|").AppendJoin("", Headings(of).Select(_ => "---:|")).Append('\n');
            foreach (IGrouping<string, StudyLine> group in of.Lines.GroupBy(l => l.Row.Group))
            {
                if (group.Key.Length > 0) text.Append($"| *{group.Key}* |").AppendJoin("", Headings(of).Select(_ => " |")).Append('\n');
                foreach (StudyLine line in group)
                    text.Append($"| {line.Row.Title} |").AppendJoin("", Fields(of, line).Select(f => $" {(f.Bold ? $"**{f.Text}**" : f.Text)}{(f.Small.Length > 0 ? $" <small>{f.Small}</small>" : "")} |")).Append('\n');
            }

            if (of.Columns.All(c => c.Constant is null))
            {
                text.Append('\n');
                return;
            }

            text.Append("| training mean |").AppendJoin("", of.Columns.Select(c => $" {(c.Constant is { } value ? Number(value) : "")} |")).AppendJoin("", Headings(of).Skip(of.Columns.Count).Select(_ => " |")).Append("\n\n");
        }
    }

    private static string Html(Study study, StudyTable table, StudyTable? alone, IReadOnlyList<StudyVerdict> verdicts, string findings, string[] figures, string[] notes, string output)
    {
        StringBuilder html = new();
        HtmlPage.Begin(html, "LLM-Fusion study", study.Title, $"{table.Lines.Count} of {study.Rows.Count} rows");
        html.Append($"<section><p>{Plain(study.Question.Trim())}</p></section>\n");
        if (table.Lines.Count > 0) Table(table, "Errors on the test split");
        if (alone is not null) Table(alone, AloneTitle);
        if (verdicts.Count > 0)
        {
            html.Append($"<section><h2>{VerdictsTitle}</h2>\n<p>{HtmlPage.Text(VerdictsNote(table.HasSeveralSeeds))}</p>\n<div class=\"scroll\"><table><thead><tr><th></th>").AppendJoin("", VerdictHeadings(verdicts).Select((h, i) => $"<th{Class(i + 1)}>{h}</th>")).Append("</tr></thead>\n<tbody>\n");
            foreach (IGrouping<string, StudyVerdict> claim in verdicts.GroupBy(v => v.Claim.Says))
            {
                html.Append($"<tr class=\"first\"><td colspan=\"{VerdictHeadings(verdicts).Length + 1}\"><i>{HtmlPage.Text(claim.Key)}</i></td></tr>\n");
                foreach (StudyVerdict verdict in claim) html.Append("<tr>").AppendJoin("", Fields(study, verdicts, verdict).Select((f, i) => $"<td{Class(i)}>{HtmlPage.Text(f)}</td>")).Append("</tr>\n");
            }

            html.Append("</tbody></table></div></section>\n");
        }

        if (findings.Length > 0) html.Append($"<section><h2>{FindingsTitle}</h2>\n").AppendJoin("", findings.Split("\n\n").Select(p => $"<p>{Plain(p)}</p>\n")).Append("</section>\n");
        html.Append("<section><h2>Figures</h2>\n<div class=\"figures\">\n");
        foreach ((int i, string figure) in figures.Index()) html.Append($"<figure class=\"wide\">{HtmlPage.Inline(File.ReadAllText(Path.Combine(output, figure + ".svg")), $"f{i}-")}</figure>\n");
        html.Append("</div></section>\n<section><h2>How it was measured</h2>\n");
        foreach (string note in notes) html.Append($"<p>{Plain(note)}</p>\n");
        if (study.Departures.Count > 0) html.Append($"<h2>{DeparturesTitle}</h2>\n<ul>").AppendJoin("", study.Departures.Select(d => $"<li>{Plain(d)}</li>")).Append("</ul>\n");
        html.Append("</section>\n");
        HtmlPage.End(html, "Written by LlmFusion from the results in cells/.");
        return html.ToString();

        // The target on one line, differences and intervals as numbers.
        static string Class(int column) => column switch { 1 => " class=\"line\"", 2 or 3 => " class=\"n\"", _ => "" };

        void Table(StudyTable of, string title)
        {
            html.Append($"<section><h2>{HtmlPage.Text(title)}</h2>\n<div class=\"scroll\"><table><thead><tr><th></th>").AppendJoin("", Headings(of).Select(h => $"<th class=\"n\">{HtmlPage.Text(h)}</th>")).Append("</tr></thead>\n<tbody>\n");
            foreach (IGrouping<string, StudyLine> group in of.Lines.GroupBy(l => l.Row.Group))
            {
                if (group.Key.Length > 0) html.Append($"<tr class=\"first\"><td colspan=\"{Headings(of).Count() + 1}\"><i>{HtmlPage.Text(group.Key)}</i></td></tr>\n");
                foreach (StudyLine line in group)
                    html.Append($"<tr><td>{HtmlPage.Text(line.Row.Title)}</td>").AppendJoin("", Fields(of, line).Select(f => $"<td class=\"n\">{(f.Bold ? $"<b>{f.Text}</b>" : f.Text)}{(f.Small.Length > 0 ? $"<small>{f.Small}</small>" : "")}</td>")).Append("</tr>\n");
            }

            if (of.Columns.Any(c => c.Constant is not null))
                html.Append("<tr class=\"first\"><td>training mean</td>").AppendJoin("", of.Columns.Select(c => $"<td class=\"n\">{(c.Constant is { } value ? Number(value) : "")}</td>")).AppendJoin("", Headings(of).Skip(of.Columns.Count).Select(_ => "<td></td>")).Append("</tr>\n");
            html.Append("</tbody></table></div></section>\n");
        }
    }

    /// <summary>Markdown's words alone.</summary>
    private static string Plain(string markdown) => HtmlPage.Text(markdown).Replace("`", "", StringComparison.Ordinal).Replace("*", "", StringComparison.Ordinal);

    private static IEnumerable<string> Headings(StudyTable table)
    {
        bool titled = table.Columns.Select(c => c.Panel).Distinct().Count() > 1;
        return [.. table.Columns.Select(c => $"{(titled ? $"{c.Panel.Title}: " : "")}{c.Target}, {c.Metric}{(c.Unit.Length > 0 ? $" ({c.Unit})" : "")}"), .. table.PaperTargets.Select(t => $"paper: {t}"), "parameters", "minutes"];
    }

    private static IEnumerable<(string Text, string Small, bool Bold)> Fields(StudyTable table, StudyLine line) =>
    [
        .. line.Entries.Select(e => e is null ? ("", "", false) : (Number(e.Value.Mean), $"{Number(e.Value.Interval.Low)} to {Number(e.Value.Interval.High)}", e.IsBest)),
        .. table.PaperTargets.Select((_, t) => line.Paper[t] is { } paper ? (Number(paper.Value), paper.Above is { } above ? "ours " + Percent(above, 0) + (paper.OnOtherData is { } other ? $", {other.Title}" : "") : "", false) : ("", "", false)),
        (line.Parameters == 0 ? "" : line.Parameters < 50_000 ? (line.Parameters / 1e3).ToString("F1", CultureInfo.InvariantCulture) + " k" : (line.Parameters / 1e6).ToString("F1", CultureInfo.InvariantCulture) + " M", "", false),
        ((line.Seconds / 60).ToString(line.Seconds < 600 ? "F1" : "F0", CultureInfo.InvariantCulture), "", false),
    ];

    /// <summary>Bars of each column with at least two rows, and the learning curves of each panel's networks; names of files without extension.</summary>
    private static IEnumerable<string> Figures(Study study, StudyTable table, (StudyCell Cell, CellResult Result)[] done, string output)
    {
        foreach ((int c, StudyColumn column) in table.Columns.Index())
        {
            Bar[] bars = [.. table.Lines.Where(line => line.Entries[c] is not null).Select(line => new Bar(line.Row.Title, line.Row.Group, line.Entries[c]!.Value.Mean, line.Entries[c]!.Value.Interval))];
            if (bars.Length < 2) continue;
            string name = $"{column.Panel.Name}-{column.Target}";
            Plots.Bars(bars, $"{column.Panel.Title}: {column.Target}", $"test {column.Metric}{(column.Unit.Length > 0 ? $" ({column.Unit})" : "")}", Path.Combine(output, name));
            yield return name;
        }

        foreach (StudyPanel panel in study.Panels)
        {
            List<Curve>[] parts = [.. Together(done.Where(d => d.Cell.Panel == panel && d.Cell.Seed == 0 && d.Result.Curve.Count > 1))];
            foreach ((int i, List<Curve> curves) in parts.Index())
            {
                string name = $"{panel.Name}-curves{(i == 0 ? "" : $"-{i + 1}")}";
                Plots.Curves(curves, $"{panel.Title}: loss in validation, dashed in training{(parts.Length > 1 ? $" ({i + 1} of {parts.Length})" : "")}", Path.Combine(output, name));
                yield return name;
            }
        }
    }

    /// <summary>As many curves in a figure as can be told apart, those of a group together.</summary>
    private static IEnumerable<List<Curve>> Together(IEnumerable<(StudyCell Cell, CellResult Result)> done)
    {
        const int most = 14;
        List<Curve> figure = [];
        foreach (IGrouping<string, (StudyCell Cell, CellResult Result)> group in done.GroupBy(d => d.Cell.Row.Group))
        {
            int parts = (group.Count() + most - 1) / most;
            foreach ((StudyCell Cell, CellResult Result)[] part in group.Chunk((group.Count() + parts - 1) / parts))
            {
                if (figure.Count + part.Length > most)
                {
                    yield return figure;
                    figure = [];
                }

                figure.AddRange(part.Select(d => new Curve(d.Cell.Row.Title, [.. d.Result.Curve.Select(p => p.TrainLoss)], [.. d.Result.Curve.Select(p => p.ValidLoss)])));
            }
        }

        if (figure.Count > 0) yield return figure;
    }

    private static IEnumerable<string> Notes(Study study, StudyCell[] cells, CellResult[] results, int seeds)
    {
        int[] drawn = [.. results.Select(r => r.Seed).Distinct().Order()];
        string means = drawn.Length == 1 ? $"One seed ({drawn[0]})" : $"Means over the seeds {string.Join(", ", drawn)}";
        string intervals = drawn.Length == 1 ? "by bootstrap over the test molecules alone; another seed may differ by more" : "mean ± t sqrt(b² + s²/k) with the bootstrap's b over test molecules, the deviation s of the k seeds (a row with one seed has the spread of those of its kind with several, where there are any) and Student's t, as wide as so few seeds ask for";
        yield return $"{means} on the test split, which chose nothing: settings and epochs were chosen on validation. Small: 95 % intervals, {intervals}. Bold: a row whose interval lies below those of all others. Minutes: of a network its training, of the rest all, reading of molecules and embedding too.";
        yield return string.Create(CultureInfo.InvariantCulture, $"{results.Length} runs, {results.Sum(r => r.Seconds) / 3600:F1} hours in all, on {string.Join("; ", results.Select(r => r.Environment is { } e ? $"{e.Processor} ({e.Vectors}), {e.Threads} thread{(e.Threads == 1 ? "" : "s")}" : "an unknown machine").Distinct())}, LlmFusion {string.Join(", ", results.Select(r => r.Environment?.Program).OfType<string>().Distinct())}. Settings, hashes, curve and metrics of each are in `cells/`. Again: `./llmfusion reproduce {study.Arguments} --seeds {seeds} -o FOLDER`.");
        foreach (StudyPanel panel in study.Panels)
        {
            // A row that cannot read a molecule, as SELFIES alone cannot all of ChEBI-20, is measured on fewer.
            ILookup<long, string> rows = (from cell in cells
                                          where cell.Panel == panel
                                          let result = results.FirstOrDefault(r => r.Cell == cell.Name)
                                          where result is not null
                                          let n = panel.Targets.Select(t => result.Metrics.Find(Parts.Test, t, result.Predictor)?.N ?? 0).Max()
                                          select (n, cell.Row.Title)).ToLookup(r => (long)r.n, r => r.Title);
            long most = rows.Max(r => (long?)r.Key) ?? 0;
            foreach (IGrouping<long, string> fewer in rows.Where(r => r.Key < most)) yield return string.Create(CultureInfo.InvariantCulture, $"{panel.Title}: {string.Join(", ", fewer.Distinct())} on {fewer.Key:N0} of {most:N0} test molecules: the others lack what it reads.");
        }

        string[] unmeasured = [.. from cell in cells
                                  let result = results.FirstOrDefault(r => r.Cell == cell.Name)
                                  where result is not null && result.Metrics.Rows.Any(r => r.Split == Parts.Test && r.Predictor == result.Predictor && r.Metrics is { N: > 0, Intervals: null })
                                  select cell.Name];
        if (unmeasured.Length > 0) yield return $"Not in the table: {string.Join(", ", unmeasured)}, which predicted no finite number for some test molecule.";
        if (CappedTrees(cells, results) is { Length: > 0 } capped)
        {
            string fits = string.Join(" and ", capped.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Capped} of {c.Fits} final fits with at most {c.Most:N0} trees")));
            yield return $"XGBoost: {fits} reached them before early stopping ended growing; with more they may do better, and take longer.";
        }
        HashSet<string> done = [.. results.Select(r => r.Cell)];
        string[] missing = [.. cells.Select(c => c.Name).Where(name => !done.Contains(name))];
        if (missing.Length > 0) yield return $"Not run yet: {missing.Length} of {cells.Length} cells ({string.Join(", ", missing.Take(12))}{(missing.Length > 12 ? ", .." : "")}).";
    }

    /// <summary>Of the fits on more rows than the search saw, whose number of trees early stopping was to decide, those that it did not stop; by the bound on the trees, where there are such.</summary>
    private static (int Capped, int Fits, int Most)[] CappedTrees(StudyCell[] cells, CellResult[] results) =>
    [
        .. from cell in cells
           let config = (cell.Task as CellTask.Boosted)?.Config
           where config is not null
           from result in results
           where result.Cell == cell.Name && config.SearchRows < result.Data.Train
           from trees in result.Trees
           group trees.Used > config.FinalEstimators - config.EarlyStopping by config.FinalEstimators into fits
           let capped = fits.Count(reached => reached)
           where capped > 0
           orderby fits.Key
           select (capped, fits.Count(), fits.Key),
    ];

    /// <summary>A share in percent, with its sign; what rounds to 0 has +.</summary>
    private static string Percent(double share, int digits)
    {
        double percent = Math.Round(100 * share, digits);
        return (percent < 0 ? "-" : "+") + Math.Abs(percent).ToString($"F{digits}", CultureInfo.InvariantCulture) + " %";
    }

    private static string Number(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}
