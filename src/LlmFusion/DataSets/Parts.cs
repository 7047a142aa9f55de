namespace LlmFusion.DataSets;

/// <summary>The three parts of a split, by the one name each that is used everywhere.</summary>
public static class Parts
{
    /// <summary>What the model learns from.</summary>
    public const string Train = "train";

    /// <summary>What every choice is made on.</summary>
    public const string Valid = "valid";

    /// <summary>What is opened once.</summary>
    public const string Test = "test";

    /// <summary>The three names in order.</summary>
    public static IReadOnlyList<string> All { get; } = [Train, Valid, Test];

    /// <summary>The name used here for what a file calls a part (any case; also training, val, dev, validation, testing), or null.</summary>
    public static string? Parse(string text) => text.Trim().ToLowerInvariant() switch
    {
        "train" or "training" => Train,
        "valid" or "val" or "dev" or "validation" => Valid,
        "test" or "testing" => Test,
        _ => null,
    };
}
