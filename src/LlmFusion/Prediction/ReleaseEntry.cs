namespace LlmFusion.Prediction;

/// <summary>What <see cref="ModelRelease"/> added to a trained model; it stands in the manifest.</summary>
public sealed record ReleaseEntry
{
    /// <summary>Share of molecules whose true value the intervals are made to hold.</summary>
    public required double Coverage { get; init; }

    /// <summary>Share of each validation split that the intervals are calibrated on.</summary>
    public required double CalibrationFraction { get; init; }

    /// <summary>Whether training left those molecules alone. If not, intervals may be somewhat too narrow.</summary>
    public required bool HeldOut { get; init; }

    /// <summary>sha256 of the fusion model's weights before they were rounded to float16.</summary>
    public required string RoundedFromSha256 { get; init; }

    /// <summary>The intervals, for each set of modalities that they were calibrated with.</summary>
    public required IReadOnlyList<IntervalSet> Intervals { get; init; }

    /// <summary>What each data set's training molecules are like.</summary>
    public required IReadOnlyList<DomainEntry> Domains { get; init; }

    /// <summary>sha256 of <c>domain.bin</c>, the fingerprints of <see cref="Domains"/> one after the other.</summary>
    public required string DomainSha256 { get; init; }

    /// <summary>Errors and coverage on test molecules, by data set, set of modalities and target.</summary>
    public required IReadOnlyList<ReleaseMetrics> Test { get; init; }

    /// <summary>Fails where what was read from a file cannot be a release: of lists JSON's reader lets any element be null.</summary>
    internal void Check()
    {
        if (Domains.Any(d => d is null) || Intervals.Any(set => set?.Targets is null || set.Modalities is null || set.Targets.Any(t => t is null)))
            throw new InvalidDataException("release: got null among its intervals or domains, expected entries");
        foreach (IntervalEntry entry in Intervals.SelectMany(set => set.Targets))
        {
            if (!(entry.Quantile >= 0)) throw new InvalidDataException($"interval of {entry.Target}: got the quantile {entry.Quantile}, expected 0 or more");
            if (entry.Spread is not null && Domains.Count == 0) throw new InvalidDataException($"interval of {entry.Target}: has a spread, which needs a domain, got none");
            entry.Spread?.Check();
        }
    }

    /// <summary>The intervals of a set of modalities; null where none were calibrated with just these.</summary>
    /// <param name="modalities">Names in stack order.</param>
    public IntervalSet? Find(IReadOnlyList<string> modalities) => Intervals.FirstOrDefault(set => set.Modalities.SequenceEqual(modalities));
}

/// <summary>The intervals of predictions from some modalities.</summary>
/// <param name="Modalities">Names in stack order.</param>
/// <param name="Targets">One entry a target that had enough molecules to calibrate on; the others have no interval.</param>
public sealed record IntervalSet(IReadOnlyList<string> Modalities, IReadOnlyList<IntervalEntry> Targets);

/// <summary>The interval of a target: the prediction, give or take <paramref name="Quantile"/> times the spread, in scaled units.</summary>
/// <param name="Target">Name of the target.</param>
/// <param name="Quantile">Conformal quantile of the scores.</param>
/// <param name="Molecules">How many molecules it was calibrated on.</param>
/// <param name="Spread">How far the error of a molecule is expected to reach; null: all alike, the spread is 1.</param>
public sealed record IntervalEntry(string Target, double Quantile, int Molecules, ErrorSpread? Spread);

/// <summary>What the training molecules of a data set are like.</summary>
/// <param name="Data">Name of the data set.</param>
/// <param name="Targets">The model's targets that it has values of.</param>
/// <param name="Elements">Elements of heavy atoms.</param>
/// <param name="FewestAtoms">Fewest heavy atoms.</param>
/// <param name="MostAtoms">Most heavy atoms.</param>
/// <param name="Fingerprints">How many training molecules stand for all of them in <c>domain.bin</c>.</param>
/// <param name="LeastSimilarity">Tanimoto similarity to the nearest of these below which a molecule counts as unlike them.</param>
public sealed record DomainEntry(
    string Data, IReadOnlyList<string> Targets, IReadOnlyList<string> Elements, int FewestAtoms, int MostAtoms, int Fingerprints, double LeastSimilarity);

/// <summary>How good a target's predictions are on the test split of a data set.</summary>
/// <param name="Data">Name of the data set.</param>
/// <param name="Part">Which molecules: <c>test</c>, or <c>test without stereo twins</c>.</param>
/// <param name="Modalities">What the molecules were given by, names in stack order.</param>
/// <param name="Target">Name of the target.</param>
/// <param name="Metrics">Errors, and the coverage of the intervals where there are any.</param>
public sealed record ReleaseMetrics(string Data, string Part, IReadOnlyList<string> Modalities, string Target, Evaluation.TargetMetrics Metrics);
