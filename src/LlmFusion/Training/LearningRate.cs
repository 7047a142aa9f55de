namespace LlmFusion.Training;

/// <summary>The learning rate of each step: linear warm-up, then ReduceLROnPlateau or half a cosine.</summary>
public sealed class LearningRate
{
    private const double Threshold = 1e-4; // ReduceLROnPlateau's default: an improvement is less than best * (1 - threshold)

    private readonly RunConfig _config;
    private readonly long _totalSteps;

    /// <param name="config">Rate, warm-up, schedule.</param>
    /// <param name="stepsPerEpoch">Steps of one epoch; the cosine ends after all epochs.</param>
    public LearningRate(RunConfig config, int stepsPerEpoch)
    {
        _config = config;
        _totalSteps = (long)stepsPerEpoch * config.Epochs;
    }

    /// <summary>What must be kept to go on later.</summary>
    /// <param name="Factor">Product of all reductions so far.</param>
    /// <param name="Best">Lowest validation loss that counted as an improvement.</param>
    /// <param name="BadEpochs">Epochs since then.</param>
    public sealed record Plateau(double Factor = 1, double Best = double.PositiveInfinity, int BadEpochs = 0);

    /// <summary>ReduceLROnPlateau's memory.</summary>
    public Plateau State { get; set; } = new();

    /// <summary>The rate of a step, counted from 0 over all epochs.</summary>
    public double At(long step)
    {
        double rate = _config.LearningRate * State.Factor;
        if (step < _config.WarmupSteps) return rate * (step + 1) / _config.WarmupSteps;
        if (_config.Schedule == ScheduleKind.Plateau) return rate;
        double done = (double)(step - _config.WarmupSteps) / Math.Max(1, _totalSteps - _config.WarmupSteps);
        return rate * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, done)));
    }

    /// <summary>Takes an epoch's validation loss into account, as PyTorch's ReduceLROnPlateau does (mode min, relative threshold, no cooldown).</summary>
    public void EpochDone(double validationLoss)
    {
        if (_config.Schedule != ScheduleKind.Plateau) return;
        if (validationLoss < State.Best * (1 - Threshold)) State = State with { Best = validationLoss, BadEpochs = 0 };
        else if (State.BadEpochs + 1 > _config.PlateauPatience) State = State with { Factor = State.Factor * _config.PlateauFactor, BadEpochs = 0 };
        else State = State with { BadEpochs = State.BadEpochs + 1 };
    }
}
