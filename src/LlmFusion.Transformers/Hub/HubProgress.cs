namespace LlmFusion.Transformers.Hub;

/// <summary>What the hub is doing.</summary>
public enum HubStage
{
    /// <summary>Asking the hub which commit and which files there are.</summary>
    Resolving,

    /// <summary>Bytes have come.</summary>
    Downloading,

    /// <summary>Another process is downloading the same file; this one waits for it.</summary>
    Waiting,

    /// <summary>Something went wrong that may pass; <see cref="HubProgress.Reason"/> says what. It is tried again.</summary>
    Retrying,

    /// <summary>The hub cannot be reached; what is in the cache is used. <see cref="HubProgress.Reason"/> says why.</summary>
    UsingCache,
}

/// <summary>One event of getting a model.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="Id">The model's repository id.</param>
/// <param name="File">The file that it is about; null where it is about the whole model.</param>
/// <param name="Bytes">Bytes of the model that were missing and are here now.</param>
/// <param name="Total">Bytes of the model that were missing; null until it is known.</param>
/// <param name="Reason">Why it waits, tries again or uses the cache.</param>
public sealed record HubProgress(HubStage Stage, string Id, string? File = null, long Bytes = 0, long? Total = null, string? Reason = null);
