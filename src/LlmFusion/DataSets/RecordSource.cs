namespace LlmFusion.DataSets;

/// <summary>One record of a file before its fields are given a meaning.</summary>
/// <param name="Line">The 1-based physical line on which it begins.</param>
/// <param name="Fields">The fields as text.</param>
/// <param name="Found">What is wrong with it as a record, or null.</param>
/// <param name="Expected">What was expected instead, or null.</param>
internal readonly record struct SourceRecord(long Line, string[] Fields, string? Found = null, string? Expected = null);

/// <summary>A file format read as a stream of records: column names first, then the records in file order, once.</summary>
internal abstract class RecordSource : IDisposable
{
    /// <summary>The column names in file order.</summary>
    public abstract IReadOnlyList<string> Columns { get; }

    /// <summary>A guess at why a column may be missing, to end the error's sentence.</summary>
    public virtual string HeaderHint => "";

    /// <summary>The records; may be enumerated once.</summary>
    public abstract IEnumerable<SourceRecord> Records();

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Opens a file by its extension.</summary>
    /// <exception cref="DataFileException">The file cannot be read as the format its name says.</exception>
    public static RecordSource Open(string path)
    {
        if (!File.Exists(path))
            throw Refuse(path, 0, Directory.Exists(path) ? "a folder" : "no such file", "a file");
        return TableFormats.Of(path)?.Format switch
        {
            TableFormat.Csv => new DelimitedSource(path, ','),
            TableFormat.Tsv => new DelimitedSource(path, '\t'),
            TableFormat.Parquet => new ParquetSource(path),
            TableFormat.Smiles => new SmilesSource(path),
            TableFormat.Sdf => new SdfSource(path),
            _ => throw Refuse(
                path, 0, TableFormats.Extension(path) is { Length: > 0 } extension ? $"the extension {extension}" : "a name without extension",
                "csv, tsv, smi, sdf (each also with .gz) or parquet"),
        };
    }

    /// <summary>What makes text unfit for a table (a NUL, or bytes that are not UTF-8), or null.</summary>
    protected static string? Unreadable(ReadOnlySpan<char> text) => text.IndexOfAny('\0', '\uFFFD') switch
    {
        < 0 => null,
        int at when text[at] == '\0' => "a NUL character",
        _ => "bytes that are not UTF-8",
    };

    protected static DataFileException Refuse(string path, long line, string found, string expected, Exception? inner = null) =>
        new(new RowError(path, line, null, found, expected), inner);
}
