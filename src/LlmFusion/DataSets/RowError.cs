namespace LlmFusion.DataSets;

/// <summary>Why a row, or a whole file, is refused: where, what was found, what was expected.</summary>
/// <param name="File">The file's path as it was given.</param>
/// <param name="Line">The 1-based physical line on which the row begins; 0 where the file as a whole is meant.</param>
/// <param name="Column">The column's name, or null where the row as a whole is meant.</param>
/// <param name="Found">What stands there.</param>
/// <param name="Expected">What should stand there.</param>
public sealed record RowError(string File, long Line, string? Column, string Found, string Expected)
{
    private const int ShownCharacters = 60;

    /// <summary>The error in one line of words.</summary>
    public string Message =>
        File
        + (Line > 0 ? $", line {Line}" : "")
        + (Column is null ? "" : $", column {Column}")
        + $": found {Found}, expected {Expected}";

    /// <summary>A value in quotes, cut where it is long and with its control characters shown, for <see cref="Found"/>.</summary>
    public static string Quote(string value)
    {
        string shown = value.Length > ShownCharacters ? value[..ShownCharacters] + "…" : value;
        return shown.Length == 0
            ? "nothing"
            : "\"" + shown.Replace("\r", "\\r").Replace("\n", "\\n").Replace("\t", "\\t").Replace("\0", "\\0") + "\"";
    }

    /// <inheritdoc/>
    public override string ToString() => Message;
}
