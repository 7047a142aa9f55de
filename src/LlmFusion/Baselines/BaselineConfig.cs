using LlmFusion.Boosting;
using LlmFusion.Training;

namespace LlmFusion.Baselines;

/// <summary>What boosted trees are grown on, and how their settings are searched.</summary>
public sealed record BaselineConfig
{
    /// <summary>Data, targets, modalities and their frozen encoders, fingerprint, seed; what only a network has is not used.</summary>
    public required RunConfig Run { get; init; }

    /// <summary>Settings tried, for each target.</summary>
    public int Trials { get; init; } = 12;

    /// <summary>Training rows that the trials see, a random part; null: all. The best settings grow their trees on all rows.</summary>
    public int? SearchRows { get; init; }

    /// <summary>Trees without a better validation metric after which growing stops.</summary>
    public int EarlyStopping { get; init; } = 50;

    /// <summary>What chooses: <c>rmse</c> or <c>mae</c> on the validation split.</summary>
    public string Metric { get; init; } = "rmse";

    /// <summary>Most trees of the best settings on all rows where the trials saw fewer; early stopping decides how many of them.</summary>
    public int FinalEstimators { get; init; } = 2000;

    /// <summary>Slope of the pseudo-Huber error, in scaled units: between squares (much smaller errors) and absolute errors (much larger ones). See <see cref="Settings"/>.</summary>
    public double HuberSlope { get; init; } = 0.5;

    /// <summary>Bins that the values of a feature are sorted into; see <see cref="BoosterSettings.MaxBins"/>.</summary>
    public int MaxBins { get; init; } = 256;

    /// <summary>From which ranges settings are drawn.</summary>
    public RandomSearch Search { get; init; } = new();

    /// <summary>Threads; 0: all.</summary>
    public int Threads { get; init; }

    /// <summary>Fails on the first value that is impossible.</summary>
    /// <exception cref="ArgumentException">The message says which, what it is, and what was expected.</exception>
    public void Check()
    {
        if (Trials is < 1 or > 10_000) throw new ArgumentException($"trials: got {Trials}, expected 1 to 10,000");
        if (SearchRows is < 1) throw new ArgumentException($"search_rows: got {SearchRows}, expected at least 1");
        if (FinalEstimators is < 1 or > 1_000_000) throw new ArgumentException($"final_estimators: got {FinalEstimators}, expected 1 to 1,000,000");
        if (!(HuberSlope > 0 && double.IsFinite(HuberSlope))) throw new ArgumentException($"huber_slope: got {HuberSlope}, expected a positive number");
        if (MaxBins is < 2 or > 65_536) throw new ArgumentException($"max_bins: got {MaxBins}, expected 2 to 65,536");
        if (EarlyStopping < 1) throw new ArgumentException($"early_stopping: got {EarlyStopping}, expected at least 1");
        if (Metric is not ("rmse" or "mae")) throw new ArgumentException($"metric: got {Metric}, expected rmse or mae");
    }

    /// <summary>The settings of a trial.</summary>
    /// <param name="target">The target's place.</param>
    /// <param name="trial">The trial, from 0.</param>
    /// <remarks>Where the absolute error chooses, every second trial minimises a pseudo-Huber error, the others squares as the rest do: neither is always better. The absolute error itself is not at hand (<see cref="BoosterSettings.Objective"/>).</remarks>
    public BoosterSettings Settings(int target, int trial) => Search.Draw(
        new BoosterSettings
        {
            Objective = Metric == "mae" && trial % 2 == 1 ? "reg:pseudohubererror" : "reg:squarederror",
            HuberSlope = HuberSlope,
            Metrics = [Metric],
            MaxBins = MaxBins,
            EarlyStopping = EarlyStopping,
            Seed = Run.Seed,
            Threads = Threads,
        },
        unchecked((Run.Seed * 1009) + target), trial);
}
