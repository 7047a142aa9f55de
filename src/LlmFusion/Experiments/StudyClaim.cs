using System.Collections;
using LlmFusion.Evaluation;

namespace LlmFusion.Experiments;

/// <summary>Something that a study is to confirm or refute: that one of its rows errs less than another.</summary>
/// <param name="Says">What is claimed, in words; claims that say the same stand together.</param>
/// <param name="Row">Name of the row that is claimed to be better.</param>
/// <param name="Than">Name of the other.</param>
public sealed record StudyClaim(string Says, string Row, string Than);

/// <summary>What the results say of a claim for one target.</summary>
/// <param name="Claim">The claim.</param>
/// <param name="Row">The row that is claimed to be better.</param>
/// <param name="Than">The other.</param>
/// <param name="Panel">On which data.</param>
/// <param name="Target">Of which target.</param>
/// <param name="Difference">The row's mean error on the test split less the other's: below 0 the row is better.</param>
/// <param name="Interval">Where it lies with 95 % confidence.</param>
/// <param name="OfOther">The difference as a share of the other's error.</param>
public sealed record StudyVerdict(StudyClaim Claim, StudyRow Row, StudyRow Than, StudyPanel Panel, string Target, double Difference, Interval Interval, double OfOther)
{
    /// <summary>The same on the test molecules that do not stand in training if stereochemistry is ignored; null where the data has no such twins.</summary>
    public StudyVerdict? WithoutStereoTwins { get; init; }

    /// <summary>Yes or no where the interval lies on one side of zero.</summary>
    /// <returns><c>yes</c>, <c>no</c> or <c>open</c>.</returns>
    public string Holds => Interval.High < 0 ? "yes" : Interval.Low > 0 ? "no" : "open";

    /// <summary>
    /// Of all claims whose two rows have results.
    /// <code>
    /// d_i       = mean over the seeds of the row's error of molecule i - the same of the other's
    /// interval  = mean(d) +- t sqrt(var(d) / n + s² / k + s'² / k')      s, s': deviations of the rows' errors over their k, k' seeds; t: SeedVariance.HalfWidth
    /// </code>
    /// Where two rows were not measured on the same molecules, their own intervals take the place of var(d) / n, which are wider. A row with one seed has the
    /// spread of those with several (<see cref="SeedSpread"/>).
    /// </summary>
    public static IReadOnlyList<StudyVerdict> Of(Study study, ILookup<(StudyRow Row, StudyPanel Panel), CellResult> results)
    {
        SeedSpread whole = new(study, results, OnTest.Whole), alone = new(study, results, OnTest.WithoutStereoTwins);
        return
        [
            .. from claim in study.Claims
               let row = study.Rows.First(r => r.Name == claim.Row)
               let than = study.Rows.First(r => r.Name == claim.Than)
               from panel in study.Panels
               let own = results[(row, panel)].ToArray()
               let others = results[(than, panel)].ToArray()
               where own.Length > 0 && others.Length > 0
               from target in panel.Targets
               let verdict = Of(claim, row, than, panel, target, own, others, whole)
               where verdict is not null
               select verdict with { WithoutStereoTwins = Of(claim, row, than, panel, target, own, others, alone) },
        ];
    }

    private static StudyVerdict? Of(StudyClaim claim, StudyRow row, StudyRow than, StudyPanel panel, string target, CellResult[] own, CellResult[] others, SeedSpread spread)
    {
        StudyValue? ours = spread.ValueOf(row, panel, target), theirs = spread.ValueOf(than, panel, target);
        if (ours is null || theirs is null) return null;
        (double Mean, double Variance)? paired = OfMolecules(own, others, target, panel.Metric, spread.On);
        // Errors of single molecules are rounded: where both rows read all, the means are better known than the mean of the differences.
        double difference = paired is { } p && ours.Molecules != theirs.Molecules ? p.Mean : ours.Mean - theirs.Mean;
        bool isShared = row.Task.GetType() == than.Task.GetType() && (ours.IsSpreadLent || theirs.IsSpreadLent);
        SeedVariance ofSeeds = row == than ? default : SeedVariance.OfDifference(ours.OfSeeds, theirs.OfSeeds, isShared);
        double half = ofSeeds.HalfWidth(paired?.Variance ?? ours.VarianceOfMolecules + theirs.VarianceOfMolecules);
        return new StudyVerdict(claim, row, than, panel, target, difference, new Interval(difference - half, difference + half), difference / theirs.Mean);
    }

    /// <summary>mean(d) and var(d) / n over the molecules that both can read; null where the test splits are not the same, or the errors of each were not kept.</summary>
    private static (double Mean, double Variance)? OfMolecules(CellResult[] own, CellResult[] others, string target, StudyMetric metric, OnTest on)
    {
        BitArray? alone = on == OnTest.WithoutStereoTwins && own[0].TestWithoutTwins is { } bits ? new BitArray(Convert.FromBase64String(bits)) : null;
        if (on == OnTest.WithoutStereoTwins && alone is null) return null;
        if (own.Concat(others).Select(c => c.TestErrors is { } errors ? (errors.RowsSha256, errors.Count) : default).Distinct().ToArray() is not [{ Count: > 0 }]) return null;
        // NaN: no value is known, or one of the two cannot read the molecule. An error too large for 16 bits cannot be paired, and none may be left out of a mean.
        double[] differences = [.. MeanErrors(own).Zip(MeanErrors(others)).Where((e, i) => alone?[i] != false && !double.IsNaN(e.First) && !double.IsNaN(e.Second)).Select(e => e.First - e.Second)];
        if (differences.Length < 2 || !differences.All(double.IsFinite)) return null;
        double mean = differences.Average();
        return (mean, differences.Sum(d => (d - mean) * (d - mean)) / (differences.Length - 1) / differences.Length);

        double[] MeanErrors(CellResult[] cells)
        {
            double[][] errors = [.. cells.Select(c => c.TestErrors!.Of(target)!)];
            return [.. Enumerable.Range(0, errors[0].Length).Select(i => errors.Average(e => metric == StudyMetric.Mae ? e[i] : e[i] * e[i]))];
        }
    }
}
