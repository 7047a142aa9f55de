namespace LlmFusion.Training;

/// <summary>
/// PyTorch's <c>OneCycleLR</c> (Smith and Topin 2017) with cosine annealing, and without its cycle of momenta: from
/// <paramref name="Peak"/> / 25 up to the peak, then down to a ten-thousandth of where it began.
/// </summary>
/// <param name="Peak">The highest rate.</param>
/// <param name="Steps">Steps in all, at least 2.</param>
/// <param name="Rise">Share of the steps over which the rate rises, between 0 and 1.</param>
public sealed record OneCycle(double Peak, long Steps, double Rise)
{
    private const double PeakOverFirst = 25, FirstOverLast = 1e4; // PyTorch's div_factor and final_div_factor

    /// <summary>The rate of a step, counted from 0; the last one's of any later.</summary>
    public double At(long step)
    {
        double first = Peak / PeakOverFirst, top = Rise * Steps - 1, end = Steps - 1;
        return step < top ? Anneal(first, Peak, step / top) : Anneal(Peak, first / FirstOverLast, (Math.Min(step, end) - top) / (end - top));
    }

    private static double Anneal(double from, double to, double done) => to + (from - to) / 2 * (1 + Math.Cos(Math.PI * done));
}
