using System.Globalization;

namespace LlmFusion.Transformers.Hub;

/// <summary>Where models come from and where they are kept; by default as Hugging Face's own library has it.</summary>
public sealed record HubOptions
{
    /// <summary>The hub of Hugging Face.</summary>
    public const string DefaultEndpoint = "https://huggingface.co";

    /// <summary>The cache folder, which holds <c>models--ORG--NAME</c> folders. It need not exist.</summary>
    public required string Cache { get; init; }

    /// <summary>The hub's address, without a slash at its end.</summary>
    public string Endpoint { get; init; } = DefaultEndpoint;

    /// <summary>The access token for private and gated models; it is sent to the endpoint's own host only. Null: none.</summary>
    public string? Token { get; init; }

    /// <summary>Never ask the hub: only what is in the cache is used.</summary>
    public bool Offline { get; init; }

    /// <summary>How long to wait for a connection, an answer, or the next bytes.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often in a row something that may pass is tried: a connection cut, 429, 5xx.</summary>
    public int Tries { get; init; } = 5;

    /// <summary>The wait before the second try, where the hub does not say; it doubles with each further one.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait that a Retry-After may ask for; a longer one is an error.</summary>
    public TimeSpan LongestWait { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// The options that Hugging Face's variables ask for: <c>HF_HUB_CACHE</c> (older: <c>HUGGINGFACE_HUB_CACHE</c>),
    /// <c>HF_HOME</c>, <c>XDG_CACHE_HOME</c>; <c>HF_ENDPOINT</c>; <c>HF_TOKEN</c> (older:
    /// <c>HUGGING_FACE_HUB_TOKEN</c>), <c>HF_TOKEN_PATH</c>, the file <c>token</c> in the Hugging Face folder,
    /// <c>HF_HUB_DISABLE_IMPLICIT_TOKEN</c>; <c>HF_HUB_OFFLINE</c>, <c>TRANSFORMERS_OFFLINE</c>.
    /// </summary>
    /// <exception cref="HubException">HF_ENDPOINT is no http address, or the token cannot be one.</exception>
    public static HubOptions FromEnvironment() =>
        From(Environment.GetEnvironmentVariable, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));

    internal static HubOptions From(Func<string, string?> variable, string userFolder)
    {
        string? Named(string name) => variable(name) is { Length: > 0 } value ? value : null;
        string Folder(string path) => Path.GetFullPath(
            path == "~" || path.StartsWith("~/", StringComparison.Ordinal) ? userFolder + path[1..] : path);
        bool Set(string name) => Named(name)?.ToUpperInvariant() is "1" or "TRUE" or "YES" or "ON";

        string home = Folder(Named("HF_HOME") ?? Path.Combine(Named("XDG_CACHE_HOME") ?? Path.Combine(userFolder, ".cache"), "huggingface"));
        return new HubOptions
        {
            Cache = Folder(Named("HF_HUB_CACHE") ?? Named("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub")),
            Endpoint = Address(Named("HF_ENDPOINT") ?? DefaultEndpoint),
            Token = Set("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? null
                : Checked(Named("HF_TOKEN") ?? Named("HUGGING_FACE_HUB_TOKEN"), "HF_TOKEN")
                    ?? TokenOf(Folder(Named("HF_TOKEN_PATH") ?? Path.Combine(home, "token"))),
            // As there: an empty HF_HUB_OFFLINE leaves it to the other variable, "0" does not.
            Offline = Named("HF_HUB_OFFLINE") is null ? Set("TRANSFORMERS_OFFLINE") : Set("HF_HUB_OFFLINE"),
        };
    }

    /// <summary>All but the token, which does not belong into a log.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"cache {Cache}, endpoint {Endpoint}, {(Token is null ? "no token" : "with a token")}{(Offline ? ", offline" : "")}");

    internal static string Address(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? address) && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps)
            && address.Query.Length == 0 && address.Fragment.Length == 0
            ? text.TrimEnd('/')
            : throw new HubException($"HF_ENDPOINT: got {text}, expected an address such as {DefaultEndpoint}");

    private static string? TokenOf(string file)
    {
        try
        {
            return File.Exists(file) ? Checked(File.ReadAllText(file), file) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A token that cannot be read is none; a model that needs one says so.
            return null;
        }
    }

    private static string? Checked(string? token, string source)
    {
        token = token?.Trim();
        if (string.IsNullOrEmpty(token))
            return null;
        return token.All(c => c is > ' ' and <= '~')
            ? token
            : throw new HubException($"{source}: holds no access token; it is one word of letters, digits and '_', as in hf_...");
    }
}
