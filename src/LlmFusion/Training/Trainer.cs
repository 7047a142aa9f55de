using System.Diagnostics;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Distributed;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Transformers;
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
    public (TrainingState State, StopReason Reason) Train(TrainedModel model, SplitInputs train, SplitInputs valid, TrainingCheckpoint checkpoint,
        string splitSha256, TrainingState? resumed, AdamW optimizer, CancellationToken cancellation)
    {
        BatchSampler sampler = new(train.Inputs.Select(i => i.TokenCount), _config.BatchSize, _config.Seed);
        LearningRate rate = new(_config, sampler.BatchCount);
        TrainingState state = resumed ?? new TrainingState(splitSha256, 0, 0, double.PositiveInfinity, new LearningRate.Plateau(), []);
        rate.State = state.Plateau;
        model.Network.to(_device);
        using GradientSync sync = new(_group, optimizer.Groups.SelectMany(g => g.Parameters).Select(p => p.Value), model.Network.Fusion.Llm.Blocks);
        while (state.Epoch < _config.Epochs)
        {
            if (state.Epoch - state.Best >= _config.EarlyStopping) return (state, StopReason.EarlyStopping);
            int epoch = state.Epoch + 1;
            Stopwatch clock = Stopwatch.StartNew();
            // Equal sums leave equal weights; different processors may round differently all the same.
            _group.Broadcast(model.Network.state_dict().Values);
            if (TrainEpoch(model, train, sampler, rate, optimizer, sync, epoch, cancellation) is not { } trained) return (state, StopReason.Cancelled);
            if (_group.Size > 1) _observe(new EpochSynchronised(epoch, _group.Size, _group.TakeSecondsInSums(), clock.Elapsed.TotalSeconds));
            (double validLoss, double[] mae) = Validate(model, valid);
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
            if (_group.IsFirst) checkpoint.Save(model.Network, optimizer, state);
            _observe(new EpochDone(record, _config.Targets, best));
        }

        return (state, StopReason.Completed);
    }

    private (double Loss, double Rate, double MoleculesPerSecond)? TrainEpoch(TrainedModel model, SplitInputs train, BatchSampler sampler, LearningRate rate,
        AdamW optimizer, GradientSync sync, int epoch, CancellationToken cancellation)
    {
        // One seed per epoch: a resumed run draws the same dropout masks as an uninterrupted one. Each rank has masks of its own.
        manual_seed(unchecked(_config.Seed * 1_000_003L + epoch + _group.Rank * 7_368_787_000_003L));
        model.Network.train();
        IReadOnlyList<int[]> batches = sampler.Epoch(epoch);
        double lossSum = 0, learningRate = 0;
        int seen = 0;
        Stopwatch clock = Stopwatch.StartNew();
        for (int step = 0; step < batches.Count; step++)
        {
            if (_group.Any(cancellation.IsCancellationRequested)) return null;
            learningRate = rate.At((long)(epoch - 1) * batches.Count + step);
            double loss = TrainStep(model, train, batches[step], optimizer, sync, learningRate);
            if (!double.IsFinite(loss))
                throw new TrainingDivergedException($"epoch {epoch}, step {step + 1}: the loss is {loss}; a lower --learning-rate may help. Checkpoints of earlier epochs are kept. Rows of the batch: {string.Join(", ", batches[step].Take(10).Select(i => train.Rows[i].Sample!.Id))}");
            lossSum += loss * batches[step].Length;
            seen += batches[step].Length;
            _observe(new StepDone(epoch, step + 1, batches.Count, _config.Epochs, lossSum / seen, learningRate, seen / clock.Elapsed.TotalSeconds));
        }

        return (lossSum / seen, learningRate, seen / clock.Elapsed.TotalSeconds);
    }

    private double TrainStep(TrainedModel model, SplitInputs train, int[] batchRows, AdamW optimizer, GradientSync sync, double learningRate)
    {
        using DisposeScope scope = NewDisposeScope();
        int[] rows = _group.Share(batchRows);
        double value = rows.Length > 0 ? ForwardBackward(model, train, rows, KnownTargets(train, rows) / Math.Max(1, KnownTargets(train, batchRows)), sync) : 0;
        sync.Finish();
        value = _group.Total(value);
        if (double.IsFinite(value)) optimizer.Step(learningRate, ClipScale(optimizer));
        model.Network.zero_grad(set_to_none: true);
        return value;
    }

    /// <summary>Adds the gradients of the loss over some rows of a batch.</summary>
    /// <param name="model">The model.</param>
    /// <param name="train">The training split.</param>
    /// <param name="rows">Which rows.</param>
    /// <param name="share">Their share of the mean over the batch.</param>
    /// <param name="sync">Takes the gradients as they get ready.</param>
    /// <returns>What these rows contribute to the batch's loss.</returns>
    private double ForwardBackward(TrainedModel model, SplitInputs train, int[] rows, double share, GradientSync sync)
    {
        Batch batch = Batch.Of([.. rows.Select(i => train.Inputs[i])], model.Inputs.Representation.Modalities, model.Inputs.Representation.Fingerprint.Size, _device);
        (Tensor truth, Tensor? known) = ScaledTargets(train, rows, model.Scaler);     // (N, T)
        using IDisposable? watched = sync.Watch(), rounded = _config.Bf16 ? BFloat16Products.UseOnThisThread() : null;
        Tensor loss = Losses.Of(_config.Loss, model.Network.Forward(batch), truth, known);
        if (share != 1) loss = loss * share;
        loss.backward();
        return loss.item<float>();
    }

    /// <summary>The weight of some rows in the mean over their batch.</summary>
    private static double KnownTargets(SplitInputs split, int[] rows) => rows.Sum(r => split.Targets[r].Count(t => !float.IsNaN(t)));

    /// <summary>As <c>torch.nn.utils.clip_grad_norm_</c> scales gradients, which the optimiser does on its way.</summary>
    private double ClipScale(AdamW optimizer) => _config.ClipNorm > 0 ? Math.Min(1, _config.ClipNorm / (optimizer.GradientNorm() + 1e-6)) : 1;

    private (Tensor Truth, Tensor? Known) ScaledTargets(SplitInputs split, int[] rows, TargetScaler scaler)
    {
        int targets = scaler.Means.Count;
        float[] truth = new float[rows.Length * targets], known = new float[rows.Length * targets];
        bool allKnown = true;
        for (int n = 0; n < rows.Length; n++)
            for (int t = 0; t < targets; t++)
            {
                float value = split.Targets[rows[n]][t];
                bool isKnown = !float.IsNaN(value);
                allKnown &= isKnown;
                truth[n * targets + t] = isKnown ? scaler.Scale(value, t) : 0;
                known[n * targets + t] = isKnown ? 1 : 0;
            }

        return (tensor(truth, device: _device).view(rows.Length, targets), allKnown ? null : tensor(known, device: _device).view(rows.Length, targets));
    }

    /// <summary>The loss over all known entries in scaled units, and the MAE of each target in its unit.</summary>
    private (double Loss, double[] Mae) Validate(TrainedModel model, SplitInputs valid)
    {
        int[] rows = _group.Share([.. Enumerable.Range(0, valid.Rows.Count)]);
        float[][] predicted = model.Predict([.. rows.Select(r => valid.Inputs[r])], _config.BatchSize * 4, _device);
        int targets = model.Scaler.Means.Count;
        double[] sums = new double[2 * targets + 1]; // over all ranks
        Span<double> absolute = sums.AsSpan(0, targets), known = sums.AsSpan(targets, targets);
        ref double loss = ref sums[^1];
        for (int n = 0; n < predicted.Length; n++)
            for (int t = 0; t < targets; t++)
            {
                float truth = valid.Targets[rows[n]][t];
                if (float.IsNaN(truth)) continue;
                double error = Math.Abs((double)predicted[n][t] - truth), scaled = error / model.Scaler.Deviations[t];
                absolute[t] += error;
                loss += _config.Loss == LossKind.Mse ? scaled * scaled : scaled;
                known[t]++;
            }

        _group.Sum(sums);
        return (loss / Math.Max(1, sums[targets..^1].Sum()), [.. Enumerable.Range(0, targets).Select(t => sums[t] / Math.Max(1, sums[targets + t]))]);
    }
}
