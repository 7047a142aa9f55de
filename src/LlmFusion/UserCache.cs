namespace LlmFusion;

/// <summary>The user's cache: what can be downloaded or computed again.</summary>
public static class UserCache
{
    /// <summary>The folder that <paramref name="variable"/> names, else <c>llmfusion/NAME</c> in the user's cache folder.</summary>
    public static string Folder(string name, string variable)
    {
        if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } named)
            return Path.GetFullPath(named);
        string cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg && Path.IsPathRooted(xdg)
            ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(cache, "llmfusion", name);
    }
}
