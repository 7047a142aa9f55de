using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace LlmFusion.Transformers.Hub;

/// <summary>A file as the hub describes it.</summary>
/// <param name="Name">Its path in the repository.</param>
/// <param name="ETag">What its bytes are called: their sha256 for large files, their git blob id for others.</param>
/// <param name="Bytes">Its length; null where the hub does not say.</param>
internal sealed record RemoteFile(string Name, string ETag, long? Bytes)
{
    /// <summary>Where no length is known, more than this is refused; null: nothing is.</summary>
    public long? MostBytes { get; init; }
}

/// <summary>
/// Speaks to the hub. Redirects are followed here, not by the handler: the token goes to the endpoint's own host only,
/// and the headers that describe a file come with the answer before the redirect.
/// </summary>
/// <param name="options">Endpoint, time-outs, tries.</param>
/// <param name="retrying">Told why something is tried again.</param>
/// <param name="isHub">Whether the endpoint is a model hub; else it serves files as GitHub does, and nothing is said of tokens and terms.</param>
internal sealed class HubClient(HubOptions options, Action<string> retrying, bool isHub = true) : IDisposable
{
    private const int MostRedirects = 10;

    /// <summary>A model's description is a few kilobytes; this is a limit for what is none.</summary>
    private const int LongestDescription = 16 << 20;

    private readonly Uri endpoint = new(options.Endpoint + "/");

    private readonly HttpClient http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = !new Uri(options.Endpoint).IsLoopback,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = options.Timeout,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>The commit of a revision, and the names of all its files.</summary>
    /// <exception cref="HubException">The hub refuses, does not know the model, or cannot be reached.</exception>
    public async Task<(string Commit, IReadOnlyList<string> Files)> DescribeAsync(string id, string revision, CancellationToken stop)
    {
        Uri address = new(endpoint, $"api/models/{id}/revision/{Uri.EscapeDataString(revision)}");
        using Answer answer = await AskAsync(HttpMethod.Get, address, from: 0, onlyOwnHost: true, id, revision, file: null, stop).ConfigureAwait(false);
        byte[] text = await ReadAsync(answer, stop).ConfigureAwait(false);
        try
        {
            using JsonDocument json = JsonDocument.Parse(text);
            string commit = json.RootElement.GetProperty("sha").GetString() ?? "";
            if (!RepositoryId.IsCommit(commit))
                throw new HubException($"{id}: {options.Endpoint} says that its commit is \"{RepositoryId.Shown(commit)}\", expected 40 hexadecimal digits");
            return (commit, [.. json.RootElement.GetProperty("siblings").EnumerateArray().Select(item => item.GetProperty("rfilename").GetString() ?? "")]);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new HubException($"{id}: {address} did not answer as a Hugging Face hub does ({error.Message}); is HF_ENDPOINT right?", error);
        }
    }

    /// <summary>What a file's bytes are called, and how many they are.</summary>
    public async Task<RemoteFile> FileAsync(string id, string commit, string file, CancellationToken stop)
    {
        Uri address = FileAddress(id, commit, file);
        using Answer answer = await AskAsync(HttpMethod.Head, address, from: 0, onlyOwnHost: true, id, commit, file, stop).ConfigureAwait(false);
        if (answer.Header("X-Repo-Commit") is { } other && other != commit)
            throw new HubException($"{id}: {file} of commit {commit} was answered with commit {RepositoryId.Shown(other)}; is HF_ENDPOINT right?");
        string etag = answer.Header("X-Linked-ETag") ?? answer.Header("ETag") ?? "";
        etag = (etag.StartsWith("W/", StringComparison.Ordinal) ? etag[2..] : etag).Trim('"');
        // It becomes the name of a file.
        if (etag.Length is 0 or > 128 || etag.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_')))
            throw new HubException($"{id}: {address} came with the ETag \"{RepositoryId.Shown(etag)}\", expected letters and digits; is HF_ENDPOINT right?");
        return new RemoteFile(file, etag, long.TryParse(answer.Header("X-Linked-Size"), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes)
            ? bytes
            : answer.IsRedirect ? null : answer.Length);
    }

    /// <summary>A file's bytes from a place on: 206, or 200 from the beginning, or 416.</summary>
    public Task<Answer> OpenAsync(string id, string commit, string file, long from, CancellationToken stop) =>
        AskAsync(HttpMethod.Get, FileAddress(id, commit, file), from, onlyOwnHost: false, id, commit, file, stop);

    public void Dispose() => http.Dispose();

    /// <summary>The wait before the next try of something that failed some times in a row.</summary>
    public TimeSpan Delay(int failures) => options.RetryDelay * Math.Pow(2, Math.Min(failures, 6) - 1);

    /// <summary>Waits before another try, and says why.</summary>
    public async Task WaitAsync(TimeSpan delay, string reason, CancellationToken stop)
    {
        retrying(delay > TimeSpan.Zero ? $"{reason}; trying again in {Seconds(delay)} s" : $"{reason}; trying again");
        await Task.Delay(delay, stop).ConfigureAwait(false);
    }

    private static string Seconds(TimeSpan span) => Math.Ceiling(span.TotalSeconds).ToString("F0", CultureInfo.InvariantCulture);

    private Uri FileAddress(string id, string commit, string file) =>
        new(endpoint, $"{id}/{(isHub ? "resolve/" : "")}{commit}/{string.Join('/', file.Split('/').Select(Uri.EscapeDataString))}");

    /// <summary>Asks, follows redirects, and tries again what may pass.</summary>
    /// <param name="method">GET or HEAD.</param>
    /// <param name="address">Where.</param>
    /// <param name="from">The first byte wanted.</param>
    /// <param name="onlyOwnHost">A redirect to another host is the answer.</param>
    /// <param name="id">The model, for messages.</param>
    /// <param name="revision">The revision, for messages.</param>
    /// <param name="file">The file, for messages.</param>
    /// <param name="stop">Stops it.</param>
    private async Task<Answer> AskAsync(HttpMethod method, Uri address, long from, bool onlyOwnHost, string id, string revision, string? file, CancellationToken stop)
    {
        for (int failures = 1; ; failures++)
        {
            bool last = failures >= options.Tries;
            string reason;
            TimeSpan delay = Delay(failures);
            try
            {
                Answer answer = await FollowAsync(method, address, from, onlyOwnHost, stop).ConfigureAwait(false);
                if (answer.IsSuccess || answer.IsRedirect || answer.Status == HttpStatusCode.RequestedRangeNotSatisfiable)
                    return answer;
                using (answer)
                {
                    if (answer.Status is not (HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout) && (int)answer.Status < 500)
                        throw Refusal(answer, id, revision, file);
                    reason = $"{answer.Address.Host} answered {(int)answer.Status} {answer.Reason}".TrimEnd();
                    if (answer.RetryAfter is { } asked)
                    {
                        if (asked > options.LongestWait)
                        {
                            string more = isHub && options.Token is null ? ", or set HF_TOKEN, which allows more requests" : "";
                            throw new HubException($"{id}: {reason} and asks to wait {Seconds(asked)} s; try again then{more}") { HubIsDown = true };
                        }
                        delay = asked;
                    }
                }
                if (last)
                    throw new HubException($"{id}: {reason}, {options.Tries} times; try again later") { HubIsDown = true };
            }
            catch (HttpRequestException error) when (error.HttpRequestError is HttpRequestError.ConnectionError
                or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError)
            {
                throw new HubException($"{id}: {address.Host} cannot be reached ({(error.InnerException ?? error).Message})", error) { HubIsDown = true };
            }
            catch (Exception error) when (error is HttpRequestException or IOException or TimeoutException)
            {
                reason = $"{address.Host} did not answer ({error.Message})";
                if (last)
                    throw new HubException($"{id}: {reason}, {options.Tries} times; try again later", error) { HubIsDown = true };
            }
            await WaitAsync(delay, reason, stop).ConfigureAwait(false);
        }
    }

    private async Task<Answer> FollowAsync(HttpMethod method, Uri address, long from, bool onlyOwnHost, CancellationToken stop)
    {
        List<HttpResponseMessage> redirects = [];
        try
        {
            while (true)
            {
                HttpResponseMessage response = await SendAsync(method, address, from, stop).ConfigureAwait(false);
                Uri? next = (int)response.StatusCode is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is { } place ? new Uri(address, place) : null;
                if (next is null || (onlyOwnHost && !IsOwnHost(next)))
                    return new Answer(address, response, redirects);
                redirects.Add(response);
                if (redirects.Count > MostRedirects)
                    throw new HubException($"{redirects[0].RequestMessage!.RequestUri}: more than {MostRedirects} redirects; is HF_ENDPOINT right?");
                if (next.Scheme != Uri.UriSchemeHttps && next.Scheme != endpoint.Scheme)
                    throw new HubException($"{address}: redirects to {next.Scheme}://{next.Host}, which is not encrypted; is HF_ENDPOINT right?");
                address = next;
            }
        }
        catch
        {
            redirects.ForEach(response => response.Dispose());
            throw;
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, Uri address, long from, CancellationToken stop)
    {
        using HttpRequestMessage request = new(method, address);
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("llmfusion", typeof(HubClient).Assembly.GetName().Version?.ToString(3) ?? "0"));
        // A compressed body would have another length, and no ranges.
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
        if (from > 0)
            request.Headers.Range = new RangeHeaderValue(from, null);
        if (options.Token is not null && IsOwnHost(address))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", options.Token);
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(options.Timeout);
        try
        {
            return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!stop.IsCancellationRequested)
        {
            throw new TimeoutException($"nothing for {Seconds(options.Timeout)} s", error);
        }
    }

    private bool IsOwnHost(Uri address) =>
        Uri.Compare(address, endpoint, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped, StringComparison.OrdinalIgnoreCase) == 0;

    private async Task<byte[]> ReadAsync(Answer answer, CancellationToken stop)
    {
        using MemoryStream text = new();
        byte[] buffer = new byte[1 << 16];
        try
        {
            await using Stream body = await answer.BodyAsync(stop).ConfigureAwait(false);
            int read;
            while ((read = await ReadAsync(body, buffer, stop).ConfigureAwait(false)) > 0)
            {
                text.Write(buffer, 0, read);
                if (text.Length > LongestDescription)
                    throw new HubException($"{answer.Address}: longer than {LongestDescription} bytes; is HF_ENDPOINT right?");
            }
            return text.ToArray();
        }
        catch (Exception error) when (error is HttpRequestException or IOException or TimeoutException)
        {
            throw new HubException($"{answer.Address}: broke off ({error.Message}); try again", error) { HubIsDown = true };
        }
    }

    /// <summary>Reads what has come, and gives up where nothing comes.</summary>
    /// <exception cref="TimeoutException">Nothing came in time.</exception>
    public async Task<int> ReadAsync(Stream body, Memory<byte> buffer, CancellationToken stop)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(options.Timeout);
        try
        {
            return await body.ReadAsync(buffer, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!stop.IsCancellationRequested)
        {
            throw new TimeoutException($"nothing for {Seconds(options.Timeout)} s", error);
        }
    }

    private HubException Refusal(Answer answer, string id, string revision, string? file)
    {
        if (!isHub)
            return new HubException($"{id}: {answer.Address.GetLeftPart(UriPartial.Path)} answered {(int)answer.Status} {answer.Reason}, expected {file} of commit {revision}");
        string page = $"{options.Endpoint}/{id}", status = ((int)answer.Status).ToString(CultureInfo.InvariantCulture);
        string said = answer.Header("X-Error-Message") is { } message ? $" (\"{RepositoryId.Shown(message)}\")" : "";
        string code = answer.Header("X-Error-Code") ?? "";
        string token = options.Token is null
            ? "set HF_TOKEN to an access token of your account"
            : "the token that HF_TOKEN or the file of 'hf auth login' gives is not enough: make one that may read this model";
        string noSuchModel = $"no model {id} at {options.Endpoint}: check its spelling, ORG/NAME as on its page";
        return new HubException(answer.Status switch
        {
            _ when !IsOwnHost(answer.Address) => $"{id}: {answer.Address.Host}, to which the hub redirects for {file}, answered {status} {answer.Reason}; try again",
            // The hub answers 401 for what does not exist, lest names of private models be guessed.
            HttpStatusCode.Unauthorized when code == "RepoNotFound" => $"{noSuchModel}; if it is private, {token}{said}",
            HttpStatusCode.Unauthorized => $"{id}: access refused (401): it is gated or private, or does not exist. Check its spelling; ask for access on {page}; {token}{said}",
            HttpStatusCode.Forbidden => $"{id}: access refused (403): it is gated. Accept its terms on {page} with your account, and {token}{said}",
            HttpStatusCode.NotFound when code == "RevisionNotFound" => $"{id} has no revision {revision}: check its spelling, or leave it out for main; see {page}",
            HttpStatusCode.NotFound when file is not null => $"{id} has no file {file} at {revision}{said}",
            HttpStatusCode.NotFound when code == "RepoNotFound" => noSuchModel + said,
            HttpStatusCode.NotFound => $"{noSuchModel}; or it has no revision {revision}{said}",
            _ => $"{id}: {answer.Address.GetLeftPart(UriPartial.Path)} answered {status} {answer.Reason}{said}",
        })
        {
            AccessRefused = answer.Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden,
        };
    }

    /// <summary>An answer, and the redirects that led to it.</summary>
    internal sealed class Answer(Uri address, HttpResponseMessage response, IReadOnlyList<HttpResponseMessage> redirects) : IDisposable
    {
        public Uri Address => address;

        public HttpStatusCode Status => response.StatusCode;

        public string Reason => RepositoryId.Shown(response.ReasonPhrase ?? "");

        public bool IsSuccess => response.IsSuccessStatusCode;

        public bool IsRedirect => (int)response.StatusCode is >= 300 and < 400;

        /// <summary>The length of this body, which is a part of the file's after a range.</summary>
        public long? Length => response.Content.Headers.ContentLength;

        /// <summary>The first byte that this body has; null where it is not a part.</summary>
        public long? From => response.StatusCode == HttpStatusCode.PartialContent ? response.Content.Headers.ContentRange?.From ?? -1 : null;

        public TimeSpan? RetryAfter
        {
            get
            {
                TimeSpan? wait = response.Headers.RetryAfter?.Delta ?? response.Headers.RetryAfter?.Date - DateTimeOffset.UtcNow;
                return wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
            }
        }

        /// <summary>A header of the answer, else of the nearest redirect that had it.</summary>
        public string? Header(string name) => redirects.Append(response).Reverse()
            .Select(r => r.Headers.TryGetValues(name, out IEnumerable<string>? values) || r.Content.Headers.TryGetValues(name, out values) ? values.First() : null)
            .FirstOrDefault(value => !string.IsNullOrEmpty(value));

        public Task<Stream> BodyAsync(CancellationToken stop) => response.Content.ReadAsStreamAsync(stop);

        public void Dispose()
        {
            response.Dispose();
            foreach (HttpResponseMessage redirect in redirects)
                redirect.Dispose();
        }
    }
}
