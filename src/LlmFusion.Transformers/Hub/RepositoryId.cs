using System.Text.RegularExpressions;

namespace LlmFusion.Transformers.Hub;

/// <summary>What names a model on the hub: ORG/NAME (or one word, for the oldest models), a revision, a file.</summary>
internal static partial class RepositoryId
{
    /// <summary>True for what can be a repository id there.</summary>
    public static bool IsOne(string text) =>
        text.Length <= 96 && Shape().IsMatch(text) && !text.Contains("--", StringComparison.Ordinal) && !text.Contains("..", StringComparison.Ordinal)
        && !text.EndsWith(".git", StringComparison.Ordinal);

    /// <summary>True for a whole commit id.</summary>
    public static bool IsCommit(string text) => Commit().IsMatch(text);

    /// <summary>A branch, tag or commit that is safe as a path below <c>refs</c>.</summary>
    /// <exception cref="HubException">It is not.</exception>
    public static string CheckRevision(string revision) => IsSafePath(revision)
        ? revision
        : throw new HubException($"revision: got \"{Shown(revision)}\", expected a branch, a tag or a commit");

    /// <summary>True for a relative path that stays below its folder, on every system.</summary>
    public static bool IsSafePath(string path) =>
        path.Length is > 0 and <= 255
        && path.All(c => c is >= ' ' and not ('\\' or ':' or '\x7f'))
        && path.Split('/').All(part => part.Length > 0 && part.Trim(' ') is not ("" or "." or ".."));

    /// <summary>Text from outside, fit for a message.</summary>
    public static string Shown(string text)
    {
        string clean = new([.. text.Take(200).Select(c => char.IsControl(c) ? '?' : c)]);
        return text.Length > 200 ? clean + "..." : clean;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?\z")]
    private static partial Regex Shape();

    [GeneratedRegex(@"\A[0-9a-f]{40}\z")]
    private static partial Regex Commit();
}
