using MathNet.Numerics.Distributions;

namespace LlmFusion.Experiments;

/// <summary>What the choice of seeds adds to the variance of an error, and how well a few seeds tell it.</summary>
/// <param name="Variance">s² / k of the mean over k seeds, s their deviation; 0 where seeds decide nothing, or none tells.</param>
/// <param name="Degrees">Degrees of freedom of s.</param>
public readonly record struct SeedVariance(double Variance, double Degrees)
{
    /// <summary>The 97.5th percentile of the normal distribution.</summary>
    public const double Normal95 = 1.96;

    /// <summary>
    /// That of a difference.
    /// <code>
    /// nu = (v + v')^2 / (v^2 / d + v'^2 / d')      Welch 1947, Satterthwaite 1946; where both have the spread of the same seeds the smaller of d, d'
    /// </code>
    /// </summary>
    /// <param name="one">Of one error.</param>
    /// <param name="other">Of the other.</param>
    /// <param name="isShared">Whether the same seeds tell both.</param>
    public static SeedVariance OfDifference(SeedVariance one, SeedVariance other, bool isShared)
    {
        if (one.Variance == 0) return other;
        if (other.Variance == 0) return one;
        double sum = one.Variance + other.Variance;
        return new SeedVariance(sum, isShared ? Math.Min(one.Degrees, other.Degrees) : sum * sum / ((one.Variance * one.Variance / one.Degrees) + (other.Variance * other.Variance / other.Degrees)));
    }

    /// <summary>
    /// Half the width of a 95 % interval. Molecules are many, seeds are few: the less is due to these, the closer to the normal distribution.
    /// <code>
    /// t(nu) sqrt(b^2 + s^2 / k)      nu = d ((b^2 + s^2 / k) / (s^2 / k))^2
    /// </code>
    /// </summary>
    /// <param name="ofMolecules">b²: the variance over the choice of test molecules.</param>
    public double HalfWidth(double ofMolecules)
    {
        double whole = ofMolecules + Variance, times = whole / Variance;
        // Far out Student's quantile is the normal one in all digits that count, and its search would not end.
        return Math.Sqrt(whole) * (Variance == 0 || Degrees * times * times > 1e5 ? Normal95 : StudentT.InvCDF(0, 1, Degrees * times * times, 0.975));
    }
}
