namespace LlmFusion.DataSets;

/// <summary>A file that cannot be read as a table of molecules at all: empty, binary, no header, a column missing or standing twice.</summary>
public sealed class DataFileException : Exception
{
    /// <summary>An exception that says what <paramref name="error"/> says.</summary>
    public DataFileException(RowError error, Exception? inner = null)
        : base(error.Message, inner) => Error = error;

    /// <summary>Where, what was found and what was expected.</summary>
    public RowError Error { get; }
}
