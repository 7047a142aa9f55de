using System.Globalization;

namespace LlmFusion.Boosting;

/// <summary>How trees are grown; names and defaults are XGBoost's, except that trees are grown on histograms.</summary>
public sealed record BoosterSettings
{
    /// <summary>eta: how much of each tree is added.</summary>
    public double LearningRate { get; init; } = 0.3;

    /// <summary>Most levels of a tree.</summary>
    public int MaxDepth { get; init; } = 6;

    /// <summary>Number of estimators: the most trees.</summary>
    public int Estimators { get; init; } = 100;

    /// <summary>Share of the rows that a tree sees.</summary>
    public double Subsample { get; init; } = 1;

    /// <summary>Share of the features that a tree sees.</summary>
    public double ColsampleByTree { get; init; } = 1;

    /// <summary>Least gain of a split.</summary>
    public double Gamma { get; init; }

    /// <summary>Least sum of second derivatives (with squared errors: rows) in a leaf.</summary>
    public double MinChildWeight { get; init; } = 1;

    /// <summary>Into how many bins the values of a feature are sorted: time and memory of a tree's node grow with it.</summary>
    public int MaxBins { get; init; } = 256;

    /// <summary>
    /// What is minimised, by XGBoost's name. Not <c>reg:absoluteerror</c>: version 1.7 sets its leaves to the whole median of what is left, whatever the learning rate is.
    /// </summary>
    public string Objective { get; init; } = "reg:squarederror";

    /// <summary>huber_slope: where <c>reg:pseudohubererror</c> turns from a parabola to a line, in the labels' unit.</summary>
    public double HuberSlope { get; init; } = 1;

    /// <summary>What is measured on the validation rows, by XGBoost's names (<c>rmse</c>, <c>mae</c>, ..); the last one decides when to stop, and must then be one that is better the smaller it is.</summary>
    public IReadOnlyList<string> Metrics { get; init; } = ["rmse"];

    /// <summary>How training stops early: after so many trees without a better validation metric; null: never.</summary>
    public int? EarlyStopping { get; init; }

    /// <summary>Seed of rows and features.</summary>
    public int Seed { get; init; }

    /// <summary>Threads; 0: all.</summary>
    public int Threads { get; init; }

    /// <summary>Fails on the first value that is impossible.</summary>
    /// <exception cref="ArgumentException">The message says which, what it is, and what was expected.</exception>
    public BoosterSettings Checked()
    {
        Require(LearningRate is > 0 and <= 1, "learning rate", LearningRate, "above 0 up to 1");
        Require(MaxDepth is >= 1 and <= 64, "max depth", MaxDepth, "1 to 64");
        Require(Estimators is >= 1 and <= 1_000_000, "estimators", Estimators, "1 to 1,000,000");
        Require(Subsample is > 0 and <= 1, "subsample", Subsample, "above 0 up to 1");
        Require(ColsampleByTree is > 0 and <= 1, "colsample by tree", ColsampleByTree, "above 0 up to 1");
        Require(Gamma >= 0, "gamma", Gamma, "0 or more");
        Require(MinChildWeight >= 0, "min child weight", MinChildWeight, "0 or more");
        Require(MaxBins is >= 2 and <= 65_536, "max bins", MaxBins, "2 to 65,536");
        Require(Objective != "reg:absoluteerror", "objective", Objective, "another: the learning rate has no effect on its leaves; reg:pseudohubererror comes near it");
        Require(HuberSlope > 0 && double.IsFinite(HuberSlope), "huber slope", HuberSlope, "above 0");
        Require(Metrics.Count > 0, "metrics", "none", "at least one");
        Require(EarlyStopping is null or >= 1, "early stopping", EarlyStopping ?? 0, "at least 1");
        Require(EarlyStopping is null || !Rising.Contains(Metrics[^1].Split('@', '-')[0]), "metric for early stopping", Metrics[^1], "one that is better the smaller it is, such as rmse");
        return this;
    }

    // What may follow, as in map@5-, is how deep and how lists without a hit count.
    private static readonly string[] Rising = ["auc", "aucpr", "map", "ndcg", "pre"];

    internal IEnumerable<(string Name, string Value)> Parameters()
    {
        yield return ("verbosity", "0");
        yield return ("tree_method", "hist");
        yield return ("max_bin", Text(MaxBins));
        yield return ("objective", Objective);
        if (Objective == "reg:pseudohubererror") yield return ("huber_slope", Text(HuberSlope));
        foreach (string metric in Metrics) yield return ("eval_metric", metric);
        yield return ("eta", Text(LearningRate));
        yield return ("max_depth", Text(MaxDepth));
        yield return ("subsample", Text(Subsample));
        yield return ("colsample_bytree", Text(ColsampleByTree));
        yield return ("gamma", Text(Gamma));
        yield return ("min_child_weight", Text(MinChildWeight));
        yield return ("seed", Text(Seed));
        yield return ("nthread", Text(Threads));

        static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
    }

    private static void Require(bool holds, string name, object got, string expected)
    {
        if (!holds) throw new ArgumentException(FormattableString.Invariant($"{name}: got {got}, expected {expected}"));
    }
}
