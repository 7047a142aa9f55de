namespace LlmFusion.Chemistry;

/// <summary>A SMILES that SELFIES cannot encode, or a SELFIES that cannot be decoded.</summary>
public sealed class SelfiesException : Exception
{
    internal SelfiesException(string verb, string text, string reason)
        : base($"'{text}' cannot be {verb}: {reason}") => Reason = reason;

    /// <summary>Why, without the text.</summary>
    public string Reason { get; }
}
