using LlmFusion.DataSets;
using LlmFusion.Evaluation;

namespace LlmFusion.Experiments;

/// <summary>On which molecules of the test split a row is measured.</summary>
internal enum OnTest
{
    /// <summary>On all.</summary>
    Whole,

    /// <summary>On those that do not stand in training if stereochemistry is ignored.</summary>
    WithoutStereoTwins,
}

/// <summary>The rows' errors; those of one seed with the spread that rows of the same kind with several seeds have, as a share of the error.</summary>
/// <param name="study">The study.</param>
/// <param name="results">What is done of it.</param>
/// <param name="on">On which molecules.</param>
internal sealed class SeedSpread(Study study, ILookup<(StudyRow Row, StudyPanel Panel), CellResult> results, OnTest on)
{
    private readonly Dictionary<(StudyPanel, string, Type), SeedVariance> _relative = [];

    /// <summary>On which molecules.</summary>
    public OnTest On => on;

    /// <summary>A row's error; null where it has not been measured.</summary>
    public StudyValue? ValueOf(StudyRow row, StudyPanel panel, string target)
    {
        TargetMetrics[] seeds = Seeds(row, panel, target);
        return StudyValue.Of(seeds, panel.Metric, seeds.Length == 1 && row.Task is not CellTask.Ridge ? Relative(panel, target, row.Task.GetType()) : default);
    }

    /// <summary>(s / mean)², the mean over the rows of a kind that have several seeds, and its degrees of freedom; 0 where none has.</summary>
    private SeedVariance Relative(StudyPanel panel, string target, Type kind)
    {
        if (_relative.TryGetValue((panel, target, kind), out SeedVariance known)) return known;
        StudyValue[] several = [.. study.Rows.Where(r => r.Task.GetType() == kind).Select(r => Seeds(r, panel, target)).Where(s => s.Length > 1).Select(s => StudyValue.Of(s, panel.Metric)).OfType<StudyValue>()];
        return _relative[(panel, target, kind)] = several.Length == 0 ? default : new SeedVariance(several.Average(v => v.OfSeeds.Variance * v.Seeds / (v.Mean * v.Mean)), several.Sum(v => v.OfSeeds.Degrees));
    }

    private TargetMetrics[] Seeds(StudyRow row, StudyPanel panel, string target) =>
        [.. results[(row, panel)].Select(r => on == OnTest.Whole ? r.Metrics.Find(Parts.Test, target, r.Predictor) : r.WithoutStereoTwins?.Targets.GetValueOrDefault(target)).OfType<TargetMetrics>()];
}
