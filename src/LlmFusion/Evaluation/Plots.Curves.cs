using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace LlmFusion.Evaluation;

/// <summary>A learning curve among others.</summary>
/// <param name="Label">Its name.</param>
/// <param name="Training">The loss in training after each epoch.</param>
/// <param name="Validation">The loss in validation after each epoch.</param>
public sealed record Curve(string Label, IReadOnlyList<double> Training, IReadOnlyList<double> Validation);

public static partial class Plots
{
    /// <summary>Draws losses in validation, and dashed in training, over the share of the training that is done, on a logarithmic axis, so that runs of different length lie beside each other.</summary>
    /// <param name="curves">The curves, at least one.</param>
    /// <param name="title">The figure's title.</param>
    /// <param name="path">Where to write, without extension: PATH.png and PATH.svg.</param>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public static void Curves(IReadOnlyList<Curve> curves, string title, string path)
    {
        using Plot plot = Blank(title, "Share of training (%)", "Loss");
        ScottPlot.Palettes.Category20 colors = new();
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        foreach ((int i, Curve curve) in curves.Index())
        {
            if (Draw(curve.Training, i) is { } training) (training.LineWidth, training.LinePattern) = (1, LinePattern.Dashed);
            if (Draw(curve.Validation, i) is { } validation) (validation.LineWidth, validation.LegendText) = (2, curve.Label);
        }

        if (low > high) (low, high) = (-1, 0);
        double margin = 0.05 * Math.Max(high - low, 0.1);
        plot.Axes.SetLimits(0, 100, low - margin, high + margin);
        plot.Axes.Left.TickGenerator = new NumericAutomatic { LabelFormatter = value => Math.Pow(10, value).ToString("G2"), TargetTickCount = 6 };
        plot.ShowLegend(Edge.Right);
        plot.Legend.FontSize = 12;
        plot.Legend.OutlineWidth = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        if (Font is not null) plot.Legend.FontName = Font;
        Write(plot, 520, Math.Max(320, 22 * curves.Count), path);

        Scatter? Draw(IReadOnlyList<double> losses, int color)
        {
            Coordinates[] points = [.. losses.Index().Where(l => double.IsFinite(l.Item) && l.Item > 0).Select(l => new Coordinates(100.0 * (l.Index + 1) / losses.Count, Math.Log10(l.Item)))];
            if (points.Length == 0) return null;
            (low, high) = (Math.Min(low, points.Min(p => p.Y)), Math.Max(high, points.Max(p => p.Y)));
            Scatter line = plot.Add.ScatterLine(points);
            line.Color = colors.GetColor(color);
            return line;
        }
    }
}
