namespace LlmFusion.DataSets;

/// <summary>How large the three parts of a split are to be, as fractions that add up to 1.</summary>
public sealed record SplitFractions
{
    /// <summary>The fractions, checked.</summary>
    /// <exception cref="ArgumentException">One is negative or no number, or their sum is not 1.</exception>
    public SplitFractions(double train, double valid, double test)
    {
        if (!(train >= 0 && valid >= 0 && test >= 0) || !(Math.Abs(train + valid + test - 1) <= 1e-6))
            throw new ArgumentException(FormattableString.Invariant($"split fractions: got {train}, {valid}, {test}, expected three numbers from 0 on that add up to 1"));
        (Train, Valid, Test) = (train, valid, test);
    }

    /// <summary>0.8, 0.1, 0.1.</summary>
    public static SplitFractions Default { get; } = new(0.8, 0.1, 0.1);

    /// <summary>The training part's fraction.</summary>
    public double Train { get; }

    /// <summary>The validation part's fraction.</summary>
    public double Valid { get; }

    /// <summary>The test part's fraction.</summary>
    public double Test { get; }

    /// <summary>The three parts' sizes for a number of rows; they add up to it.</summary>
    public int[] Sizes(int rows)
    {
        int train = (int)Math.Round(Train * rows, MidpointRounding.AwayFromZero);
        int valid = Math.Min(rows - train, (int)Math.Round(Valid * rows, MidpointRounding.AwayFromZero));
        return Test == 0 ? [train, rows - train, 0] : [train, valid, rows - train - valid];
    }

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"{Train}/{Valid}/{Test}");
}
