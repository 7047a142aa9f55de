using System.Diagnostics;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Distributed;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Kernels;
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

    /// <summary>The time that the run was given is over; the checkpoints stay, so that it can be resumed.</summary>
    TimeOver,
}

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
    private readonly ModalityDropout _modalityDropout;
    private readonly ProcessGroup _group;

    /// <param name="config">A checked configuration.</param>
    /// <param name="observe">Receives what happens.</param>
    /// <param name="group">The processes that train together, each on its share of every batch; null: this one alone.</param>
    public Trainer(RunConfig config, Action<TrainingEvent> observe, ProcessGroup? group = null)
    {
        _config = config;
        _group = group ?? ProcessGroup.Alone;
        _device = ComputeDevice.Resolve(config.Device, _group.LocalRank);
        _observe = observe;
        _objective = Objective.Of(config);
        _modalityDropout = ModalityDropout.Of(config);
    }

    /// <summary>How long <see cref="Train"/> may take; null: as long as it needs.</summary>
    public TimeSpan? Time { get; init; }

    /// <summary>Trains until the epochs are done, the validation loss stays, the user stops, or the time is over.</summary>
    /// <param name="model">A model with fresh weights, or those of the checkpoint; it is trained in place.</param>
    /// <param name="train">Training split.</param>
    /// <param name="valid">Validation split.</param>
    /// <param name="checkpoint">Where to keep checkpoints; its parts are those that training changes.</param>
    /// <param name="state">Where to begin, or to go on.</param>
    /// <param name="optimizer">The optimiser of the model's parameters.</param>
    /// <param name="cancellation">Stops after the step under way, and keeps it in a checkpoint.</param>
    /// <param name="average">The average of the weights that is validated and saved; null: the weights themselves are.</param>
    /// <exception cref="TrainingDivergedException">A loss, a gradient or a weight is not finite; the last good checkpoint is kept.</exception>
    public (TrainingState State, StopReason Reason) Train(TrainedModel model, SplitInputs train, SplitInputs valid, TrainingCheckpoint checkpoint,
        TrainingState state, AdamW optimizer, CancellationToken cancellation, WeightAverage? average = null)
    {
        BatchSampler sampler = new(train.Inputs.Select(i => i.TokenCount), _config.BatchSize * _config.Accumulate, _config.Seed, train.Rows.Select(r => r.Sample!.Repeats));
        LearningRate rate = new(_config, sampler.BatchCount);
        if (state.Plateau is { } plateau) rate.State = plateau;
        StopReason? reason = null;
        Stopwatch clock = Stopwatch.StartNew();
        bool stepped = false;
        StopReason? Stop()
        {
            // A leg whose time the preparation took does one step all the same: a chain of them must come to an end.
            bool isOver = stepped && Time is { } time && clock.Elapsed >= time;
            stepped = true;
            if (!_group.Any(cancellation.IsCancellationRequested || isOver)) return null;
            return _group.Any(cancellation.IsCancellationRequested) ? StopReason.Cancelled : StopReason.TimeOver;
        }

        model.Network.to(_device);
        using GradientSync sync = new(_group, optimizer.Groups.SelectMany(g => g.Parameters).Select(p => p.Value), model.Network.Fusion.Llm.Blocks);
        while (reason is null && state.Epoch < _config.Epochs)
        {
            if (state.Epoch - state.Best >= _config.EarlyStopping)
            {
                reason = StopReason.EarlyStopping;
                break;
            }

            (state, reason) = TrainEpoch(model, train, sampler, rate, optimizer, average, sync, checkpoint, state, Stop);
            if (reason is null) state = EndEpoch(model, valid, average, checkpoint, rate, state, sampler.BatchCount);
        }

        Save(checkpoint, state);
        return (state, reason ?? StopReason.Completed);
    }

    /// <summary>The steps of an epoch that are not done yet; what was reached, and why no further; null where the epoch is done.</summary>
    private (TrainingState State, StopReason? Reason) TrainEpoch(TrainedModel model, SplitInputs train, BatchSampler sampler, LearningRate rate,
        AdamW optimizer, WeightAverage? average, GradientSync sync, TrainingCheckpoint checkpoint, TrainingState state, Func<StopReason?> stop)
    {
        int epoch = state.Epoch + 1;
        IReadOnlyList<int[]> batches = sampler.Epoch(epoch);
        TimeSpan interval = TimeSpan.FromMinutes(_config.CheckpointMinutes);
        Stopwatch clock = Stopwatch.StartNew();
        double before = state.Seconds;
        model.Network.train();
        // Equal sums leave equal weights; different processors may round differently all the same.
        _group.Broadcast(model.Network.state_dict().Values);
        while (state.Step < batches.Count)
        {
            int[] rows = batches[state.Step];
            double learningRate = rate.At((long)(epoch - 1) * batches.Count + state.Step);
            manual_seed(SeedOf(_config.Seed, epoch, state.Step, _group.Rank)).Dispose();
            double loss = Backward(model, train, rows, SeedOf(_config.Seed, epoch, state.Step, rank: 0), sync);
            double? norm = _config.ClipNorm > 0 ? optimizer.GradientNorm() : null;
            if (!double.IsFinite(loss) || !double.IsFinite(norm ?? 0))
            {
                throw new TrainingDivergedException(epoch, state.Step + 1, [.. rows.Select(i => train.Rows[i].Sample!.Id)],
                    double.IsFinite(loss) ? $"the gradient is not finite (loss {loss:G4}, learning rate {learningRate:G3})" : $"the loss is {loss} (learning rate {learningRate:G3})");
            }

            // Here the weights are still those of the last step, and known to give a finite loss: what is kept can be gone on from.
            if (stop() is { } reason)
            {
                model.Network.zero_grad(set_to_none: true);
                return (state, reason);
            }

            if (checkpoint.IsDue(interval)) Save(checkpoint, state);
            optimizer.Step(learningRate, ClipScale(norm));
            average?.Update();
            model.Network.zero_grad(set_to_none: true);
            state = state with { Step = state.Step + 1, LossSum = state.LossSum + loss * rows.Length, Rows = state.Rows + rows.Length, Seconds = before + clock.Elapsed.TotalSeconds };
            _observe(new StepDone(epoch, state.Step, batches.Count, _config.Epochs, state.LossSum / state.Rows, learningRate, state.Rows / state.Seconds, loss, norm));
        }

        if (_group.Size > 1) _observe(new EpochSynchronised(epoch, _group.Size, _group.TakeSecondsInSums(), clock.Elapsed.TotalSeconds));
        return (state, null);
    }

    /// <summary>Validates, keeps the best weights, and makes the state one between epochs.</summary>
    private TrainingState EndEpoch(TrainedModel model, SplitInputs valid, WeightAverage? average, TrainingCheckpoint checkpoint, LearningRate rate, TrainingState state, int steps)
    {
        int epoch = state.Epoch + 1;
        Stopwatch clock = Stopwatch.StartNew();
        (double validLoss, double[] mae) = Validate(model, valid, average);
        if (!double.IsFinite(validLoss)) throw new TrainingDivergedException(epoch, steps, [], $"the validation loss is {validLoss}");
        bool best = validLoss < state.BestLoss;
        if (best && _group.IsFirst) checkpoint.SaveBest(model.Network, epoch, average);
        EpochRecord record = new(epoch, state.LossSum / state.Rows, validLoss, rate.At((long)epoch * steps - 1), state.Seconds + clock.Elapsed.TotalSeconds, state.Rows / state.Seconds, mae);
        rate.EpochDone(validLoss);
        state = state with
        {
            Epoch = epoch,
            Step = 0,
            LossSum = 0,
            Rows = 0,
            Seconds = 0,
            Best = best ? epoch : state.Best,
            BestLoss = best ? validLoss : state.BestLoss,
            Plateau = rate.State,
            History = [.. state.History, record],
        };
        Allocator.Trim();
        _observe(new EpochDone(record, _config.Targets, best));
        // An epoch shorter than its checkpoint's writing is not worth one: it is done again after a crash.
        if (checkpoint.IsCheap || _config.CheckpointMinutes == 0) Save(checkpoint, state);
        return state;
    }

    private void Save(TrainingCheckpoint checkpoint, TrainingState state)
    {
        if (_group.IsFirst && checkpoint.Save(state) is { } written) _observe(new CheckpointWritten(state.Epoch + 1, state.Step, written.Seconds, written.Bytes));
    }

    /// <summary>Each step draws its own random numbers (SplitMix64 of run, epoch and step), so that none of them hangs on where a run was resumed; each process has masks of its own.</summary>
    internal static long SeedOf(int seed, int epoch, int step, int rank)
    {
        ulong x = unchecked(((ulong)(uint)seed * 0xD1342543DE82EF95UL) ^ ((ulong)(uint)epoch << 32) ^ (uint)step ^ ((ulong)(uint)rank * 0xA0761D6478BD642FUL));
        unchecked
        {
            x += 0x9E3779B97F4A7C15UL;
            x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
            x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
            return (long)(x ^ (x >> 31));
        }
    }

    /// <summary>
    /// The loss of a step's rows. Each process takes its share of them, in parts of the batch size; the gradients of all parts add
    /// up to that of the step and are left at the parameters.
    /// </summary>
    private double Backward(TrainedModel model, SplitInputs train, int[] rows, long seed, GradientSync sync)
    {
        double total = _objective.TotalWeight(train, rows), loss = 0;
        int[][] parts = [.. _group.Share(rows).Chunk(_config.BatchSize)];
        for (int part = 0; part < parts.Length; part++)
        {
            // Only with the last part gradients are complete.
            using IDisposable? watched = part == parts.Length - 1 ? sync.Watch() : null;
            loss += Backward(model, train, parts[part], seed, total);
        }

        sync.Finish();
        return _group.Total(loss);
    }

    private double Backward(TrainedModel model, SplitInputs train, int[] rows, long seed, double totalWeight)
    {
        using DisposeScope scope = NewDisposeScope();
        // What is left out follows from step and row: the share of a process, or where the run was resumed, changes nothing of it.
        Batch batch = Batch.Of([.. rows.Select(i => _modalityDropout.Of(train.Inputs[i], unchecked((ulong)seed + (ulong)i)))], model.Inputs.Representation.Modalities, model.Inputs.Representation.Fingerprint.Size, _device);
        (Tensor truth, Tensor? weights) = _objective.Targets(train, rows, model.Scaler, _device);   // (N, T)
        using IDisposable? rounded = _config.Bf16 ? BFloat16Products.UseOnThisThread() : null;
        Tensor loss = _objective.Loss(model.Network.Forward(batch), truth, weights, totalWeight);
        loss.backward();
        return loss.item<float>();
    }

    /// <summary>As <c>torch.nn.utils.clip_grad_norm_</c> scales gradients, which the optimiser does on its way.</summary>
    private double ClipScale(double? norm) => norm is { } known ? Math.Min(1, _config.ClipNorm / (known + 1e-6)) : 1;

    /// <summary>The loss in scaled units, as in training, and the MAE of each target in its unit.</summary>
    private (double Loss, double[] Mae) Validate(TrainedModel model, SplitInputs valid, WeightAverage? average)
    {
        using IDisposable? averaged = average?.Use();
        float[][] scaled = PredictTogether(model, valid);
        double[] mae = [.. _config.Targets.Select((_, t) => Enumerable.Range(0, scaled.Length).Where(n => !float.IsNaN(valid.Targets[n][t]))
            .Select(n => Math.Abs((double)model.Scaler.Unscale(scaled[n][t], t) - valid.Targets[n][t])).DefaultIfEmpty().Average())];
        return (_objective.Loss(scaled, valid, model.Scaler), mae);
    }

    /// <summary>Scaled predictions of all rows on every process, each of which computes its share.</summary>
    private float[][] PredictTogether(TrainedModel model, SplitInputs split)
    {
        if (_group.Size == 1) return model.PredictScaled(split.Inputs, _config.BatchSize * 4, _device);
        int targets = model.Scaler.Means.Count;
        int[] rows = _group.Share([.. Enumerable.Range(0, split.Rows.Count)]);
        float[][] own = rows.Length == 0 ? [] : model.PredictScaled([.. rows.Select(r => split.Inputs[r])], _config.BatchSize * 4, _device);
        double[] all = new double[split.Rows.Count * targets];
        for (int n = 0; n < rows.Length; n++)
            for (int t = 0; t < targets; t++) all[rows[n] * targets + t] = own[n][t];
        _group.Sum(all);
        return [.. all.Chunk(targets).Select(row => Array.ConvertAll(row, value => (float)value))];
    }
}
