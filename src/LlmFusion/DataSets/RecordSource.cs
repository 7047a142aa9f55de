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

    /// <summary>What kind of header was expected where a column is missing, for the error.</summary>
    public virtual string HeaderHint => "";

    /// <summary>The records; may be enumerated once.</summary>
    public abstract IEnumerable<SourceRecord> Records();

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Opens a file by its extension.</summary>
    /// <exception cref="DataFileException">The file cannot be read as the format its name says.</exception>
    public static RecordSource Open(string path)
    {
        string name = Path.GetFileName(path).ToLowerInvariant();
        string extension = Path.GetExtension(name.EndsWith(".gz", StringComparison.Ordinal) ? name[..^3] : name);
        if (!File.Exists(path))
            throw Refuse(path, 0, Directory.Exists(path) ? "a folder" : "no such file", "a file");

        return extension switch
        {
            ".csv" => new DelimitedSource(path, ','),
            ".tsv" or ".tab" => new DelimitedSource(path, '\t'),
            _ => throw Refuse(
                path, 0, extension.Length == 0 ? "a name without extension" : $"the extension {extension}",
                "csv, tsv (or either with .gz), parquet, smi or sdf"),
        };
    }

    protected static DataFileException Refuse(string path, long line, string found, string expected, Exception? inner = null) =>
        new(new RowError(path, line, null, found, expected), inner);
}
