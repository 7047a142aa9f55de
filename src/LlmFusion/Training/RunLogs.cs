using System.Text.Json.Nodes;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;

namespace LlmFusion.Training;

/// <summary>A run's logs in its folder: CSV with a line an epoch, JSON lines, TensorBoard's event file. All go on after a checkpoint as if nothing had happened.</summary>
public sealed class RunLogs : IDisposable
{
    /// <summary>One line an epoch.</summary>
    public const string CsvFile = "training-log.csv";

    /// <summary>JSON lines.</summary>
    public const string EventsFile = "events.jsonl";

    /// <summary>For <c>tensorboard --logdir</c>.</summary>
    public const string TensorBoardFolder = "tensorboard";

    private const int StepsPerLine = 10;

    private readonly TrainingLog _csv;
    private readonly EventLog _events;
    private readonly TensorBoardLog _tensorBoard;
    private readonly IReadOnlyList<string> _targets;
    private int _steps;

    /// <param name="folder">The run's folder.</param>
    /// <param name="targets">Names of the targets.</param>
    /// <param name="resumed">Where the run goes on; null for a new one.</param>
    public RunLogs(string folder, IReadOnlyList<string> targets, TrainingState? resumed)
    {
        _targets = targets;
        _csv = new TrainingLog(Path.Combine(folder, CsvFile), targets, resumed?.History ?? []);
        _events = new EventLog(Path.Combine(folder, EventsFile), resumed);
        _tensorBoard = new TensorBoardLog(Path.Combine(folder, TensorBoardFolder), _events.Kept);
    }

    /// <summary>Writes an event down, where it is one of the training's own.</summary>
    public void Write(TrainingEvent happened)
    {
        switch (happened)
        {
            case RunStarted s:
                _events.Add("start", s.FirstEpoch, s.FirstStep, ("data", s.Data), ("train", s.Train), ("valid", s.Valid), ("test", s.Test), ("refused", s.Refused.Count),
                    ("parameters", s.Parameters.Sum(p => p.Trained)), ("frozen", s.Parameters.Sum(p => p.Frozen)), ("targets", new JsonArray([.. _targets.Select(t => (JsonNode)t)])), ("resumed", s.FirstEpoch > 1 || s.FirstStep > 0));
                break;
            case StepDone s:
                _steps = s.Steps;
                if (s.Step % StepsPerLine != 0 && s.Step != s.Steps) break;
                _tensorBoard.Add(_events.Add("step", s.Epoch, s.Step, ("steps", s.Steps), ("batch_loss", EventLog.Number(s.BatchLoss)), ("loss", EventLog.Number(s.Loss)),
                    ("learning_rate", s.LearningRate), ("gradient_norm", s.GradientNorm is { } norm ? EventLog.Number(norm) : null), ("molecules_per_second", EventLog.Number(s.MoleculesPerSecond))));
                break;
            case EpochDone { Record: var r } e:
                _csv.Add(r);
                JsonObject mae = new(e.Targets.Zip(r.ValidMae, (target, value) => KeyValuePair.Create(target, EventLog.Number(value))));
                _tensorBoard.Add(_events.Add("epoch", r.Epoch, _steps, ("steps", _steps), ("train_loss", EventLog.Number(r.TrainLoss)), ("valid_loss", EventLog.Number(r.ValidLoss)),
                    ("learning_rate", r.LearningRate), ("valid_mae", mae), ("best", e.Best), ("seconds", EventLog.Number(r.Seconds)), ("molecules_per_second", EventLog.Number(r.MoleculesPerSecond))));
                break;
            case CheckpointWritten c:
                _events.Add("checkpoint", c.Epoch, c.Step, ("bytes", c.Bytes), ("seconds", c.Seconds));
                break;
            case RunNote n:
                _events.Add("note", 0, 0, ("text", n.Text));
                break;
        }
    }

    /// <summary>Writes down that the run cannot go on, with every row of the batch.</summary>
    public void Diverged(TrainingDivergedException e) =>
        _events.Add("diverged", e.Epoch, e.Step, ("what", e.What), ("rows", new JsonArray([.. e.Rows.Select(r => (JsonNode)r)])));

    /// <summary>Writes down how the run ended.</summary>
    public void Ended(TrainingState state, StopReason reason, Comparison? metrics) =>
        _events.Add("end", state.Epoch + 1, state.Step, ("reason", reason switch { StopReason.Completed => "completed", StopReason.EarlyStopping => "early_stopping", StopReason.TimeOver => "time_over", _ => "cancelled" }),
            ("epochs", state.Epoch), ("best_epoch", state.Best), ("best_loss", EventLog.Number(state.BestLoss)), ("metrics", metrics is null ? null : JsonNode.Parse(metrics.ToJson())!["rows"]!.DeepClone()));

    /// <inheritdoc/>
    public void Dispose()
    {
        _csv.Dispose();
        _events.Dispose();
        _tensorBoard.Dispose();
    }
}
