using ScottPlot;
using ScottPlot.Plottables;
using ScottPlot.TickGenerators;

namespace LlmFusion.Evaluation;

/// <summary>A bar of a figure.</summary>
/// <param name="Label">What stands beside it.</param>
/// <param name="Group">Bars of a group have one colour.</param>
/// <param name="Value">Its length.</param>
/// <param name="Interval">Where the value lies with 95 % confidence.</param>
public sealed record Bar(string Label, string Group, double Value, Interval Interval);

public static partial class Plots
{
    private const int BarPixels = 30;
    // Not a field: those of the other parts of this class may not be set yet.
    private static Color[] GroupColors => [Blue, Orange, Color.FromHex("#38A169"), Color.FromHex("#805AD5"), Color.FromHex("#718096"), Color.FromHex("#2C9C8F")];

    /// <summary>Draws errors as horizontal bars with their intervals, the first on top.</summary>
    /// <param name="bars">The bars, at least one.</param>
    /// <param name="title">The figure's title.</param>
    /// <param name="label">What the length is, with its unit.</param>
    /// <param name="path">Where to write, without extension: PATH.png and PATH.svg.</param>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public static void Bars(IReadOnlyList<Bar> bars, string title, string label, string path)
    {
        using Plot plot = Blank(title, label, "");
        string[] groups = [.. bars.Select(b => b.Group).Distinct()];
        double longest = bars.Max(b => Math.Max(b.Value, double.IsFinite(b.Interval.High) ? b.Interval.High : b.Value));
        foreach ((int i, Bar bar) in bars.Index())
        {
            int place = bars.Count - i;
            BarPlot drawn = plot.Add.Bar(new ScottPlot.Bar { Position = place, Value = bar.Value, Size = 0.62, Orientation = Orientation.Horizontal, FillColor = GroupColors[Array.IndexOf(groups, bar.Group) % GroupColors.Length], LineWidth = 0 });
            drawn.Horizontal = true;
            if (double.IsFinite(bar.Interval.Low) && double.IsFinite(bar.Interval.High))
            {
                LinePlot interval = plot.Add.Line(bar.Interval.Low, place, bar.Interval.High, place);
                interval.LineColor = Ink;
                interval.LineWidth = 2;
            }

            Text value = plot.Add.Text(Short(bar.Value), Math.Max(bar.Value, bar.Interval.High) + (longest * 0.012), place);
            value.LabelStyle.FontSize = 12;
            value.LabelStyle.ForeColor = Ink;
            value.LabelStyle.Alignment = Alignment.MiddleLeft;
            if (Font is not null) value.LabelStyle.FontName = Font;
        }

        plot.Axes.Left.TickGenerator = new NumericManual([.. bars.Select((_, i) => (double)(bars.Count - i))], [.. bars.Select(b => b.Label)]);
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.SetLimits(0, longest * 1.16, 0.3, bars.Count + 0.7);
        plot.Axes.Bottom.TickGenerator = new NumericFixedInterval(Step(longest * 1.16, 6));
        plot.HideGrid();
        if (groups.Length > 1)
        {
            foreach ((int g, string group) in groups.Index()) plot.Legend.ManualItems.Add(new LegendItem { LabelText = group, FillColor = GroupColors[g % GroupColors.Length], LineWidth = 0 });
            plot.ShowLegend(Edge.Right);
            plot.Legend.FontSize = 12;
            plot.Legend.OutlineWidth = 0;
            plot.Legend.ShadowColor = Colors.Transparent;
            if (Font is not null) plot.Legend.FontName = Font;
        }

        Write(plot, 520, (bars.Count * BarPixels) + 10, path);
    }
}
