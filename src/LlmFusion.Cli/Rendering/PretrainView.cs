using System.Globalization;
using LlmFusion.Pretraining;
using LlmFusion.Training;

namespace LlmFusion.Cli.Rendering;

/// <summary>Shows a pretraining: what it does on stderr, what came out on stdout.</summary>
internal sealed class PretrainView(Screen screen) : IDisposable
{
    private ProgressLine? _line;
    private string _stage = "";

    /// <summary>Prints what came out.</summary>
    public static void Summarise(PretrainRecord record, string folder, Screen screen)
    {
        screen.Data(string.Create(CultureInfo.InvariantCulture, $"Held-out part: token loss {record.Losses.Tokens:F4}, {100 * record.Losses.Accuracy:F1} % of the tokens right{(record.Losses.Descriptors is { } error ? string.Create(CultureInfo.InvariantCulture, $", descriptor error {error:F4} (1: nothing known)") : "")}; {record.Minutes:F1} minutes."));
        screen.Data($"Encoder {folder}");
        screen.Data($"Use     ./llmfusion train .. --encoder {record.Config.Modality}={folder}");
    }

    /// <summary>Shows one event.</summary>
    public void Show(TrainingEvent happened)
    {
        switch (happened)
        {
            case CorpusProgress p:
                Progress(p.Source, "rows", null).Report(p.Rows, p.Source);
                break;
            case PretrainStarted s:
                Done();
                Describe(s);
                break;
            case PretrainStep s:
                Progress($"epoch {s.Epoch}", "steps", s.Steps).Report(s.Step,
                    string.Create(CultureInfo.InvariantCulture, $"epoch {s.Epoch}, {100 * s.Done:F0} % of the run, loss {s.Loss:F4}, learning rate {s.LearningRate:G2}, {s.TokensPerSecond:N0} tokens/s"));
                break;
            case PretrainValidated v:
                Done();
                screen.Note(string.Create(CultureInfo.InvariantCulture, $"epoch {v.Epoch}: loss {v.TrainLoss:F4}, held out {v.HeldOut.Loss:F4} (tokens {v.HeldOut.Tokens:F4}, {100 * v.HeldOut.Accuracy:F1} % right{(v.HeldOut.Descriptors is { } error ? string.Create(CultureInfo.InvariantCulture, $"; descriptors {error:F4}") : "")}), {v.Minutes:F1} minutes"));
                break;
        }
    }

    /// <summary>Takes the progress line off the terminal.</summary>
    public void Dispose() => Done();

    private void Describe(PretrainStarted s)
    {
        foreach (CorpusSource source in s.Corpus.Sources)
            screen.Note(string.Create(CultureInfo.InvariantCulture, $"{source.Name}: {source.Rows:N0} rows, {source.Kept:N0} kept; left out: {source.Reserved:N0} reserved, {source.Duplicates:N0} duplicates, {source.Without:N0} without a sequence, {source.Refused:N0} no molecule"));
        screen.Note(string.Create(CultureInfo.InvariantCulture, $"{s.Corpus.Train.Count:N0} sequences, {s.Corpus.HeldOut.Count:N0} held out; {s.Vocabulary:N0} tokens, {s.Parameters:N0} parameters"));
    }

    private ProgressLine Progress(string stage, string unit, long? total)
    {
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
}
