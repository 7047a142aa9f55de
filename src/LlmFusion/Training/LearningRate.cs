namespace LlmFusion.Training;

/// <summary>The learning rate of each step: linear warm-up, then ReduceLROnPlateau, half a cosine, or the same rate; or one cycle.</summary>
public sealed class LearningRate
{
    private readonly RunConfig _config;
    private readonly ReduceOnPlateau _plateau;
    private readonly long _totalSteps;

    /// <param name="config">Rate, warm-up, schedule.</param>
    /// <param name="stepsPerEpoch">Steps of one epoch; cosine and cycle end after all epochs.</param>
    public LearningRate(RunConfig config, int stepsPerEpoch)
    {
        _config = config;
        _plateau = new ReduceOnPlateau
        {
            Factor = config.PlateauFactor,
            Patience = config.PlateauPatience,
            Threshold = config.PlateauThreshold,
            ThresholdMode = config.PlateauThresholdMode,
            Cooldown = config.PlateauCooldown,
            MinimumRate = config.MinimumLearningRate,
        };
        _totalSteps = (long)stepsPerEpoch * config.Epochs;
        if (config.Schedule == ScheduleKind.OneCycle && _totalSteps < 2) throw new ArgumentException($"schedule one_cycle: got {_totalSteps} step in all, expected at least 2");
        State = new ReduceOnPlateau.State(config.LearningRate);
    }

    /// <summary>ReduceLROnPlateau's memory: all that must be kept to go on later.</summary>
    public ReduceOnPlateau.State State { get; set; }

    /// <summary>The rate of a step, counted from 0 over all epochs.</summary>
    public double At(long step)
    {
        if (_config.Schedule == ScheduleKind.OneCycle) return new OneCycle(_config.LearningRate, _totalSteps, _config.OneCycleRise).At(step);
        double rate = _config.Schedule == ScheduleKind.Plateau ? State.Rate : _config.LearningRate;
        if (step < _config.WarmupSteps) return rate * (step + 1) / _config.WarmupSteps;
        if (_config.Schedule != ScheduleKind.Cosine) return rate;
        double done = (double)(step - _config.WarmupSteps) / Math.Max(1, _totalSteps - _config.WarmupSteps);
        return _config.MinimumLearningRate + (rate - _config.MinimumLearningRate) * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, done)));
    }

    /// <summary>Takes an epoch's validation loss into account.</summary>
    public void EpochDone(double validationLoss)
    {
        if (_config.Schedule == ScheduleKind.Plateau) State = _plateau.Next(State, validationLoss);
    }
}
