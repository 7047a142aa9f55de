namespace LlmFusion.Transformers.Hub;

/// <summary>A model in the cache.</summary>
/// <param name="Id">Its repository id.</param>
/// <param name="Folder">Its folder in the cache.</param>
/// <param name="Commits">The commits of which files are here.</param>
/// <param name="Bytes">What it takes on the disk, broken-off downloads included.</param>
public sealed record CachedModel(string Id, string Folder, IReadOnlyList<CachedCommit> Commits, long Bytes);

/// <summary>The files of one commit in the cache.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Revisions">The branches and tags that had it when they were last asked for.</param>
/// <param name="Folder">Where the files are.</param>
/// <param name="Complete">True if config.json and all weights are here.</param>
public sealed record CachedCommit(string Commit, IReadOnlyList<string> Revisions, string Folder, bool Complete);
