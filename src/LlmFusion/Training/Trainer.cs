using System.Diagnostics;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>Why training ended.</summary>
public enum StopReason
{
    /// <summary>All epochs are done.</summary>
    Completed,

    /// <summary>The validation loss did not improve for too long.</summary>
    EarlyStopping,

    /// <summary>The user asked to stop; the checkpoints stay, so that the run can be resumed.</summary>
    Cancelled,
}

/// <summary>The loss is no finite number any more.</summary>
public sealed class TrainingDivergedException(string message) : Exception(message);

/// <summary>One split as the network reads it.</summary>
/// <param name="Rows">Rows of the data.</param>
/// <param name="Inputs">What the network reads of each.</param>
/// <param name="Targets">Targets of each in their units, NaN where missing.</param>
public sealed record SplitInputs(IReadOnlyList<DataRow> Rows, IReadOnlyList<MoleculeInputs> Inputs, IReadOnlyList<float[]> Targets);

/// <summary>The training loop: AdamW on batches of like length, validation after each epoch, best weights kept.</summary>
public sealed class Trainer
{
    private readonly RunConfig _config;
    private readonly Device _device;
    private readonly Action<TrainingEvent> _observe;
    private readonly Objective _objective;

    /// <param name="config">A checked configuration.</param>
    /// <param name="observe">Receives what happens.</param>
    public Trainer(RunConfig config, Action<TrainingEvent> observe)
    {
        _config = config;
        _device = ComputeDevice.Resolve(config.Device);
        _observe = observe;
        _objective = Objective.Of(config);
    }

    /// <summary>Trains until the epochs are done, the validation loss stays, or the user stops.</summary>
    /// <param name="model">A model with fresh weights; it is trained in place.</param>
    /// <param name="train">Training split.</param>
    /// <param name="valid">Validation split.</param>
    /// <param name="checkpoint">Where to keep checkpoints.</param>
    /// <param name="splitSha256">Identifies the data in the checkpoint.</param>
    /// <param name="resumed">The state to go on from, with an optimiser that has it; null for a fresh start.</param>
    /// <param name="optimizer">The optimiser of the model's parameters.</param>
    /// <param name="cancellation">Stops after the step under way.</param>
    /// <param name="average">The average of the weights that is validated and saved; null: the weights themselves are.</param>
    public (TrainingState State, StopReason Reason) Train(TrainedModel model, SplitInputs train, SplitInputs valid, TrainingCheckpoint checkpoint,
        string splitSha256, TrainingState? resumed, AdamW optimizer, CancellationToken cancellation, WeightAverage? average = null)
    {
        BatchSampler sampler = new(train.Inputs.Select(i => i.TokenCount), _config.BatchSize * _config.Accumulate, _config.Seed);
        LearningRate rate = new(_config, sampler.BatchCount);
        TrainingState state = resumed ?? new TrainingState(splitSha256, 0, 0, double.PositiveInfinity, rate.State, []);
        rate.State = state.Plateau;
        model.Network.to(_device);
        while (state.Epoch < _config.Epochs)
        {
            if (state.Epoch - state.Best >= _config.EarlyStopping) return (state, StopReason.EarlyStopping);
            int epoch = state.Epoch + 1;
            Stopwatch clock = Stopwatch.StartNew();
            if (TrainEpoch(model, train, sampler, rate, optimizer, average, epoch, cancellation) is not { } trained) return (state, StopReason.Cancelled);
            (double validLoss, double[] mae) = Validate(model, valid, average);
            rate.EpochDone(validLoss);
            bool best = validLoss < state.BestLoss;
            EpochRecord record = new(epoch, trained.Loss, validLoss, trained.Rate, clock.Elapsed.TotalSeconds, trained.MoleculesPerSecond, mae);
            state = state with
            {
                Epoch = epoch,
                Best = best ? epoch : state.Best,
                BestLoss = best ? validLoss : state.BestLoss,
                Plateau = rate.State,
                History = [.. state.History, record],
            };
            checkpoint.Save(model.Network, optimizer, state, average);
            _observe(new EpochDone(record, _config.Targets, best));
        }

        return (state, StopReason.Completed);
    }

    private (double Loss, double Rate, double MoleculesPerSecond)? TrainEpoch(TrainedModel model, SplitInputs train, BatchSampler sampler, LearningRate rate,
        AdamW optimizer, WeightAverage? average, int epoch, CancellationToken cancellation)
    {
        // One seed per epoch: a resumed run draws the same dropout masks as an uninterrupted one.
        manual_seed(unchecked(_config.Seed * 1_000_003L + epoch));
        model.Network.train();
        IReadOnlyList<int[]> batches = sampler.Epoch(epoch);
        double lossSum = 0, learningRate = 0;
        int seen = 0;
        Stopwatch clock = Stopwatch.StartNew();
        for (int step = 0; step < batches.Count; step++)
        {
            if (cancellation.IsCancellationRequested) return null;
            learningRate = rate.At((long)(epoch - 1) * batches.Count + step);
            double loss = TrainStep(model, train, batches[step], optimizer, average, learningRate);
            if (!double.IsFinite(loss))
                throw new TrainingDivergedException($"epoch {epoch}, step {step + 1}: the loss is {loss}; a lower --learning-rate may help. Checkpoints of earlier epochs are kept. Rows of the batch: {string.Join(", ", batches[step].Take(10).Select(i => train.Rows[i].Sample!.Id))}");
            lossSum += loss * batches[step].Length;
            seen += batches[step].Length;
            _observe(new StepDone(epoch, step + 1, batches.Count, _config.Epochs, lossSum / seen, learningRate, seen / clock.Elapsed.TotalSeconds));
        }

        return (lossSum / seen, learningRate, seen / clock.Elapsed.TotalSeconds);
    }

    private double TrainStep(TrainedModel model, SplitInputs train, int[] rows, AdamW optimizer, WeightAverage? average, double learningRate)
    {
        double total = _objective.TotalWeight(train, rows), loss = 0;
        // The gradients of the parts add up to that of the whole step.
        foreach (int[] part in rows.Chunk(_config.BatchSize)) loss += Backward(model, train, part, total);
        if (double.IsFinite(loss))
        {
            optimizer.Step(learningRate, ClipScale(optimizer));
            average?.Update();
        }

        model.Network.zero_grad(set_to_none: true);
        return loss;
    }

    private double Backward(TrainedModel model, SplitInputs train, int[] rows, double totalWeight)
    {
        using DisposeScope scope = NewDisposeScope();
        Batch batch = Batch.Of([.. rows.Select(i => train.Inputs[i])], model.Inputs.Representation.Modalities, model.Inputs.Representation.Fingerprint.Size, _device);
        (Tensor truth, Tensor? weights) = _objective.Targets(train, rows, model.Scaler, _device);   // (N, T)
        Tensor loss = _objective.Loss(model.Network.Forward(batch), truth, weights, totalWeight);
        loss.backward();
        return loss.item<float>();
    }

    /// <summary>As <c>torch.nn.utils.clip_grad_norm_</c> scales gradients, which the optimiser does on its way.</summary>
    private double ClipScale(AdamW optimizer) => _config.ClipNorm > 0 ? Math.Min(1, _config.ClipNorm / (optimizer.GradientNorm() + 1e-6)) : 1;

    /// <summary>The loss in scaled units, as in training, and the MAE of each target in its unit.</summary>
    private (double Loss, double[] Mae) Validate(TrainedModel model, SplitInputs valid, WeightAverage? average)
    {
        using IDisposable? averaged = average?.Use();
        float[][] scaled = model.PredictScaled(valid.Inputs, _config.BatchSize * 4, _device);
        double[] mae = [.. _config.Targets.Select((_, t) => Enumerable.Range(0, scaled.Length).Where(n => !float.IsNaN(valid.Targets[n][t]))
            .Select(n => Math.Abs((double)model.Scaler.Unscale(scaled[n][t], t) - valid.Targets[n][t])).DefaultIfEmpty().Average())];
        return (_objective.Loss(scaled, valid, model.Scaler), mae);
    }
}
