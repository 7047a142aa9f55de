using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace LlmFusion.DataSets;

/// <summary>What a written column holds; text formats write all alike, Parquet types the column by it.</summary>
public enum ColumnKind
{
    /// <summary>Strings.</summary>
    Text,

    /// <summary>Floating-point numbers; NaN and null are missing.</summary>
    Real,

    /// <summary>Whole numbers; null is missing.</summary>
    Integer,

    /// <summary>Floating-point numbers of single precision; null is missing.</summary>
    Single,
}

/// <summary>A column to write.</summary>
public readonly record struct OutputColumn(string Name, ColumnKind Kind = ColumnKind.Text);

/// <summary>
/// Writes a table row by row: CSV or TSV (either also as .gz) or Parquet by the file's name, CSV to standard output for "-".
/// A file appears whole, by <see cref="Commit"/>, or not at all. Numbers are written so that they read back to the same bits.
/// </summary>
public sealed class TableWriter : IDisposable
{
    private readonly OutputColumn[] _columns;
    private readonly string? _path;
    private readonly string? _temporary;
    private readonly FileStream? _file;
    private readonly Stream _stream;
    private readonly StreamWriter? _text;
    private readonly ParquetTable? _parquet;
    private readonly char _delimiter;
    private bool _closed;

    private TableWriter(string path, OutputColumn[] columns)
    {
        _columns = columns;
        bool device = path == "-" || path.StartsWith("/dev/", StringComparison.Ordinal);
        (TableFormat format, bool gzip) = device
            ? (TableFormat.Csv, false)
            : TableFormats.Of(path) is { Format: TableFormat.Csv or TableFormat.Tsv or TableFormat.Parquet } known
                ? known
                : throw new ArgumentException($"output file: got \"{path}\", expected a name ending in csv, tsv, csv.gz, tsv.gz or parquet, or -", nameof(path));

        if (path == "-")
        {
            _stream = Console.OpenStandardOutput();
        }
        else if (device)
        {
            _stream = new FileStream(path, FileMode.Open, FileAccess.Write);
        }
        else
        {
            // A link stays a link: the file it names is replaced.
            _path = (File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName : null) ?? Path.GetFullPath(path);
            _temporary = Path.Combine(Path.GetDirectoryName(_path)!, $".{Path.GetFileName(_path)}.{Path.GetRandomFileName()}.tmp");
            _stream = _file = new FileStream(_temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16);
        }

        if (gzip)
            _stream = new GZipStream(_stream, CompressionLevel.Optimal, leaveOpen: true);
        if (format == TableFormat.Parquet)
        {
            _parquet = new ParquetTable(_stream, columns);
            return;
        }

        _delimiter = format == TableFormat.Tsv ? '\t' : ',';
        _text = new StreamWriter(_stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true);
        WriteText(columns.Select(c => c.Name));
    }

    /// <summary>How many rows have been written.</summary>
    public long Rows { get; private set; }

    /// <summary>Fails where an output would replace the input, also through links.</summary>
    /// <exception cref="ArgumentException">They are one file.</exception>
    public static void RequireOther(string output, string input)
    {
        static string Real(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
        if (output != "-" && File.Exists(output) && File.Exists(input) && Real(output) == Real(input))
            throw new ArgumentException($"output: got {output}, which is the input; expected another file");
    }

    /// <summary>Begins a table of text columns.</summary>
    /// <inheritdoc cref="Open(string, IReadOnlyList{OutputColumn})"/>
    public static TableWriter Open(string path, IReadOnlyList<string> columns) =>
        Open(path, [.. columns.Select(name => new OutputColumn(name))]);

    /// <summary>Begins a table; an existing file is replaced only by <see cref="Commit"/>.</summary>
    /// <exception cref="ArgumentException">The name's extension is not one that can be written, or a column name stands twice.</exception>
    /// <exception cref="IOException">The folder is not there or cannot be written.</exception>
    public static TableWriter Open(string path, IReadOnlyList<OutputColumn> columns)
    {
        if (columns.GroupBy(c => c.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"output columns: got \"{twice.Key}\" {twice.Count()} times, expected each name once", nameof(columns));
        if (columns.Count == 0)
            throw new ArgumentException("output columns: got none, expected at least one", nameof(columns));
        return new TableWriter(path, [.. columns]);
    }

    /// <summary>Writes a row: strings, numbers or null in the order of the columns.</summary>
    /// <exception cref="ArgumentException">Not as many values as columns, or a value that its Parquet column cannot hold.</exception>
    public void Write(IReadOnlyList<object?> row)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        if (row.Count != _columns.Length)
            throw new ArgumentException($"row {Rows + 1}: got {row.Count} values, expected {_columns.Length}", nameof(row));
        if (_parquet is not null)
            _parquet.Add(row);
        else
            WriteText(row.Select(Format));
        Rows++;
    }

    /// <summary>Finishes the file, on disk, and puts it in its place. Without this call Dispose leaves nothing behind.</summary>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        Close(finish: true);
        if (_path is not null)
            File.Move(_temporary!, _path, overwrite: true);
    }

    /// <summary>Discards what was not committed.</summary>
    public void Dispose()
    {
        if (!_closed)
            Close(finish: false);
        if (_temporary is not null)
            File.Delete(_temporary);
    }

    private void Close(bool finish)
    {
        _closed = true;
        try
        {
            if (finish || _path is null)
            {
                _text?.Flush();
                _parquet?.Finish();
            }

            if (_stream is GZipStream)
                _stream.Dispose();
            if (finish)
                _file?.Flush(flushToDisk: true);
        }
        finally
        {
            if (_stream is not GZipStream)
                _stream.Dispose();
            _file?.Dispose();
        }
    }

    private void WriteText(IEnumerable<string> fields)
    {
        bool first = true;
        bool blank = true;
        foreach (string field in fields)
        {
            if (!first)
                _text!.Write(_delimiter);
            first = false;
            blank = field.Length == 0;
            // A lone blank field would be a blank line, which readers skip.
            if (field.AsSpan().IndexOfAny(['"', '\r', '\n', _delimiter]) >= 0 || (blank && _columns.Length == 1))
                _text!.Write("\"" + field.Replace("\"", "\"\"") + "\"");
            else
                _text!.Write(field);
        }

        _text!.Write('\n');
    }

    private static string Format(object? value) => value switch
    {
        null => "",
        string text => text,
        double.NaN or float.NaN => "",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
