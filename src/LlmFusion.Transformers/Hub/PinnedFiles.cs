namespace LlmFusion.Transformers.Hub;

/// <summary>A file of a git repository, by what its bytes are.</summary>
/// <param name="Path">Its path in the repository.</param>
/// <param name="BlobId">Its git blob id: sha1("blob " + length + NUL + bytes).</param>
public sealed record PinnedFile(string Path, string BlobId);

/// <summary>
/// Fetches files of a public git repository at a commit, as GitHub serves them: ENDPOINT/OWNER/NAME/COMMIT/PATH. A download that was broken
/// off goes on, and a file appears only when its bytes are those that were pinned.
/// </summary>
public static class PinnedFiles
{
    /// <summary>Where GitHub serves files as they are.</summary>
    public const string DefaultEndpoint = "https://raw.githubusercontent.com";

    /// <summary>Files of data are megabytes; what goes on beyond this is no such file.</summary>
    public const long MostBytes = 1 << 28;

    /// <summary>Fetches files.</summary>
    /// <param name="repository">OWNER/NAME.</param>
    /// <param name="commit">The commit, 40 hexadecimal digits.</param>
    /// <param name="files">The files.</param>
    /// <param name="folder">Where they are kept, under their blob ids.</param>
    /// <param name="progress">Receives what happens.</param>
    /// <param name="stop">Stops it; what has come stays for the next time.</param>
    /// <param name="options">Endpoint, time-outs and tries; null: those of GitHub.</param>
    /// <param name="mostBytes">More than this is refused.</param>
    /// <returns>Their paths, in order.</returns>
    /// <exception cref="HubException">The bytes do not come, are too many, or are others.</exception>
    public static IReadOnlyList<string> Get(string repository, string commit, IReadOnlyList<PinnedFile> files, string folder, Action<HubProgress> progress, CancellationToken stop, HubOptions? options = null, long mostBytes = MostBytes)
    {
        options = (options ?? new HubOptions { Cache = folder, Endpoint = DefaultEndpoint }) with { Cache = folder, Token = null };
        if (!Uri.TryCreate(options.Endpoint, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https")) throw new HubException($"endpoint: got {options.Endpoint}, expected an address such as {DefaultEndpoint}");
        HubCache cache = new(folder);
        using HubClient client = new(options, reason => progress(new HubProgress(HubStage.Retrying, repository, Reason: reason)), isHub: false);
        FileDownload download = new(client, cache, options, repository, commit);
        foreach (PinnedFile file in files)
        {
            progress(new HubProgress(HubStage.Resolving, repository, file.Path));
            download.RunAsync(new RemoteFile(file.Path, file.BlobId, Bytes: null) { MostBytes = mostBytes }, bytes => progress(new HubProgress(HubStage.Downloading, repository, file.Path, bytes)),
                () => progress(new HubProgress(HubStage.Waiting, repository, file.Path, Reason: "another process is downloading it")), stop).GetAwaiter().GetResult();
        }

        return [.. files.Select(file => cache.Blob(repository, file.BlobId))];
    }
}
