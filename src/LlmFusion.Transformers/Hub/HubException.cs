namespace LlmFusion.Transformers.Hub;

/// <summary>A model cannot be had from the hub or its cache. The message says what happened, where, and the way out.</summary>
public sealed class HubException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What, where, and the way out.</param>
    /// <param name="inner">The cause, if another exception was.</param>
    public HubException(string message, Exception? inner = null) : base(message, inner)
    {
    }

    /// <summary>True if the hub did not answer, or only with its own trouble: what is in the cache may still be used.</summary>
    internal bool HubIsDown { get; init; }

    /// <summary>True if the hub refused access: what is in the cache was got when it did not.</summary>
    internal bool AccessRefused { get; init; }
}
