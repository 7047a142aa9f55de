using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace LlmFusion.Evaluation;

/// <summary>A learning curve among others.</summary>
/// <param name="Label">Its name.</param>
/// <param name="Losses">The loss after each epoch.</param>
public sealed record Curve(string Label, IReadOnlyList<double> Losses);

public static partial class Plots
{
    /// <summary>Draws losses over the share of the training that is done, on a logarithmic axis, so that runs of different length lie beside each other.</summary>
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
            Coordinates[] points = [.. curve.Losses.Index().Where(l => double.IsFinite(l.Item) && l.Item > 0).Select(l => new Coordinates(100.0 * (l.Index + 1) / curve.Losses.Count, Math.Log10(l.Item)))];
            if (points.Length == 0) continue;
            (low, high) = (Math.Min(low, points.Min(p => p.Y)), Math.Max(high, points.Max(p => p.Y)));
            Scatter line = plot.Add.ScatterLine(points);
            line.Color = colors.GetColor(i);
            line.LineWidth = 2;
            line.LegendText = curve.Label;
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
    }
}
