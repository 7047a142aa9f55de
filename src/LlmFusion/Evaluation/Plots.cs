using ScottPlot;

namespace LlmFusion.Evaluation;

/// <summary>The figures of a run, each written as PNG (two pixels per point) and SVG under one name.</summary>
/// <remarks>Text needs a font under /usr/share/fonts (Debian: fonts-dejavu-core); without one the figures come out without text.</remarks>
public static partial class Plots
{
    private static readonly Color Ink = Color.FromHex("#333333");
    private static readonly Color Faint = Color.FromHex("#8A8F98");
    private static readonly Color Blue = Color.FromHex("#2B6CB0");
    private static readonly Color Orange = Color.FromHex("#DD6B20");

    // The first that is installed; ScottPlot's own choice on Debian is a serif face.
    private static readonly string? Font =
        new[] { "DejaVu Sans", "Liberation Sans", "Noto Sans", "Arial", "Helvetica" }.FirstOrDefault(
            SkiaSharp.SKFontManager.Default.FontFamilies.Contains) ?? PackedFont();

    /// <summary>The font that a packed program brings along.</summary>
    private static string? PackedFont()
    {
        const string name = "DejaVu Sans";
        string folder = Path.Combine(AppContext.BaseDirectory, "fonts");
        if (!File.Exists(Path.Combine(folder, "DejaVuSans.ttf"))) return null;
        Fonts.AddFontFile(name, Path.Combine(folder, "DejaVuSans.ttf"));
        if (File.Exists(Path.Combine(folder, "DejaVuSans-Bold.ttf"))) Fonts.AddFontFile(name, Path.Combine(folder, "DejaVuSans-Bold.ttf"), bold: true);
        return name;
    }

    private static Plot Blank(string title, string xLabel, string yLabel)
    {
        Plot plot = new();
        plot.Axes.Color(Ink);
        plot.Axes.Right.FrameLineStyle.Width = 0;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        plot.Grid.MajorLineColor = Color.FromHex("#E6E8EB");
        plot.Title(title, size: 16);
        plot.XLabel(xLabel, size: 13);
        plot.YLabel(yLabel, size: 13);
        plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Left.Label.Bold = false;
        return plot;
    }

    // Sizes the figure around a data area of the given size: one layout pass says how much room the labels take.
    private static void Write(Plot plot, int dataWidth, int dataHeight, string path)
    {
        if (Font is not null)
            plot.Font.Set(Font);
        plot.RenderInMemory(dataWidth + 150, dataHeight + 150);
        PixelRect data = plot.LastRender.DataRect, figure = plot.LastRender.FigureRect;
        float left = data.Left - figure.Left + 8, right = figure.Right - data.Right + 8, top = data.Top - figure.Top, bottom = figure.Bottom - data.Bottom + 6;
        plot.Layout.Fixed(new PixelPadding(left, right, bottom, top));
        int width = dataWidth + (int)Math.Ceiling(left + right), height = dataHeight + (int)Math.Ceiling(top + bottom);

        plot.SaveSvg(path + ".svg", width, height);
        plot.ScaleFactor = 2;
        plot.SavePng(path + ".png", 2 * width, 2 * height);
    }

    // The length of a tick's step: 1, 2 or 5 times a power of ten, for about `ticks` of them.
    private static double Step(double range, int ticks)
    {
        double rough = range / ticks;
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        return power * (rough / power) switch { < 1.5 => 1, < 3.5 => 2, < 7.5 => 5, _ => 10 };
    }
}
