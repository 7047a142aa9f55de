using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace LlmFusion.Evaluation;

public static partial class Plots
{
    private const int ParityPixels = 420;
    private const int Levels = 24;

    /// <summary>
    /// Draws predictions against true values on equal axes with the identity line.
    /// From 1,000 points on the colour shows how many rows lie around a point, dense ones on top.
    /// </summary>
    /// <param name="truth">True values (n), in the target's unit; rows where either value is not finite are left out.</param>
    /// <param name="predicted">Predictions (n).</param>
    /// <param name="target">The target's name.</param>
    /// <param name="unit">Its unit; empty where it has none.</param>
    /// <param name="metrics">The metrics to print into the figure.</param>
    /// <param name="path">Where to write, without extension: PATH.png and PATH.svg.</param>
    /// <param name="title">The figure's title; the target's name if null.</param>
    /// <exception cref="ArgumentException">The two lengths differ.</exception>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public static void Parity(
        ReadOnlySpan<float> truth, ReadOnlySpan<float> predicted, string target, string unit, TargetMetrics metrics, string path, string? title = null)
    {
        if (truth.Length != predicted.Length)
            throw new ArgumentException($"Parity plot of {target}: got {predicted.Length} predictions, expected {truth.Length}, one for each true value.", nameof(predicted));
        List<Coordinates> points = [];
        for (int i = 0; i < truth.Length; i++)
            if (float.IsFinite(truth[i]) && float.IsFinite(predicted[i]))
                points.Add(new Coordinates(truth[i], predicted[i]));

        string inUnit = unit.Length == 0 ? "" : $" ({unit})";
        using Plot plot = Blank(title ?? target, $"True {target}{inUnit}", $"Predicted {target}{inUnit}");
        (double low, double high) = SharedLimits(points);
        plot.Axes.SetLimits(low, high, low, high);
        double step = Step(high - low, 6);
        plot.Axes.Bottom.TickGenerator = new NumericFixedInterval(step);
        plot.Axes.Left.TickGenerator = new NumericFixedInterval(step);

        LinePlot identity = plot.Add.Line(low, low, high, high);
        identity.LineColor = Faint;
        identity.LineWidth = 1.5f;   // solid: a dash pattern is lost in SVG, and Skia says so on stderr

        float size = (float)Math.Clamp(9 - (1.5 * Math.Log10(Math.Max(1, points.Count))), 3, 7);
        if (points.Count < 1000)
            AddMarkers(plot, points, Blue.WithAlpha(points.Count < 200 ? 0.75 : 0.55), size);
        else
            AddByDensity(plot, points, low, high, size);

        Annotation note = plot.Add.Annotation(Summary(metrics, unit), Alignment.UpperLeft);
        note.LabelStyle.FontSize = 13;
        note.LabelStyle.ForeColor = Ink;
        note.LabelStyle.BackgroundColor = Colors.White.WithAlpha(0.85);
        note.LabelStyle.BorderWidth = 0;
        note.LabelStyle.ShadowColor = Colors.Transparent;
        if (Font is not null)
            note.LabelStyle.FontName = Font;
        Write(plot, ParityPixels, ParityPixels, path);
    }

    private static string Summary(TargetMetrics metrics, string unit)
    {
        string inUnit = unit.Length == 0 ? "" : $" {unit}";
        string r2 = double.IsNaN(metrics.R2) ? "undefined" : $"{metrics.R2:0.0000}";
        return $"MAE {Short(metrics.Mae)}{inUnit}\nRMSE {Short(metrics.Rmse)}{inUnit}\nR\u00B2 {r2}\nn {metrics.N:N0}";
    }

    private static string Short(double value) =>
        Math.Abs(value) is >= 0.1 and < 1e6 ? value.ToString("0.000") : value.ToString("G3");

    private static (double Low, double High) SharedLimits(List<Coordinates> points)
    {
        if (points.Count == 0)
            return (0, 1);
        double low = points.Min(p => Math.Min(p.X, p.Y)), high = points.Max(p => Math.Max(p.X, p.Y));
        double margin = high > low ? 0.04 * (high - low) : Math.Max(1, Math.Abs(high)) * 0.05;
        return (low - margin, high + margin);
    }

    private static void AddMarkers(Plot plot, List<Coordinates> points, Color color, float size)
    {
        if (points.Count == 0)
            return;
        Markers markers = plot.Add.Markers(points);
        markers.MarkerShape = MarkerShape.FilledCircle;
        markers.MarkerSize = size;
        markers.Color = color;
    }

    // The number of rows around a point, by a smoothed count on a grid, chooses one of few colours on a log scale.
    private static void AddByDensity(Plot plot, List<Coordinates> points, double low, double high, float size)
    {
        const int coarse = 192, fine = 300;
        double[] counts = new double[coarse * coarse];
        foreach (Coordinates p in points)
            counts[Cell(p, coarse)]++;
        double[] smooth = Smoothed(counts, coarse);

        // Points on the same pixel and a half are drawn once: 100,000 points stay a small SVG.
        Dictionary<int, Coordinates> drawn = [];
        foreach (Coordinates p in points)
            drawn.TryAdd(Cell(p, fine), p);
        double top = Math.Log(1 + smooth.Max());
        List<Coordinates>[] levels = [.. Enumerable.Range(0, Levels).Select(_ => new List<Coordinates>())];
        foreach (Coordinates p in drawn.Values)
            levels[(int)Math.Min(Levels - 1, Levels * Math.Log(1 + smooth[Cell(p, coarse)]) / top)].Add(p);
        ScottPlot.Colormaps.Viridis colors = new();
        for (int level = 0; level < Levels; level++)
            AddMarkers(plot, levels[level], colors.GetColor(0.05 + (0.85 * level / (Levels - 1))), size);

        int Cell(Coordinates p, int grid) =>
            (Index(p.Y, grid) * grid) + Index(p.X, grid);
        int Index(double value, int grid) =>
            Math.Clamp((int)(grid * (value - low) / (high - low)), 0, grid - 1);
    }

    // Four times the mean over 3 x 3 cells.
    private static double[] Smoothed(double[] counts, int grid)
    {
        for (int pass = 0; pass < 4; pass++)
        {
            double[] next = new double[counts.Length];
            for (int y = 0; y < grid; y++)
                for (int x = 0; x < grid; x++)
                    for (int v = Math.Max(0, y - 1); v <= Math.Min(grid - 1, y + 1); v++)
                        for (int u = Math.Max(0, x - 1); u <= Math.Min(grid - 1, x + 1); u++)
                            next[(y * grid) + x] += counts[(v * grid) + u] / 9;
            counts = next;
        }
        return counts;
    }
}
