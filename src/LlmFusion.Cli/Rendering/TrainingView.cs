using System.Diagnostics;
using System.Globalization;
using LlmFusion.Baselines;
using LlmFusion.Embedding;
using LlmFusion.Evaluation;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Training;

namespace LlmFusion.Cli.Rendering;

/// <summary>Shows a training run: what it does on stderr, what came out on stdout.</summary>
internal sealed class TrainingView(Screen screen) : IDisposable
{
    private readonly DownloadView _download = new(screen);
    private readonly Stopwatch _sampled = Stopwatch.StartNew();
    private Stopwatch? _clock;
    private ProgressLine? _line;
    private long _stepsBefore;
    private string _memory = "";
    private string _stage = "";

    /// <summary>The table of metrics, model beside baselines, each target in its unit.</summary>
    public static DataTable Metrics(Comparison metrics)
    {
        DataTable table = new("split", "target", "predictor", "n", "MAE", "RMSE", "MSE", "R2", "unit");
        string previous = "";
        foreach (ComparisonRow row in metrics.Rows.GroupBy(r => (r.Split, r.Target)).SelectMany(g => g))
        {
            string part = row.Split + "\t" + row.Target;
            bool same = previous == part;
            previous = part;
            table.Add(same ? "" : row.Split, same ? "" : row.Target, row.Predictor, row.Metrics.N,
                Round(row.Metrics.Mae), Round(row.Metrics.Rmse), Round(row.Metrics.Mse), row.Metrics.R2.ToString("F3", CultureInfo.InvariantCulture), row.Unit);
        }

        return table;
    }

    /// <summary>Between which values the model's metrics lie with 95 % confidence; null where that was not computed.</summary>
    public static DataTable? Intervals(Comparison metrics)
    {
        DataTable table = new("split", "target", "MAE", "RMSE", "MSE", "R2", "unit") { Title = $"95 % bootstrap intervals of {Comparison.Model} ({Bootstrap.Resamples} resamples of the rows)" };
        ComparisonRow[] rows = [.. metrics.Rows.Where(r => r.Predictor == Comparison.Model && r.Metrics.Intervals is not null)];
        foreach (ComparisonRow row in rows)
        {
            MetricIntervals i = row.Metrics.Intervals!;
            table.Add(row.Split, row.Target, Range(i.Mae), Range(i.Rmse), Range(i.Mse), Range(i.R2), row.Unit);
        }

        return rows.Length > 0 ? table : null;

        static string Range(Interval interval) => $"{Round(interval.Low)} to {Round(interval.High)}";
    }

    /// <summary>Prints what came out.</summary>
    public static void Summarise(TrainingSummary summary, Screen screen)
    {
        screen.Table(Metrics(summary.Manifest.Metrics));
        if (Intervals(summary.Manifest.Metrics) is { } intervals) screen.Table(intervals);
        TrainingEntry training = summary.Manifest.Training;
        string end = summary.Reason switch
        {
            StopReason.Completed => "all epochs done",
            StopReason.EarlyStopping => "stopped early, as the validation loss no longer improved",
            StopReason.TimeOver => $"the time is over; go on with: ./llmfusion train --resume {summary.Folder}",
            _ => $"stopped by the user; go on with: ./llmfusion train --resume {summary.Folder}",
        };
        using Process self = Process.GetCurrentProcess();
        string memory = string.Create(CultureInfo.InvariantCulture, $"{self.PeakWorkingSet64 / 1e9:F1} GB of memory at most");
        screen.Data($"Best epoch {training.BestEpoch} of {training.Epochs}, {Minutes(training.Seconds)}, {memory}; {end}.");
        screen.Data($"Model  {summary.Folder}");
        screen.Data($"Report {Path.Combine(summary.Folder, TrainingRun.ReportFile)}");
        foreach (string plot in summary.Plots) screen.Data($"Plot   {plot}");
    }

    /// <summary>Shows one event.</summary>
    public void Show(TrainingEvent happened)
    {
        switch (happened)
        {
            case PreparationProgress p:
                Progress($"read {p.Split}", "molecules", p.Total).Report(p.Done, $"{p.Split} split");
                break;
            case ModelProgress m:
                Done();
                _download.Show(m.Hub);
                break;
            case Substituted s:
                Done();
                screen.Note(s.Text);
                break;
            case EmbeddingProgress e:
                Progress($"embed {e.Split} {e.Modality}", "molecules", e.Total).Report(e.Done, $"{e.Modality} of the {e.Split} split by {e.Encoder}");
                break;
            case RunStarted s:
                Done();
                Describe(s);
                _clock = null;
                break;
            case RunNote n:
                Done();
                screen.Note($"Note: {n.Text}");
                break;
            case StepDone s:
                Progress($"epoch {s.Epoch}", "steps", s.Steps).Report(s.Step,
                    string.Create(CultureInfo.InvariantCulture, $"epoch {s.Epoch} of at most {s.Epochs}, loss {s.Loss:F4}, learning rate {s.LearningRate:G2}, {s.MoleculesPerSecond:F0} molecules/s, {Memory()}{AllLeft(s)}"));
                break;
            case TrialDone t:
                Done();
                screen.Note(string.Create(CultureInfo.InvariantCulture, $"{t.Trial.Target}: trial {t.Trial.Number + 1} of {t.Trials}, validation {t.Trial.Metric:G4} with {t.Trial.Trees} trees of depth {t.Trial.Settings.MaxDepth}, {t.Trial.Seconds:F0} s{(t.Best ? ", best so far" : "")}"));
                break;
            case EpochSynchronised s:
                Done();
                screen.Note(string.Create(CultureInfo.InvariantCulture, $"{s.Processes} processes: {s.SecondsWaited:F2} of {s.Seconds:F2} s of training went into waiting for each other and for sums of gradients"));
                break;
            case EpochDone e:
                Done();
                screen.Note(string.Create(CultureInfo.InvariantCulture, $"epoch {e.Record.Epoch}: loss {e.Record.TrainLoss:F4}, validation {e.Record.ValidLoss:F4} (")
                    + string.Join(", ", e.Targets.Zip(e.Record.ValidMae, (t, mae) => $"MAE {t} {Round(mae)}"))
                    + string.Create(CultureInfo.InvariantCulture, $"), {e.Record.MoleculesPerSecond:F0} molecules/s, {e.Record.Seconds:F0} s{(e.Best ? ", best so far" : "")}"));
                break;
        }
    }

    /// <summary>Takes a running line off the terminal.</summary>
    public void Dispose()
    {
        Done();
        _download.Dispose();
    }

    private void Describe(RunStarted s)
    {
        screen.Note(string.Create(CultureInfo.InvariantCulture, $"{s.Data}: {s.Train:N0} training, {s.Valid:N0} validation, {s.Test:N0} test molecules"));
        if (s.Refused.Count > 0) screen.Note($"{s.Refused.Count} rows left out, the first: {s.Refused[0].Message}");
        foreach ((string modality, int count) in s.Missing.Where(m => m.Value > 0)) screen.Note($"{count} molecules have no {modality}: it is masked out for them");
        foreach ((Modality modality, Truncation cut) in s.Truncated)
            screen.Note(string.Create(CultureInfo.InvariantCulture, $"{cut.Molecules:N0} {modality} sequences are longer than the encoder reads: {cut.Tokens:N0} tokens are cut off (--max-tokens, or max-tokens of --encoder)"));
        if (s.Embeddings is not (0, 0)) screen.Note(string.Create(CultureInfo.InvariantCulture, $"{s.Embeddings.Computed:N0} embeddings computed, {s.Embeddings.Found:N0} from the store"));
        foreach (string line in ParameterTable(s.Parameters)) screen.Note(line);
        if (s.FirstEpoch > 1 || s.FirstStep > 0) screen.Note($"going on with epoch {s.FirstEpoch}{(s.FirstStep > 0 ? $", after step {s.FirstStep}" : "")}");
    }

    /// <summary>Trained and frozen parameters of each part in columns, and their sums.</summary>
    private static IEnumerable<string> ParameterTable(IReadOnlyList<PartParameters> parts)
    {
        PartParameters all = new("all", parts.Sum(p => p.Trained), parts.Sum(p => p.Frozen));
        int name = Math.Max("parameters".Length, parts.Max(p => p.Part.Length)), number = Math.Max("trained".Length, Number(all.Trained + all.Frozen).Length);
        yield return $"{"parameters".PadRight(name)}  {"trained".PadLeft(number)}  {"frozen".PadLeft(number)}";
        foreach (PartParameters part in parts.Append(all)) yield return $"{part.Part.PadRight(name)}  {Number(part.Trained).PadLeft(number)}  {Number(part.Frozen).PadLeft(number)}";

        static string Number(long count) => count.ToString("N0", CultureInfo.InvariantCulture);
    }

    /// <summary>What the process holds in memory; looked up now and then only, as steps may be short.</summary>
    private string Memory()
    {
        if (_memory.Length > 0 && _sampled.Elapsed < TimeSpan.FromSeconds(0.5)) return _memory;
        _sampled.Restart();
        return _memory = ProgressLine.Bytes(Environment.WorkingSet);
    }

    /// <summary>Time left if no epoch is saved by early stopping; validation counts, as the clock runs through it.</summary>
    private string AllLeft(StepDone s)
    {
        long done = (long)(s.Epoch - 1) * s.Steps + s.Step, all = (long)s.Epochs * s.Steps;
        if (_clock is null)
        {
            _clock = Stopwatch.StartNew();
            _stepsBefore = done;
        }

        return done == _stepsBefore || done == all ? "" : $", at most {ProgressLine.Span(_clock.Elapsed * ((double)(all - done) / (done - _stepsBefore)))} left for all epochs";
    }

    private ProgressLine Progress(string stage, string unit, long total)
    {
        _download.Dispose();
        if (_line is not null && _stage == stage) return _line;
        Done();
        _stage = stage;
        return _line = screen.Progress(unit, total);
    }

    private void Done()
    {
        _line?.Dispose();
        _line = null;
    }

    private static string Minutes(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:F1} minutes");

    private static string Round(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
