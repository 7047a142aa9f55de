namespace LlmFusion.Transformers;

/// <summary>
/// A model's files cannot be used: a damaged or hostile file of weights, a config.json with an option that is not
/// implemented, or weights that do not fit. The message says what, where, what was found and what was expected.
/// </summary>
public sealed class CheckpointException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What, where, found, expected.</param>
    /// <param name="inner">The cause, if another exception was.</param>
    public CheckpointException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
