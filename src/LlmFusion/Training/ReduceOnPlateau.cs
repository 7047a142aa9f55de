namespace LlmFusion.Training;

/// <summary>Whether a watched number shall fall or rise.</summary>
public enum PlateauMode
{
    /// <summary>Lower is better, as of a loss.</summary>
    Min,

    /// <summary>Higher is better, as of R2.</summary>
    Max,
}

/// <summary>What an improvement is measured against.</summary>
public enum ThresholdMode
{
    /// <summary>Better than best * (1 - threshold), or (1 + threshold) where higher is better.</summary>
    Rel,

    /// <summary>Better than best by more than the threshold.</summary>
    Abs,
}

/// <summary>
/// PyTorch's <c>ReduceLROnPlateau</c> for one learning rate (paper, P19), decision for decision: the rate is multiplied by a
/// factor when more than <see cref="Patience"/> epochs in a row were no improvement.
/// </summary>
public sealed record ReduceOnPlateau
{
    private const double LeastChange = 1e-8; // PyTorch's eps: a smaller reduction is not made

    /// <summary>Whether the number shall fall or rise.</summary>
    public PlateauMode Mode { get; init; } = PlateauMode.Min;

    /// <summary>What the rate is multiplied by.</summary>
    public double Factor { get; init; } = 0.1;

    /// <summary>Epochs without an improvement that pass.</summary>
    public int Patience { get; init; } = 10;

    /// <summary>How much an improvement must be.</summary>
    public double Threshold { get; init; } = 1e-4;

    /// <summary>What it is measured against.</summary>
    public ThresholdMode ThresholdMode { get; init; } = ThresholdMode.Rel;

    /// <summary>Epochs after a reduction that are not counted.</summary>
    public int Cooldown { get; init; }

    /// <summary>The rate falls no lower.</summary>
    public double MinimumRate { get; init; }

    /// <summary>What must be kept to go on later.</summary>
    /// <param name="Rate">The learning rate.</param>
    /// <param name="Best">The best number that counted as an improvement; null before the first.</param>
    /// <param name="BadEpochs">Epochs since then, or since the last reduction.</param>
    /// <param name="CooldownLeft">Epochs that will not be counted.</param>
    public sealed record State(double Rate, double? Best = null, int BadEpochs = 0, int CooldownLeft = 0);

    /// <summary>Takes an epoch's number into account.</summary>
    public State Next(State state, double watched)
    {
        state = IsBetter(watched, state.Best) ? state with { Best = watched, BadEpochs = 0 } : state with { BadEpochs = state.BadEpochs + 1 };
        if (state.CooldownLeft > 0) state = state with { CooldownLeft = state.CooldownLeft - 1, BadEpochs = 0 };
        if (state.BadEpochs <= Patience) return state;
        double reduced = Math.Max(state.Rate * Factor, MinimumRate);
        return state with { Rate = state.Rate - reduced > LeastChange ? reduced : state.Rate, BadEpochs = 0, CooldownLeft = Cooldown };
    }

    /// <summary>A NaN is never better.</summary>
    private bool IsBetter(double watched, double? before)
    {
        double best = before ?? (Mode == PlateauMode.Min ? double.PositiveInfinity : double.NegativeInfinity);
        return (Mode, ThresholdMode) switch
        {
            (PlateauMode.Min, ThresholdMode.Rel) => watched < best * (1 - Threshold),
            (PlateauMode.Min, ThresholdMode.Abs) => watched < best - Threshold,
            (PlateauMode.Max, ThresholdMode.Rel) => watched > best * (Threshold + 1),
            _ => watched > best + Threshold,
        };
    }
}
