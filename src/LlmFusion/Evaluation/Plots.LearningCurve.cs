using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace LlmFusion.Evaluation;

public static partial class Plots
{
    /// <summary>Draws the losses of a training run over its epochs, with the learning rate on a logarithmic axis and the best epoch marked.</summary>
    /// <param name="epochs">Epoch numbers (n), ascending.</param>
    /// <param name="trainLoss">Training loss after each epoch (n).</param>
    /// <param name="validLoss">Validation loss after each epoch (n); values that are not finite are left out.</param>
    /// <param name="learningRate">Learning rate of each epoch (n), above 0.</param>
    /// <param name="bestEpoch">The epoch whose model was kept; null marks none.</param>
    /// <param name="path">Where to write, without extension: PATH.png and PATH.svg.</param>
    /// <param name="title">The figure's title.</param>
    /// <param name="loss">The name of the loss, for example "MSE (standardised)".</param>
    /// <remarks>The loss axis is logarithmic where the losses are positive and span more than a factor of five.</remarks>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public static void LearningCurve(
        IReadOnlyList<double> epochs, IReadOnlyList<double> trainLoss, IReadOnlyList<double> validLoss, IReadOnlyList<double> learningRate,
        double? bestEpoch, string path, string title = "Learning curve", string loss = "Loss")
    {
        foreach (IReadOnlyList<double> column in new[] { trainLoss, validLoss, learningRate })
            if (column.Count != epochs.Count)
                throw new ArgumentException($"Learning curve: got {column.Count} values, expected {epochs.Count}, one for each epoch.", nameof(epochs));

        using Plot plot = Blank(title, "Epoch", loss);
        double[] losses = [.. trainLoss.Concat(validLoss).Where(double.IsFinite)];
        bool log = losses.Length > 0 && losses.Min() > 0 && losses.Max() > 5 * losses.Min();

        AddLearningRate(plot, epochs, learningRate);   // first: behind the losses
        AddLoss(plot, epochs, trainLoss, log, "train", Blue);
        AddLoss(plot, epochs, validLoss, log, "valid", Orange);
        MarkBest(plot, epochs, validLoss, bestEpoch, log);

        double first = epochs.Count == 0 ? 0 : epochs[0], last = epochs.Count == 0 ? 1 : epochs[^1];
        double side = Math.Max(0.5, 0.02 * (last - first));
        plot.Axes.SetLimitsX(first - side, last + side);
        plot.Axes.Bottom.TickGenerator = new NumericFixedInterval(Math.Max(1, Step(last - first + 1, 10)));
        (double low, double high) = Padded(log ? [.. losses.Select(Math.Log10)] : losses);
        plot.Axes.SetLimitsY(low, high);
        plot.Axes.Left.TickGenerator = log ? LogTicks(low, high) : new NumericFixedInterval(Step(high - low, 6));

        plot.ShowLegend(Edge.Bottom).Padding = new PixelPadding(0);
        plot.Legend.Orientation = Orientation.Horizontal;
        plot.Legend.OutlineWidth = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.Legend.FontSize = 13;
        plot.Legend.FontColor = Ink;
        Write(plot, 620, 340, path);
    }

    private static void AddLoss(Plot plot, IReadOnlyList<double> epochs, IReadOnlyList<double> values, bool log, string name, Color color)
    {
        Coordinates[] points = [.. epochs.Zip(values, (x, y) => new Coordinates(x, log ? Math.Log10(y) : y)).Where(p => double.IsFinite(p.Y))];
        if (points.Length == 0)
            return;
        Scatter line = plot.Add.Scatter(points, color);
        line.LineWidth = 2;
        line.MarkerSize = points.Length <= 30 ? 5 : 0;
        line.LegendText = name;
    }

    private static void MarkBest(Plot plot, IReadOnlyList<double> epochs, IReadOnlyList<double> validLoss, double? best, bool log)
    {
        int place = best is { } epoch ? epochs.ToList().IndexOf(epoch) : -1;
        if (place < 0 || !double.IsFinite(validLoss[place]))
            return;
        VerticalLine line = plot.Add.VerticalLine(epochs[place], 1, Ink.WithAlpha(0.35));
        line.EnableAutoscale = false;
        Marker marker = plot.Add.Marker(epochs[place], log ? Math.Log10(validLoss[place]) : validLoss[place], MarkerShape.OpenCircle, 11, Ink);
        marker.MarkerLineWidth = 2;
        marker.LegendText = $"best: epoch {epochs[place]:0}, {Short(validLoss[place])}";
    }

    private static void AddLearningRate(Plot plot, IReadOnlyList<double> epochs, IReadOnlyList<double> rates)
    {
        Coordinates[] points = [.. epochs.Zip(rates, (x, y) => new Coordinates(x, Math.Log10(y))).Where(p => double.IsFinite(p.Y))];
        if (points.Length == 0)
            return;
        Scatter line = plot.Add.Scatter(points, Faint.WithAlpha(0.7));
        line.ConnectStyle = ConnectStyle.StepHorizontal;
        line.LineWidth = 1.5f;
        line.MarkerSize = 0;
        line.Axes.YAxis = plot.Axes.Right;

        // At least a decade, or a constant rate would fill the axis with its own noise.
        double low = points.Min(p => p.Y), high = points.Max(p => p.Y);
        double margin = Math.Max(0.06 * (high - low), (1.2 - (high - low)) / 2);
        plot.Axes.SetLimitsY(low - margin, high + margin, plot.Axes.Right);
        plot.Axes.Right.TickGenerator = LogTicks(low - margin, high + margin);
        plot.Axes.Color(plot.Axes.Right, Faint);
        plot.Axes.Title.Label.ForeColor = Ink;   // which the line above recolours too
        plot.Axes.Right.FrameLineStyle.Width = 1;
        plot.Axes.Right.Label.Text = "Learning rate";
        plot.Axes.Right.Label.FontSize = 13;
        plot.Axes.Right.Label.Bold = false;
    }

    private static (double Low, double High) Padded(double[] values)
    {
        if (values.Length == 0)
            return (0, 1);
        double low = values.Min(), high = values.Max();
        double margin = high > low ? 0.06 * (high - low) : Math.Max(1e-3, Math.Abs(high) * 0.1);
        return (low - margin, high + margin);
    }

    // Ticks for an axis whose coordinates are log10 of the value: labels at 1, 2, 5 where few decades show, else at 1 only.
    private static NumericManual LogTicks(double low, double high)
    {
        NumericManual ticks = new();
        for (int decade = (int)Math.Floor(low); decade <= high; decade++)
            for (int digit = 1; digit <= 9; digit++)
            {
                double value = digit * Math.Pow(10, decade), place = decade + Math.Log10(digit);
                if (place < low || place > high)
                    continue;
                if (digit == 1 || (high - low < 2.5 && digit is 2 or 5))
                    ticks.AddMajor(place, value is >= 0.0099 and < 1e4 ? $"{value:0.####}" : $"{value:0e0}");
                else
                    ticks.AddMinor(place);
            }
        return ticks;
    }
}
