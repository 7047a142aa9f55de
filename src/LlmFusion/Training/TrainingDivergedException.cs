using System.Globalization;

namespace LlmFusion.Training;

/// <summary>A loss, a gradient or a weight is no finite number any more. The last good checkpoint is kept.</summary>
/// <param name="epoch">Epoch, counted from 1.</param>
/// <param name="step">Step of the epoch, counted from 1.</param>
/// <param name="rows">Identifiers of the batch's rows; empty where no batch is to blame.</param>
/// <param name="what">What is not finite.</param>
/// <param name="advice">What the user may do.</param>
public sealed class TrainingDivergedException(
    int epoch, int step, IReadOnlyList<string> rows, string what, string advice = "go on from it with --resume, --accept-changes and a lower --learning-rate or --clip-norm")
    : Exception(Describe(epoch, step, rows, what, advice))
{
    private const int Shown = 10;

    /// <summary>Epoch, counted from 1.</summary>
    public int Epoch => epoch;

    /// <summary>Step of the epoch, counted from 1.</summary>
    public int Step => step;

    /// <summary>Identifiers of the batch's rows.</summary>
    public IReadOnlyList<string> Rows => rows;

    /// <summary>What is not finite.</summary>
    public string What => what;

    private static string Describe(int epoch, int step, IReadOnlyList<string> rows, string what, string advice) =>
        string.Create(CultureInfo.InvariantCulture, $"epoch {epoch}, step {step}: {what}")
        + (rows.Count == 0 ? "" : $". Rows of the batch: {string.Join(", ", rows.Take(Shown))}{(rows.Count > Shown ? $" and {rows.Count - Shown} more (all of them in {RunLogs.EventsFile})" : "")}")
        + $". The last good checkpoint is kept: {advice}";
}
