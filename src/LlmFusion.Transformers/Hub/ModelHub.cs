namespace LlmFusion.Transformers.Hub;

/// <summary>
/// Models by name: a preset (<see cref="ModelPresets"/>), a repository id (<c>org/name</c>, or one word for the oldest
/// models), or a local folder. What is not in the cache is downloaded, checked, and kept there as Hugging Face's own
/// library does. Safe with several threads and processes.
/// </summary>
public sealed class ModelHub
{
    private readonly HubOptions options;
    private readonly HubCache cache;

    /// <summary>A hub as Hugging Face's variables describe it.</summary>
    /// <exception cref="HubException">A variable is wrong.</exception>
    public ModelHub() : this(HubOptions.FromEnvironment())
    {
    }

    /// <summary>A hub.</summary>
    /// <exception cref="HubException">The endpoint is no http address.</exception>
    public ModelHub(HubOptions options)
    {
        this.options = options with { Endpoint = HubOptions.Address(options.Endpoint), Cache = Path.GetFullPath(options.Cache) };
        cache = new HubCache(this.options.Cache);
    }

    /// <summary>The options.</summary>
    public HubOptions Options => options;

    /// <summary>
    /// The folder of a model, downloaded if it is not here.
    /// <list type="number">
    /// <item>An existing folder with a config.json is taken as it is, whatever else has its name.</item>
    /// <item>A preset's name, any case, stands for its repository.</item>
    /// <item>What begins with <c>/</c>, <c>.</c> or <c>~</c> must be such a folder, and so must any other existing folder.</item>
    /// <item>Anything else is a repository id.</item>
    /// </list>
    /// A revision that is a whole commit, and any with <see cref="HubOptions.Offline"/>, comes from the cache without a
    /// request. A branch or tag costs one request; where the hub cannot be reached, its last known commit is used.
    /// </summary>
    /// <param name="nameOrPath">Preset, repository id or folder.</param>
    /// <param name="revision">Branch, tag or commit; null: main.</param>
    /// <param name="progress">Told what happens, from the calling thread or another.</param>
    /// <param name="cancellation">Stops it; what has come stays for the next time.</param>
    /// <exception cref="HubException">The model cannot be had; the message says why, and the way out.</exception>
    public ModelFolder Get(string nameOrPath, string? revision = null, Action<HubProgress>? progress = null, CancellationToken cancellation = default)
    {
        Target target = Resolve(nameOrPath, revision);
        // The library is synchronous; only the network is not, as reads from it must be able to give up.
        return target.Folder ?? Task.Run(() => GetAsync(target, progress ?? (_ => { }), cancellation), cancellation).GetAwaiter().GetResult();
    }

    /// <summary>The folder of a model that is here already, whole; null if it is not. Asks nobody.</summary>
    /// <exception cref="HubException">The name is neither a folder nor a preset nor a repository id.</exception>
    public ModelFolder? Find(string nameOrPath, string? revision = null)
    {
        Target target = Resolve(nameOrPath, revision);
        return target.Folder ?? InCache(target).Found;
    }

    /// <summary>Every model in the cache, by id.</summary>
    public IReadOnlyList<CachedModel> Cached() => cache.Models();

    private static Target Resolve(string nameOrPath, string? revision)
    {
        string text = nameOrPath.Trim();
        string path = text == "~" || text.StartsWith("~/", StringComparison.Ordinal)
            ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + text[1..]
            : text;
        bool exists = Directory.Exists(path);
        if (exists && File.Exists(Path.Combine(path, RepositoryFiles.Config)))
        {
            return revision is null
                ? new Target(new ModelFolder(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)), null, null), [], "")
                : throw new HubException($"{text} is a local folder, which has no revisions; leave {revision} out");
        }
        if (ModelPresets.Find(text) is { } preset)
            return new Target(null, [preset.Id, .. preset.FormerIds], RepositoryId.CheckRevision(revision ?? "main"));
        if (exists)
            throw new HubException($"{Path.GetFullPath(path)}: is a folder without {RepositoryFiles.Config}; a model folder has {RepositoryFiles.Config}, weights and tokenizer files");
        if (text.Length == 0 || text[0] is '/' or '.' or '~' || Path.IsPathRooted(text))
            throw new HubException($"{text}: no such folder; expected one with {RepositoryFiles.Config}, a preset ({string.Join(", ", ModelPresets.All.Select(p => p.Name))}) or a repository id such as openai-community/gpt2");
        if (!RepositoryId.IsOne(text))
            throw new HubException($"{RepositoryId.Shown(text)}: neither a folder nor a preset ({string.Join(", ", ModelPresets.All.Select(p => p.Name))}) nor a repository id such as openai-community/gpt2");
        return new Target(null, [text], RepositoryId.CheckRevision(revision ?? "main"));
    }

    private async Task<ModelFolder> GetAsync(Target target, Action<HubProgress> progress, CancellationToken stop)
    {
        string id = target.Ids[0], revision = target.Revision;
        (ModelFolder? found, string? missing) = InCache(target);
        if (found is not null && (options.Offline || RepositoryId.IsCommit(revision)))
            return found;
        if (options.Offline)
            throw Absent(target, missing, "HF_HUB_OFFLINE is set");

        using HubClient client = new(options, reason => progress(new HubProgress(HubStage.Retrying, id, Reason: reason)));
        progress(new HubProgress(HubStage.Resolving, id));
        string commit;
        IReadOnlyList<string> files;
        try
        {
            (commit, IReadOnlyList<string> all) = await client.DescribeAsync(id, revision, stop).ConfigureAwait(false);
            files = RepositoryFiles.Choose(id, [.. all]);
        }
        catch (HubException error) when (error.HubIsDown || (error.AccessRefused && found is not null))
        {
            if (found is null)
                throw Absent(target, missing, error.Message, error);
            progress(new HubProgress(HubStage.UsingCache, id, Reason: error.Message));
            return found;
        }

        // A repository that was renamed has its old files under its old name.
        foreach (string former in target.Ids.Skip(1))
        {
            if (IsComplete(former, commit, files))
                return new ModelFolder(cache.Snapshot(former, commit), former, commit);
        }
        ModelFolder folder = new(cache.Snapshot(id, commit), id, commit);
        if (IsComplete(id, commit, files))
        {
            try
            {
                cache.SetCommit(id, revision, commit);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // A cache that may only be read has all that is needed.
            }
            return folder;
        }
        await new Pull(client, cache, options, id, commit, progress).RunAsync(files, stop).ConfigureAwait(false);
        cache.SetCommit(id, revision, commit);
        return folder;
    }

    /// <summary>The model as the cache has it, else what the cache lacks of it.</summary>
    private (ModelFolder? Found, string? Missing) InCache(Target target)
    {
        string? missing = null;
        foreach (string id in target.Ids)
        {
            if (cache.CommitOf(id, target.Revision) is not { } commit || !Directory.Exists(cache.Snapshot(id, commit)))
                continue;
            string? lacks = RepositoryFiles.Missing(cache.Snapshot(id, commit));
            if (lacks is null)
                return (new ModelFolder(cache.Snapshot(id, commit), id, commit), null);
            missing ??= lacks;
        }
        return (null, missing);
    }

    private bool IsComplete(string id, string commit, IReadOnlyList<string> files)
    {
        string folder = cache.Snapshot(id, commit);
        return files.All(file => File.Exists(Path.Combine(folder, file)))
            && files.Where(CheckpointFiles.IsIndex).SelectMany(index => RepositoryFiles.Shards(Path.Combine(folder, index))).All(shard => File.Exists(Path.Combine(folder, shard)));
    }

    private HubException Absent(Target target, string? missing, string reason, Exception? cause = null)
    {
        string id = target.Ids[0], revision = target.Revision == "main" ? "" : $" (revision {target.Revision})";
        reason = reason.StartsWith(id + ": ", StringComparison.Ordinal) ? reason[(id.Length + 2)..] : reason;
        string state = missing is null ? $"is not in the cache {cache.Folder}" : $"lacks {missing} in the cache {cache.Folder}";
        return new HubException($"{id}{revision} {state}, and {reason}. Two ways out: "
            + $"run 'models pull {id}' on a machine with internet and copy its folder {HubCache.FolderName(id)} into the cache here (or set HF_HUB_CACHE to a copy of that machine's cache); "
            + "or name a local folder with config.json, weights and tokenizer files instead", cause);
    }

    /// <summary>What a name stands for: a folder, or repository ids (the present one first) and a revision.</summary>
    private sealed record Target(ModelFolder? Folder, IReadOnlyList<string> Ids, string Revision);

    /// <summary>The download of one commit's files.</summary>
    private sealed class Pull(HubClient client, HubCache cache, HubOptions options, string id, string commit, Action<HubProgress> progress)
    {
        private readonly Dictionary<string, long> here = [];
        private long? total;

        public async Task RunAsync(IReadOnlyList<string> files, CancellationToken stop)
        {
            // An index first: only with its shards the amount of work is known.
            foreach (string index in files.Where(CheckpointFiles.IsIndex))
            {
                await GetAsync(await DescribeAsync([index], stop).ConfigureAwait(false), stop).ConfigureAwait(false);
                files = [.. files, .. RepositoryFiles.Shards(Path.Combine(cache.Snapshot(id, commit), index)).Except(files)];
            }
            List<RemoteFile> missing = await DescribeAsync(files, stop).ConfigureAwait(false);
            total = missing.All(file => file.Bytes is not null) ? missing.Sum(file => file.Bytes) + here.Values.Sum() : null;
            await GetAsync(missing, stop).ConfigureAwait(false);
        }

        private async Task<List<RemoteFile>> DescribeAsync(IReadOnlyList<string> files, CancellationToken stop)
        {
            List<RemoteFile> missing = [];
            foreach (string file in files.Where(file => !File.Exists(Path.Combine(cache.Snapshot(id, commit), file))))
                missing.Add(await client.FileAsync(id, commit, file, stop).ConfigureAwait(false));
            return missing;
        }

        private async Task GetAsync(List<RemoteFile> files, CancellationToken stop)
        {
            FileDownload download = new(client, cache, options, id, commit);
            foreach (RemoteFile file in files)
            {
                await download.RunAsync(file, bytes => Here(file.Name, bytes), () => progress(new HubProgress(HubStage.Waiting, id, file.Name,
                    Reason: $"another process is downloading {file.Name}")), stop).ConfigureAwait(false);
                cache.Link(id, commit, file.Name, file.ETag);
            }
        }

        private void Here(string file, long bytes)
        {
            here[file] = bytes;
            progress(new HubProgress(HubStage.Downloading, id, file, here.Values.Sum(), total));
        }
    }
}
