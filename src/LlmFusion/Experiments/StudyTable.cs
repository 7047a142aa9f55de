using LlmFusion.DataSets;
using LlmFusion.Evaluation;

namespace LlmFusion.Experiments;

/// <summary>The error of a row on the test split.</summary>
/// <param name="Mean">Mean over the seeds.</param>
/// <param name="Interval">Where it lies with 95 % confidence over the choice of test molecules and of seeds.</param>
/// <param name="Seeds">How many seeds.</param>
public sealed record StudyValue(double Mean, Interval Interval, int Seeds)
{
    /// <summary>On how many molecules it was measured.</summary>
    internal long Molecules { get; private init; }

    /// <summary>b²: how much of the mean's variance is due to the molecules, by bootstrap.</summary>
    internal double VarianceOfMolecules { get; private init; }

    /// <summary>How much is due to the seeds.</summary>
    public SeedVariance OfSeeds { get; private init; }

    /// <summary>Whether its own seeds tell <see cref="OfSeeds"/>, or those of other rows.</summary>
    internal bool IsSpreadLent => Seeds == 1 && OfSeeds.Variance > 0;

    /// <summary>
    /// <code>
    /// mean +- t sqrt(b^2 + s^2 / k)      b^2: mean over the seeds of the bootstrap's variance; s: deviation of the k seeds; t: SeedVariance.HalfWidth
    /// </code>
    /// </summary>
    /// <param name="seeds">The metrics of each seed, with their bootstrap intervals.</param>
    /// <param name="metric">Which of them.</param>
    /// <param name="relative">(s / mean)² where there is one seed alone.</param>
    /// <returns>Null where there is none, or one has no interval.</returns>
    public static StudyValue? Of(IReadOnlyList<TargetMetrics> seeds, StudyMetric metric, SeedVariance relative = default)
    {
        if (seeds.Count == 0 || seeds.Any(m => m.Intervals is null)) return null;
        double[] values = [.. seeds.Select(m => metric == StudyMetric.Mae ? m.Mae : m.Mse)];
        Interval[] intervals = [.. seeds.Select(m => metric == StudyMetric.Mae ? m.Intervals!.Mae : m.Intervals!.Mse)];
        double mean = values.Average(), ofRows = intervals.Average(i => Math.Pow((i.High - i.Low) / (2 * SeedVariance.Normal95), 2));
        int k = values.Length;
        SeedVariance ofSeeds = k == 1 ? relative with { Variance = relative.Variance * mean * mean } : new(values.Sum(v => (v - mean) * (v - mean)) / (k - 1) / k, k - 1);
        double half = ofSeeds.HalfWidth(ofRows);
        return new StudyValue(mean, new Interval(mean - half, mean + half), k) { VarianceOfMolecules = ofRows, OfSeeds = ofSeeds, Molecules = seeds[0].N };
    }
}

/// <summary>A column: a target on the data of a panel.</summary>
/// <param name="Panel">The panel.</param>
/// <param name="Target">The target.</param>
/// <param name="Unit">The unit of the error; empty where there is none.</param>
/// <param name="Constant">The error of the training mean; null where it was not measured.</param>
internal sealed record StudyColumn(StudyPanel Panel, string Target, string Unit, double? Constant)
{
    /// <summary>MAE or MSE.</summary>
    public string Metric => Panel.Metric == StudyMetric.Mae ? "MAE" : "MSE";
}

/// <summary>An entry of the table.</summary>
/// <param name="Value">The row's error.</param>
/// <param name="IsBest">Whether its interval lies below those of all other rows.</param>
internal sealed record StudyEntry(StudyValue Value, bool IsBest);

/// <summary>What the paper gives for a row.</summary>
/// <param name="Value">Its error.</param>
/// <param name="Above">By how much ours is above it, as a share; null where ours has not been run.</param>
/// <param name="OnOtherData">The panel of ours where that is not the paper's data, else null.</param>
internal sealed record StudyPaper(double Value, double? Above, StudyPanel? OnOtherData);

/// <summary>A row of the table.</summary>
/// <param name="Row">The row.</param>
/// <param name="Entries">By column; null where it has not been run.</param>
/// <param name="Paper">By target of <see cref="StudyTable.PaperTargets"/>: what the paper gives and how ours compares; null where the paper has no such row.</param>
/// <param name="Parameters">Trained parameters.</param>
/// <param name="Seconds">Mean time of a cell: of a network its training alone, where that is known.</param>
internal sealed record StudyLine(StudyRow Row, IReadOnlyList<StudyEntry?> Entries, IReadOnlyList<StudyPaper?> Paper, double Parameters, double Seconds);

/// <summary>What is done of a study, as a table of errors on the test split.</summary>
/// <param name="Columns">Its columns.</param>
/// <param name="PaperTargets">Targets of which the paper gives numbers.</param>
/// <param name="Lines">Its rows, those without any result left out.</param>
internal sealed record StudyTable(IReadOnlyList<StudyColumn> Columns, IReadOnlyList<string> PaperTargets, IReadOnlyList<StudyLine> Lines)
{
    /// <summary>Whether a row has more than one seed.</summary>
    public bool HasSeveralSeeds => Lines.SelectMany(line => line.Entries).Any(entry => entry?.Value.Seeds > 1);

    /// <summary>On all test molecules.</summary>
    public static StudyTable Of(Study study, ILookup<(StudyRow Row, StudyPanel Panel), CellResult> results) =>
        Of(study, results, new SeedSpread(study, results, OnTest.Whole));

    /// <summary>On the test molecules that do not stand in training if stereochemistry is ignored; null where no data has others.</summary>
    public static StudyTable? WithoutStereoTwins(Study study, ILookup<(StudyRow Row, StudyPanel Panel), CellResult> results)
    {
        StudyTable table = Of(study, results, new SeedSpread(study, results, OnTest.WithoutStereoTwins));
        int[] kept = [.. Enumerable.Range(0, table.Columns.Count).Where(c => table.Lines.Any(line => line.Entries[c] is not null))];
        return kept.Length == 0 ? null : table with
        {
            Columns = [.. kept.Select(c => table.Columns[c])],
            Lines = [.. table.Lines.Where(line => kept.Any(c => line.Entries[c] is not null)).Select(line => line with { Entries = [.. kept.Select(c => line.Entries[c])] })],
        };
    }

    // The paper's numbers are of the whole test split alone.
    private static StudyTable Of(Study study, ILookup<(StudyRow Row, StudyPanel Panel), CellResult> results, SeedSpread spread)
    {
        bool isWhole = spread.On == OnTest.Whole;
        StudyColumn[] columns = [.. from panel in study.Panels
                                    let own = results.Where(r => r.Key.Panel == panel).SelectMany(r => r).ToArray()
                                    from target in panel.Targets
                                    select new StudyColumn(panel, target, UnitOf(own, target, panel.Metric), ConstantOf(own, target, panel.Metric, isWhole))];
        StudyValue?[][] values = [.. study.Rows.Select(row => columns.Select(c => spread.ValueOf(row, c.Panel, c.Target)).ToArray())];
        string[] paper = isWhole ? [.. columns.Select(c => c.Target).Distinct().Where(t => study.Rows.Any(r => r.Paper.ContainsKey(t)))] : [];
        return new StudyTable(columns, paper, [.. study.Rows.Index().Where(r => values[r.Index].Any(v => v is not null)).Select(r => Line(r.Item, values[r.Index]))]);

        StudyLine Line(StudyRow row, StudyValue?[] own)
        {
            CellResult[] cells = [.. study.Panels.SelectMany(panel => results[(row, panel)])];
            return new StudyLine(row, [.. own.Select((value, c) => value is null ? null : new StudyEntry(value, IsBest(value, c)))],
                [.. paper.Select(target => row.Paper.TryGetValue(target, out double given) ? Beside(target, given) : null)], cells.Average(c => c.Parameters), cells.Average(c => c.TrainingSeconds ?? c.Seconds));

            // A row alone is below none.
            bool IsBest(StudyValue value, int c) => values.Where(other => other != own).Select(other => other[c]).OfType<StudyValue>().ToArray() is { Length: > 0 } others && others.All(its => its.Interval.Low > value.Interval.High);

            // On the data that the paper's numbers are of, where the row was run on that.
            StudyPaper Beside(string target, double given) =>
                columns.Index().Where(c => c.Item.Target == target && own[c.Index] is not null).OrderByDescending(c => c.Item.Panel.IsPapers).Select(c => (c.Item.Panel, own[c.Index]!.Mean)).FirstOrDefault() is ({ } panel, double mean)
                    ? new StudyPaper(given, (mean - given) / given, panel.IsPapers ? null : panel) : new StudyPaper(given, null, null);
        }
    }

    private static string UnitOf(CellResult[] results, string target, StudyMetric metric)
    {
        string unit = results.SelectMany(r => r.Metrics.Rows).FirstOrDefault(r => r.Target == target)?.Unit ?? "";
        return unit.Length == 0 || metric == StudyMetric.Mae ? unit : unit + "²";
    }

    private static double? ConstantOf(CellResult[] results, string target, StudyMetric metric, bool isWhole) =>
        results.Select(r => isWhole ? r.Metrics.Find(Parts.Test, target, Comparison.Constant) : r.ConstantWithoutStereoTwins?.GetValueOrDefault(target)).FirstOrDefault(m => m is not null) is { } m ? metric == StudyMetric.Mae ? m.Mae : m.Mse : null;
}
