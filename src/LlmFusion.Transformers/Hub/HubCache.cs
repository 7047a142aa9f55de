namespace LlmFusion.Transformers.Hub;

/// <summary>
/// The cache folder in the layout of Hugging Face's library, so that each uses what the other has fetched:
/// <code>
/// models--ORG--NAME/blobs/ETAG                     the bytes, each once
/// models--ORG--NAME/blobs/ETAG.incomplete          a download that was broken off
/// models--ORG--NAME/snapshots/COMMIT/FILE          a relative link to ../../blobs/ETAG
/// models--ORG--NAME/refs/REVISION                  the commit of a branch or tag
/// .locks/models--ORG--NAME/ETAG.lock               held while a blob is made
/// </code>
/// </summary>
internal sealed class HubCache(string root)
{
    private const string Prefix = "models--";

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    public string Folder => root;

    public static string FolderName(string id) => Prefix + id.Replace("/", "--", StringComparison.Ordinal);

    public string Repository(string id) => Path.Combine(root, FolderName(id));

    public string Snapshot(string id, string commit) => Path.Combine(Repository(id), "snapshots", commit);

    public string Blob(string id, string etag) => Path.Combine(Repository(id), "blobs", etag);

    /// <summary>The commit that a revision had when it was last asked for; null if it never was.</summary>
    public string? CommitOf(string id, string revision)
    {
        if (RepositoryId.IsCommit(revision))
            return revision;
        string file = Path.Combine(Repository(id), "refs", revision);
        if (!File.Exists(file))
            return null;
        string commit = File.ReadAllText(file).Trim();
        return RepositoryId.IsCommit(commit) ? commit : null;
    }

    /// <summary>Remembers a revision's commit; readers see the old one or the new.</summary>
    public void SetCommit(string id, string revision, string commit)
    {
        if (revision == commit || CommitOf(id, revision) == commit)
            return;
        string file = Path.Combine(Repository(id), "refs", revision);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        string temporary = Temporary(file);
        File.WriteAllText(temporary, commit);
        File.Move(temporary, file, overwrite: true);
    }

    /// <summary>Makes a blob appear as a file of a snapshot, at once and whole.</summary>
    public void Link(string id, string commit, string file, string etag)
    {
        string place = Path.Combine(Snapshot(id, commit), file), blob = Blob(id, etag);
        string folder = Path.GetDirectoryName(place)!;
        Directory.CreateDirectory(folder);
        string temporary = Temporary(place);
        try
        {
            File.CreateSymbolicLink(temporary, Path.GetRelativePath(folder, blob));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            // A file system without links: a copy serves as well.
            File.Copy(blob, temporary, overwrite: true);
        }
        File.Move(temporary, place, overwrite: true);
    }

    /// <summary>
    /// Waits until no other process or thread makes this blob, and holds them off until disposed. The kernel's lock
    /// (flock, as Hugging Face's library takes) goes with a process that is killed; its file stays.
    /// </summary>
    public async Task<FileStream> LockAsync(string id, string etag, Action waiting, CancellationToken stop)
    {
        string file = Path.Combine(root, ".locks", FolderName(id), etag + ".lock");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        bool told = false;
        while (true)
        {
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException error) when (IsHeld(error))
            {
                if (!told)
                    waiting();
                told = true;
            }
            await Task.Delay(Poll, stop).ConfigureAwait(false);
        }
    }

    /// <summary>Every model in the cache, by id.</summary>
    public IReadOnlyList<CachedModel> Models()
    {
        if (!Directory.Exists(root))
            return [];
        List<CachedModel> models = [];
        foreach (string folder in Directory.EnumerateDirectories(root, Prefix + "*").Order(StringComparer.Ordinal))
        {
            // No id holds "--": the separator is unambiguous.
            string id = Path.GetFileName(folder)[Prefix.Length..].Replace("--", "/", StringComparison.Ordinal);
            string snapshots = Path.Combine(folder, "snapshots");
            if (!RepositoryId.IsOne(id) || !Directory.Exists(snapshots))
                continue;
            ILookup<string, string> refs = Refs(id, folder).ToLookup(item => item.Commit, item => item.Revision);
            CachedCommit[] commits =
            [
                .. Directory.EnumerateDirectories(snapshots).Select(path => Path.GetFileName(path)).Where(RepositoryId.IsCommit).Order(StringComparer.Ordinal)
                    .Select(commit => new CachedCommit(commit, [.. refs[commit].Order(StringComparer.Ordinal)], Snapshot(id, commit), RepositoryFiles.Missing(Snapshot(id, commit)) is null)),
            ];
            models.Add(new CachedModel(id, folder, commits, Bytes(folder)));
        }
        return models;
    }

    private IEnumerable<(string Revision, string Commit)> Refs(string id, string folder)
    {
        string refs = Path.Combine(folder, "refs");
        return !Directory.Exists(refs)
            ? []
            : Directory.EnumerateFiles(refs, "*", SearchOption.AllDirectories)
                .Select(file => Path.GetRelativePath(refs, file).Replace('\\', '/'))
                .Select(revision => (revision, CommitOf(id, revision) ?? ""));
    }

    /// <summary>What the files take on the disk; links count nothing.</summary>
    private static long Bytes(string folder) =>
        new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Where(file => file.LinkTarget is null).Sum(file => file.Length);

    private static string Temporary(string place) =>
        Path.Combine(Path.GetDirectoryName(place)!, $".{Path.GetFileName(place)}.{Guid.NewGuid():N}.tmp");

    /// <summary>EAGAIN of Linux and of macOS, and Windows' sharing violation.</summary>
    private static bool IsHeld(IOException error) => error.HResult is 11 or 35 or unchecked((int)0x80070020);
}
