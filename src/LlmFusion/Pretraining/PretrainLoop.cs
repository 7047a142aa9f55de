using System.Diagnostics;
using LlmFusion.Training;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Pretraining;

/// <summary>The loop: AdamW on batches of like length, a warm-up and half a cosine over epochs or minutes, checkpoints.</summary>
/// <param name="config">A checked configuration.</param>
/// <param name="network">Trained in place.</param>
/// <param name="data">Its batches.</param>
/// <param name="optimizer">Of the network's parameters.</param>
/// <param name="checkpoint">Keeps both.</param>
/// <param name="device">Where the network lies.</param>
/// <param name="observe">Receives what happens.</param>
internal sealed class PretrainLoop(
    PretrainConfig config, PretrainNetwork network, PretrainData data, AdamW optimizer, TrainingCheckpoint checkpoint, Device device, Action<TrainingEvent> observe)
{
    /// <summary>Trains to the end of the run, or until the user stops it, which <see cref="CancellationToken"/> then says.</summary>
    /// <exception cref="TrainingDivergedException">A loss or a gradient is not finite; the last good checkpoint is kept.</exception>
    public TrainingState Train(TrainingState state, CancellationToken cancellation)
    {
        while (state.Epoch < config.Epochs || config.Minutes is not null)
        {
            state = TrainEpoch(state, cancellation, out bool ended);
            if (cancellation.IsCancellationRequested) break;
            state = EndEpoch(state);
            if (ended) break;
        }

        if (checkpoint.Save(state) is { } written) observe(new CheckpointWritten(state.Epoch + 1, state.Step, written.Seconds, written.Bytes));
        return state;
    }

    /// <summary>The losses on the held-out part: seconds, which a stopped run waits for, so that the epoch is kept.</summary>
    public HeldOutLosses Validate()
    {
        IReadOnlyList<TrainingSequence> sequences = data.HeldOut();
        using IDisposable noGrad = no_grad();
        network.eval();
        double tokens = 0, hits = 0, asked = 0, descriptors = 0;
        foreach (int[] rows in BatchSampler.ByLength([.. sequences.Select(s => s.Input.Length)], config.BatchSize))
        {
            using DisposeScope scope = NewDisposeScope();
            PretrainBatch batch = data.Batch(sequences, rows, heldOut: true, device);
            PretrainLosses losses = network.Losses(batch);
            tokens += losses.Tokens.item<float>() * batch.Labels.shape[0];
            hits += losses.Hits.item<long>();
            asked += batch.Labels.shape[0];
            descriptors += (losses.Descriptors?.item<float>() ?? 0) * rows.Length / sequences.Count;
        }

        (tokens, hits) = (tokens / asked, hits / asked);
        double? error = data.Descriptors > 0 ? descriptors : null;
        return new HeldOutLosses(tokens + config.DescriptorWeight * (error ?? 0), tokens, hits, error);
    }

    private TrainingState TrainEpoch(TrainingState state, CancellationToken cancellation, out bool ended)
    {
        int epoch = state.Epoch + 1;
        Stopwatch clock = Stopwatch.StartNew();
        double before = state.Seconds, history = state.History.Sum(h => h.Seconds);
        IReadOnlyList<TrainingSequence> sequences = data.OfEpoch(epoch, CancellationToken.None); // seconds, which a stopped run waits for
        IReadOnlyList<int[]> batches = new BatchSampler(sequences.Select(s => s.Input.Length), config.BatchSize, config.Seed).Epoch(epoch);
        double prepared = clock.Elapsed.TotalSeconds;
        long tokens = 0;
        network.train();
        while (state.Step < batches.Count)
        {
            int[] rows = batches[state.Step];
            double done = Done(state, batches.Count, history + state.Seconds), learningRate = LearningRateAt(done);
            if (done >= 1) break;
            manual_seed(Trainer.SeedOf(config.Seed, epoch, state.Step, rank: 0)).Dispose();
            double loss = Backward(sequences, rows), norm = optimizer.GradientNorm();
            if (!double.IsFinite(loss) || !double.IsFinite(norm))
            {
                throw new TrainingDivergedException(epoch, state.Step + 1, [], FormattableString.Invariant($"the loss is {loss}, the gradient's norm {norm} (learning rate {learningRate:G3})"),
                    "it goes on to the same place; begin anew with a lower --learning-rate");
            }

            // Here the weights are known to give a finite loss: what is kept can be gone on from.
            if (cancellation.IsCancellationRequested) break;
            if (checkpoint.IsDue(TimeSpan.FromMinutes(config.CheckpointMinutes)) && checkpoint.Save(state) is { } written)
                observe(new CheckpointWritten(epoch, state.Step, written.Seconds, written.Bytes));
            optimizer.Step(learningRate, Math.Min(1, config.ClipNorm / (norm + 1e-6)));
            network.zero_grad(set_to_none: true);
            tokens += rows.Sum(r => (long)sequences[r].Input.Length);
            state = state with { Step = state.Step + 1, LossSum = state.LossSum + loss * rows.Length, Rows = state.Rows + rows.Length, Seconds = before + clock.Elapsed.TotalSeconds };
            observe(new PretrainStep(epoch, state.Step, batches.Count, Done(state, batches.Count, history + state.Seconds), state.LossSum / state.Rows, learningRate, tokens / (clock.Elapsed.TotalSeconds - prepared)));
        }

        network.zero_grad(set_to_none: true);
        ended = Done(state, batches.Count, history + state.Seconds) >= 1;
        return state;
    }

    private double Backward(IReadOnlyList<TrainingSequence> sequences, int[] rows)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable? rounded = config.Bf16 ? BFloat16Products.UseOnThisThread() : null;
        PretrainLosses losses = network.Losses(data.Batch(sequences, rows, heldOut: false, device));
        Tensor loss = losses.Descriptors is { } descriptors ? losses.Tokens + config.DescriptorWeight * descriptors : losses.Tokens;
        loss.backward();
        return loss.item<float>();
    }

    private TrainingState EndEpoch(TrainingState state)
    {
        int epoch = state.Epoch + 1;
        Stopwatch clock = Stopwatch.StartNew();
        HeldOutLosses heldOut = Validate();
        Allocator.Trim();
        double trainLoss = state.LossSum / Math.Max(1, state.Rows);
        EpochRecord record = new(epoch, trainLoss, heldOut.Loss, LearningRateAt(Done(state, Math.Max(1, state.Step), state.History.Sum(h => h.Seconds) + state.Seconds)), state.Seconds + clock.Elapsed.TotalSeconds, state.Rows / Math.Max(1e-9, state.Seconds), []);
        int steps = state.Step;
        state = state with { Epoch = epoch, Step = 0, LossSum = 0, Rows = 0, Seconds = 0, History = [.. state.History, record] };
        observe(new PretrainValidated(epoch, steps, trainLoss, heldOut, state.History.Sum(h => h.Seconds) / 60));
        return state;
    }

    /// <summary>Share of the run that is done: of its minutes, else of its steps.</summary>
    private double Done(TrainingState state, int steps, double seconds) =>
        config.Minutes is { } minutes ? seconds / (60 * minutes) : (state.Epoch + (double)state.Step / steps) / config.Epochs;

    private double LearningRateAt(double done) =>
        config.LearningRate * (done < config.Warmup ? (done + 1e-3) / (config.Warmup + 1e-3) : 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, (done - config.Warmup) / (1 - config.Warmup)))));
}
