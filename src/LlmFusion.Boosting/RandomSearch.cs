using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace LlmFusion.Boosting;

/// <summary>From where to where a setting is drawn.</summary>
/// <param name="Low">The lowest.</param>
/// <param name="High">The highest.</param>
public readonly record struct SearchRange<T>(T Low, T High);

/// <summary>
/// Draws hyper-parameters at random (Bergstra and Bengio 2012), the seven that the paper searches (P18). Rates and weights are drawn on a
/// logarithmic scale. Trial k of a seed is always the same, whichever trials were run before it.
/// </summary>
public sealed record RandomSearch
{
    /// <summary>Range of the learning rate.</summary>
    public SearchRange<double> LearningRate { get; init; } = new(0.02, 0.3);

    /// <summary>Range of the depth, both ends included.</summary>
    public SearchRange<int> MaxDepth { get; init; } = new(3, 10);

    /// <summary>Range of the number of trees, both ends included.</summary>
    public SearchRange<int> Estimators { get; init; } = new(100, 1000);

    /// <summary>Range of the share of rows.</summary>
    public SearchRange<double> Subsample { get; init; } = new(0.5, 1);

    /// <summary>Range of the share of features.</summary>
    public SearchRange<double> ColsampleByTree { get; init; } = new(0.3, 1);

    /// <summary>Range of the least gain, for standardised targets; half of all trials have none.</summary>
    public SearchRange<double> Gamma { get; init; } = new(1e-3, 1);

    /// <summary>Range of the least weight of a leaf.</summary>
    public SearchRange<double> MinChildWeight { get; init; } = new(1, 30);

    /// <summary>The settings of a trial; those that are not searched are <paramref name="standard"/>'s.</summary>
    /// <param name="standard">The other settings.</param>
    /// <param name="seed">The search's seed.</param>
    /// <param name="trial">The trial, from 0.</param>
    public BoosterSettings Draw(BoosterSettings standard, int seed, int trial)
    {
        // Random's numbers are linear in its seed: neighbouring seeds would draw neighbouring settings.
        Random random = new(BinaryPrimitives.ReadInt32LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed} {trial}")))));
        return standard with
        {
            LearningRate = Logarithmic(LearningRate),
            MaxDepth = random.Next(MaxDepth.Low, MaxDepth.High + 1),
            Estimators = random.Next(Estimators.Low, Estimators.High + 1),
            Subsample = Linear(Subsample),
            ColsampleByTree = Linear(ColsampleByTree),
            MinChildWeight = Logarithmic(MinChildWeight),
            Gamma = random.NextDouble() < 0.5 ? 0 : Logarithmic(Gamma),
        };

        // Three digits say as much, and are read back as they were written.
        double Linear(SearchRange<double> range) => Math.Round(range.Low + ((range.High - range.Low) * random.NextDouble()), 3);
        double Logarithmic(SearchRange<double> range) => double.Parse((range.Low * Math.Pow(range.High / range.Low, random.NextDouble())).ToString("G3", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }
}
