using System.Diagnostics;
using System.Globalization;

namespace LlmFusion.Cli.Rendering;

/// <summary>
/// A running count on stderr: "12,000 of 26,407 molecules (45 %), 3,100/s, 5 s left, loss 0.123". On a terminal one line is
/// drawn over a few times a second; elsewhere a plain line is written now and then. Safe to report to from several threads.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private static readonly TimeSpan Redraw = TimeSpan.FromSeconds(0.1), Repeat = TimeSpan.FromSeconds(10);

    private readonly TextWriter error;
    private readonly bool interactive;
    private readonly string unit;
    private readonly long? total;
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly Lock gate = new();
    private TimeSpan shown = TimeSpan.MinValue;
    private int width;

    internal ProgressLine(TextWriter error, bool interactive, string unit, long? total)
    {
        this.error = error;
        this.interactive = interactive;
        this.unit = unit;
        this.total = total;
    }

    /// <summary>Says how many units are done, and anything worth saying beside, such as the loss.</summary>
    public void Report(long done, string? beside = null)
    {
        lock (gate)
        {
            TimeSpan now = clock.Elapsed;
            if (shown != TimeSpan.MinValue && now - shown < (interactive ? Redraw : Repeat)) return;
            // A plain log starts with something to say, not with a line of zeros.
            if (!interactive && shown == TimeSpan.MinValue && now < Repeat) return;
            shown = now;
            Write(Text(done, total, unit, now, beside));
        }
    }

    /// <summary>Takes the line off a terminal; plain lines stay.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (interactive && width > 0) error.Write("\r" + new string(' ', width) + "\r");
            width = 0;
        }
    }

    internal static string Text(long done, long? total, string unit, TimeSpan elapsed, string? beside)
    {
        double rate = elapsed > TimeSpan.Zero ? done / elapsed.TotalSeconds : 0;
        string text = total is { } all
            ? string.Create(CultureInfo.InvariantCulture, $"{done:N0} of {all:N0} {unit} ({(all > 0 ? done * 100.0 / all : 100):F0} %)")
            : string.Create(CultureInfo.InvariantCulture, $"{done:N0} {unit}");
        if (rate > 0) text += ", " + rate.ToString(rate < 10 ? "F1" : "N0", CultureInfo.InvariantCulture) + "/s";
        if (rate > 0 && total > done) text += $", {Span(TimeSpan.FromSeconds((total.Value - done) / rate))} left";
        return beside is null ? text : $"{text}, {beside}";
    }

    private static string Span(TimeSpan span) =>
        span.TotalSeconds < 100 ? $"{span.TotalSeconds:F0} s"
        : span.TotalMinutes < 100 ? $"{span.TotalMinutes:F0} min"
        : $"{Math.Floor(span.TotalHours):F0} h {span.Minutes} min";

    private void Write(string text)
    {
        if (!interactive)
        {
            error.WriteLine(text);
            return;
        }

        int room = Math.Max(20, Console.WindowWidth - 1);
        if (text.Length > room) text = text[..room];
        error.Write("\r" + text.PadRight(width));
        width = text.Length;
    }
}
