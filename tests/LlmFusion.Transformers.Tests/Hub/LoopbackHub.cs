using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.Transformers.Tests.Hub;

/// <summary>A request that the loopback hub got.</summary>
/// <param name="Storage">True if it came to the storage host, to which large files are redirected.</param>
/// <param name="Method">GET or HEAD.</param>
/// <param name="Path">The path as it was sent, without a query.</param>
/// <param name="Headers">Its headers; names in any case.</param>
public sealed record LoopbackRequest(bool Storage, string Method, string Path, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>The first byte asked for.</summary>
    public int From => Headers.TryGetValue("Range", out string? range) ? int.Parse(range.Replace("bytes=", "", StringComparison.Ordinal).TrimEnd('-'), CultureInfo.InvariantCulture) : 0;

    /// <summary>The access token that came with it.</summary>
    public string? Token => Headers.TryGetValue("Authorization", out string? value) ? value.Replace("Bearer ", "", StringComparison.Ordinal) : null;
}

/// <summary>What the loopback hub answers.</summary>
/// <param name="Status">The status code.</param>
/// <param name="Headers">Headers beside Content-Length.</param>
/// <param name="Body">The body; of a HEAD request only its length is sent.</param>
/// <param name="CutAfter">Closes the connection after this many bytes of the body.</param>
public sealed record LoopbackAnswer(int Status, IReadOnlyDictionary<string, string>? Headers = null, byte[]? Body = null, int? CutAfter = null);

/// <summary>
/// A server on loopback that behaves as the Hugging Face hub does: the description of a model, HEAD and GET of its
/// files, relative redirects of small files, redirects of large ones to another host, ETag, X-Linked-ETag, ranges,
/// 401, 403 and 404 with X-Error-Code. <see cref="Interfere"/> lets a test answer otherwise.
/// </summary>
public sealed class LoopbackHub : IDisposable
{
    private readonly TcpListener hub = new(IPAddress.Loopback, 0), storage = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<string, Repository> repositories = new();
    private readonly ConcurrentDictionary<string, string> renamed = new();
    private readonly ConcurrentQueue<LoopbackRequest> requests = new();

    public LoopbackHub()
    {
        hub.Start();
        storage.Start();
        _ = AcceptAsync(hub, isStorage: false);
        _ = AcceptAsync(storage, isStorage: true);
    }

    /// <summary>The value for HF_ENDPOINT.</summary>
    public string Endpoint => $"http://127.0.0.1:{((IPEndPoint)hub.LocalEndpoint).Port}";

    /// <summary>Everything that was asked, in order.</summary>
    public IReadOnlyList<LoopbackRequest> Requests => [.. requests];

    /// <summary>Answers instead of the hub where it does not return null. It may be called from several threads.</summary>
    public Func<LoopbackRequest, LoopbackAnswer?>? Interfere { get; set; }

    /// <summary>Options for this hub, which do not wait between tries.</summary>
    public HubOptions Options(string cache) => new()
    {
        Cache = cache,
        Endpoint = Endpoint,
        Timeout = TimeSpan.FromSeconds(20),
        RetryDelay = TimeSpan.Zero,
    };

    /// <summary>Publishes files as a new commit of a repository; returns the commit.</summary>
    /// <param name="id">The repository.</param>
    /// <param name="files">Names and bytes; .safetensors and .bin are large files.</param>
    /// <param name="revision">The branch that it is on.</param>
    /// <param name="token">Only who sends this token sees it.</param>
    public string Publish(string id, IReadOnlyDictionary<string, byte[]> files, string revision = "main", string? token = null)
    {
        string commit = Sha1(Encoding.UTF8.GetBytes(id + string.Concat(files.Select(file => file.Key + GitBlobId(file.Value)))));
        Repository repository = repositories.GetOrAdd(id, _ => new Repository());
        repository.Token = token;
        repository.Commits[commit] = files;
        repository.Revisions[revision] = commit;
        return commit;
    }

    /// <summary>Publishes a folder's files.</summary>
    public string Publish(string id, string folder, string revision = "main") =>
        Publish(id, Directory.EnumerateFiles(folder).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes), revision);

    /// <summary>Answers for a former id with redirects to the present one.</summary>
    public void Rename(string former, string id) => renamed[former] = id;

    /// <summary>The ETag of a file: sha256 for a large one, else the git blob id.</summary>
    public static string ETagOf(string name, byte[] bytes) => IsLarge(name) ? Convert.ToHexStringLower(SHA256.HashData(bytes)) : GitBlobId(bytes);

    /// <summary>Takes the hub off the network; it may be done more than once.</summary>
    public void Dispose()
    {
        hub.Dispose();
        storage.Dispose();
    }

    private static bool IsLarge(string name) => name.EndsWith(".safetensors", StringComparison.Ordinal) || name.EndsWith(".bin", StringComparison.Ordinal);

    private static string GitBlobId(byte[] bytes) =>
        Sha1([.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {bytes.Length}\0")), .. bytes]);

    private static string Sha1(byte[] bytes)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(bytes);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private async Task AcceptAsync(TcpListener listener, bool isStorage)
    {
        try
        {
            while (true)
            {
                TcpClient client = await listener.AcceptTcpClientAsync();
                _ = Task.Run(() => ServeAsync(client, isStorage));
            }
        }
        catch (Exception error) when (error is ObjectDisposedException or SocketException)
        {
            // Disposed.
        }
    }

    private async Task ServeAsync(TcpClient client, bool isStorage)
    {
        try
        {
            using (client)
            {
                NetworkStream stream = client.GetStream();
                if (await ReadAsync(stream, isStorage) is not { } request)
                    return;
                requests.Enqueue(request);
                await WriteAsync(stream, request, Interfere?.Invoke(request) ?? (isStorage ? Stored(request) : Answer(request)));
            }
        }
        catch (IOException)
        {
            // The client has left.
        }
    }

    private static async Task<LoopbackRequest?> ReadAsync(NetworkStream stream, bool isStorage)
    {
        using StreamReader reader = new(stream, Encoding.ASCII, leaveOpen: true);
        if (await reader.ReadLineAsync() is not { } first)
            return null;
        Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
        while (await reader.ReadLineAsync() is { Length: > 0 } line)
            headers[line[..line.IndexOf(':')]] = line[(line.IndexOf(':') + 1)..].Trim();
        string[] parts = first.Split(' ');
        return new LoopbackRequest(isStorage, parts[0], parts[1].Split('?')[0], headers);
    }

    private static async Task WriteAsync(NetworkStream stream, LoopbackRequest request, LoopbackAnswer answer)
    {
        byte[] body = answer.Body ?? [];
        StringBuilder head = new($"HTTP/1.1 {answer.Status} {(HttpStatusCode)answer.Status}\r\nConnection: close\r\n");
        foreach ((string name, string value) in answer.Headers ?? new Dictionary<string, string>())
            head.Append(name).Append(": ").Append(value).Append("\r\n");
        if (answer.Headers?.ContainsKey("Content-Length") != true)
            head.Append("Content-Length: ").Append(body.Length.ToString(CultureInfo.InvariantCulture)).Append("\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()));
        if (request.Method != "HEAD")
            await stream.WriteAsync(body.AsMemory(0, Math.Min(answer.CutAfter ?? body.Length, body.Length)));
        await stream.FlushAsync();
        stream.Socket.Shutdown(SocketShutdown.Send);
    }

    private LoopbackAnswer Answer(LoopbackRequest request)
    {
        string path = request.Path[1..];
        foreach ((string former, string present) in renamed)
        {
            string inApi = $"api/models/{former}/revision/", inFiles = $"{former}/resolve/";
            if (path.StartsWith(inApi, StringComparison.Ordinal) || path.StartsWith(inFiles, StringComparison.Ordinal))
                return Redirect(307, "/" + path.Replace(former + "/re", present + "/re", StringComparison.Ordinal));
        }
        // Small files come from here after a relative redirect, as on the hub.
        const string cached = "api/resolve-cache/models/";
        if (path.StartsWith(cached, StringComparison.Ordinal))
            return FileOf(request, path[cached.Length..].Replace("/commit/", "/resolve/", StringComparison.Ordinal), direct: true);
        return path.StartsWith("api/models/", StringComparison.Ordinal) ? Describe(request, path["api/models/".Length..]) : FileOf(request, path, direct: false);
    }

    private LoopbackAnswer Describe(LoopbackRequest request, string path)
    {
        string[] parts = path.Split("/revision/");
        if (Refused(request, parts[0], out Repository? repository) is { } refusal)
            return refusal;
        string revision = Uri.UnescapeDataString(parts[1]);
        string? commit = repository!.Commits.ContainsKey(revision) ? revision : repository.Revisions.GetValueOrDefault(revision);
        if (commit is null)
            return Error(404, "RevisionNotFound", $"Invalid rev id: {revision}");
        JsonObject json = new()
        {
            ["id"] = parts[0],
            ["sha"] = commit,
            ["siblings"] = new JsonArray([.. repository.Commits[commit].Keys.Select(name => new JsonObject { ["rfilename"] = name })]),
        };
        return new LoopbackAnswer(200, new Dictionary<string, string> { ["Content-Type"] = "application/json" }, Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    private LoopbackAnswer FileOf(LoopbackRequest request, string path, bool direct)
    {
        string[] parts = path.Split("/resolve/");
        if (parts.Length != 2)
            return Error(404, "", "no such page");
        if (Refused(request, parts[0], out Repository? repository) is { } refusal)
            return refusal;
        string commit = parts[1].Split('/')[0], name = Uri.UnescapeDataString(parts[1][(commit.Length + 1)..]);
        if (!repository!.Commits.TryGetValue(commit, out IReadOnlyDictionary<string, byte[]>? files))
            return Error(404, "RevisionNotFound", $"Invalid rev id: {commit}");
        if (!files.TryGetValue(name, out byte[]? bytes))
            return Error(404, "EntryNotFound", "Entry not found");
        string etag = $"\"{ETagOf(name, bytes)}\"", length = bytes.Length.ToString(CultureInfo.InvariantCulture);
        if (direct)
            return Part(request, bytes, new Dictionary<string, string> { ["X-Repo-Commit"] = commit, ["ETag"] = etag });
        Dictionary<string, string> headers = new() { ["X-Repo-Commit"] = commit, ["X-Linked-ETag"] = etag, ["X-Linked-Size"] = length };
        if (!IsLarge(name))
            return Redirect(307, $"/api/resolve-cache/models/{parts[0]}/commit/{parts[1]}?etag=1", headers);
        // The redirect's own ETag is another one.
        headers["ETag"] = "\"0123-redirect\"";
        return Redirect(302, $"http://localhost:{((IPEndPoint)storage.LocalEndpoint).Port}/{etag.Trim('"')}?Signature=1", headers);
    }

    private LoopbackAnswer Stored(LoopbackRequest request)
    {
        foreach ((string name, byte[] bytes) in repositories.Values.SelectMany(repository => repository.Commits.Values).SelectMany(files => files))
        {
            if (ETagOf(name, bytes) == request.Path[1..])
                return Part(request, bytes, new Dictionary<string, string> { ["ETag"] = "\"storage-1\"" });
        }
        return Error(404, "", "no such object");
    }

    private static LoopbackAnswer Part(LoopbackRequest request, byte[] bytes, Dictionary<string, string> headers)
    {
        int from = request.From;
        headers["Accept-Ranges"] = "bytes";
        if (from == 0)
            return new LoopbackAnswer(200, headers, bytes);
        headers["Content-Range"] = string.Create(CultureInfo.InvariantCulture, $"bytes {(from < bytes.Length ? $"{from}-{bytes.Length - 1}" : "*")}/{bytes.Length}");
        return from < bytes.Length ? new LoopbackAnswer(206, headers, bytes[from..]) : new LoopbackAnswer(416, headers);
    }

    private LoopbackAnswer? Refused(LoopbackRequest request, string id, out Repository? repository)
    {
        if (!repositories.TryGetValue(id, out repository))
            return request.Token is null ? Error(401, "RepoNotFound", "Invalid username or password.") : Error(404, "RepoNotFound", "Repository not found");
        if (repository.Token is null || repository.Token == request.Token)
            return null;
        return request.Token is null
            ? Error(401, "GatedRepo", $"Access to model {id} is restricted.")
            : Error(403, "GatedRepo", $"Access to model {id} is restricted and you are not in the authorized list.");
    }

    private static LoopbackAnswer Error(int status, string code, string message) =>
        new(status, new Dictionary<string, string> { ["X-Error-Code"] = code, ["X-Error-Message"] = message });

    private static LoopbackAnswer Redirect(int status, string location, Dictionary<string, string>? headers = null) =>
        new(status, new Dictionary<string, string>(headers ?? []) { ["Location"] = location });

    private sealed class Repository
    {
        public ConcurrentDictionary<string, IReadOnlyDictionary<string, byte[]>> Commits { get; } = new();

        public ConcurrentDictionary<string, string> Revisions { get; } = new();

        public string? Token { get; set; }
    }
}
