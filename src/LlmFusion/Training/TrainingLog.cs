using System.Globalization;

namespace LlmFusion.Training;

/// <summary>The training log as CSV, one line an epoch, on the disk as soon as the epoch is done.</summary>
public sealed class TrainingLog : IDisposable
{
    private readonly StreamWriter _file;

    /// <param name="path">The file; written anew, beginning with <paramref name="history"/>.</param>
    /// <param name="targets">Names of the targets.</param>
    /// <param name="history">Epochs of the run that is resumed.</param>
    public TrainingLog(string path, IReadOnlyList<string> targets, IReadOnlyList<EpochRecord> history)
    {
        _file = new StreamWriter(path) { AutoFlush = true };
        WriteLine([.. Columns, .. targets.Select(t => $"valid_mae_{t}")]);
        foreach (EpochRecord record in history) Add(record);
    }

    private static readonly string[] Columns = ["epoch", "train_loss", "valid_loss", "learning_rate", "seconds", "molecules_per_second"];

    /// <summary>Appends an epoch.</summary>
    public void Add(EpochRecord record) => WriteLine(
    [
        record.Epoch.ToString(CultureInfo.InvariantCulture), Round(record.TrainLoss), Round(record.ValidLoss), Round(record.LearningRate),
        Round(record.Seconds), Round(record.MoleculesPerSecond), .. record.ValidMae.Select(Round),
    ]);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void WriteLine(IEnumerable<string> fields) =>
        _file.WriteLine(string.Join(',', fields.Select(f => f.AsSpan().ContainsAny(',', '"', '\n') ? $"\"{f.Replace("\"", "\"\"")}\"" : f)));

    private static string Round(double value) => value.ToString("G7", CultureInfo.InvariantCulture);
}
