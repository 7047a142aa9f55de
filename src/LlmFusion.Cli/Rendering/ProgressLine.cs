using System.Diagnostics;
using System.Globalization;

namespace LlmFusion.Cli.Rendering;

/// <summary>
/// A running count on stderr: "12,000 of 26,407 molecules (45 %), 3,100/s, 5 s left, loss 0.123". On a terminal one line is
/// drawn over a few times a second; elsewhere a plain line is written now and then. Safe to report to from several threads.
/// The unit "bytes" is written as kB, MB or GB.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private static readonly TimeSpan Redraw = TimeSpan.FromSeconds(0.1), Repeat = TimeSpan.FromSeconds(10);

    private readonly TextWriter error;
    private readonly bool interactive;
    private readonly string unit;
    private readonly long? total;
    private readonly long before;
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly Lock gate = new();
    private TimeSpan shown = TimeSpan.MinValue;
    private int width;

    /// <param name="error">Where it is written.</param>
    /// <param name="interactive">True for a terminal.</param>
    /// <param name="unit">What is counted.</param>
    /// <param name="total">How many there will be, where that is known.</param>
    /// <param name="before">How many were there when the clock started: they say nothing about the rate.</param>
    internal ProgressLine(TextWriter error, bool interactive, string unit, long? total, long before = 0)
    {
        this.error = error;
        this.interactive = interactive;
        this.unit = unit;
        this.total = total;
        this.before = before;
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
            Write(Text(done, total, unit, now, beside, before));
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

    internal static string Text(long done, long? total, string unit, TimeSpan elapsed, string? beside, long before = 0)
    {
        bool bytes = unit == "bytes";
        double rate = elapsed > TimeSpan.Zero ? (done - before) / elapsed.TotalSeconds : 0;
        string Amount(long count) => bytes ? Bytes(count) : count.ToString("N0", CultureInfo.InvariantCulture);
        string text = total is { } all
            ? string.Create(CultureInfo.InvariantCulture, $"{Amount(done)} of {Amount(all)}{(bytes ? "" : " " + unit)} ({(all > 0 ? done * 100.0 / all : 100):F0} %)")
            : $"{Amount(done)}{(bytes ? "" : " " + unit)}";
        if (rate > 0) text += ", " + (bytes ? Bytes(rate) : rate.ToString(rate < 10 ? "F1" : "N0", CultureInfo.InvariantCulture)) + "/s";
        if (rate > 0 && total > done) text += $", {Span(TimeSpan.FromSeconds((total.Value - done) / rate))} left";
        return beside is null ? text : $"{text}, {beside}";
    }

    /// <summary>An amount of bytes as people say it: 999 B, 1.5 kB, 548.1 MB, 5.1 GB.</summary>
    internal static string Bytes(double count) => string.Create(CultureInfo.InvariantCulture, $"{(count < 1e3 ? $"{count:F0} B"
        : count < 1e6 ? $"{count / 1e3:F1} kB"
        : count < 1e9 ? $"{count / 1e6:F1} MB"
        : $"{count / 1e9:F1} GB")}");

    /// <summary>A time as people say it: 99 s, 12 min, 3 h 20 min.</summary>
    internal static string Span(TimeSpan span) =>
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
