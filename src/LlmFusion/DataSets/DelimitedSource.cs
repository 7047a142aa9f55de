using Sylvan.Data.Csv;

namespace LlmFusion.DataSets;

/// <summary>CSV and TSV after RFC 4180: quoted fields may hold delimiters, quotes and line ends; blank lines are skipped.</summary>
internal sealed class DelimitedSource : RecordSource
{
    // A record longer than this is an unclosed quote, not a molecule.
    private const int LongestRecord = 1 << 24;

    private readonly string _path;
    private readonly char _delimiter;
    private readonly CsvDataReader _reader;
    private readonly string[] _columns;
    private long _nextLine = 1;

    public DelimitedSource(string path, char delimiter)
    {
        _path = path;
        _delimiter = delimiter;
        StreamReader text = TextFile.Open(path);
        try
        {
            _reader = CsvDataReader.Create(text, new CsvDataReaderOptions
            {
                HasHeaders = false,
                Delimiter = delimiter,
                Comment = '\0',
                BufferSize = 1 << 16,
                MaxBufferSize = LongestRecord,
                ResultSetMode = ResultSetMode.SingleResult,
            });
            _columns = Read() is { } header ? header.Fields : throw Refuse(path, 0, "an empty file", "a header and rows");
            if (header.Found is { } found)
                throw Refuse(path, header.Line, found, header.Expected!);
        }
        catch (Exception e)
        {
            text.Dispose();
            throw Explain(e) ?? e;
        }
    }

    public override IReadOnlyList<string> Columns => _columns;

    public override string HeaderHint
    {
        get
        {
            if (_columns.Length == 1 && _columns[0].IndexOfAny([',', ';', '\t', '|']) is >= 0 and int at)
                return $" in fields separated by {Named(_delimiter)}, not by {Named(_columns[0][at])}";
            return Array.Exists(_columns, c => double.TryParse(c, out _)) ? " in a header line (the first line looks like data)" : "";
        }
    }

    public override IEnumerable<SourceRecord> Records()
    {
        while (true)
        {
            SourceRecord? record;
            try
            {
                record = Read();
            }
            catch (Exception e) when (Explain(e) is { } explained)
            {
                throw explained;
            }

            if (record is null)
                yield break;
            yield return record.Value;
        }
    }

    public override void Dispose() => _reader.Dispose();

    private SourceRecord? Read()
    {
        while (_reader.Read())
        {
            long line = _nextLine;
            ReadOnlySpan<char> raw = _reader.GetRawRecordSpan();
            _nextLine += LineEnds(raw);
            if (raw.Trim("\r\n").IsEmpty)
                continue;

            var fields = new string[_reader.RowFieldCount];
            for (int i = 0; i < fields.Length; i++)
                fields[i] = _reader.GetFieldSpan(i).ToString();

            return new SourceRecord(line, fields, Unreadable(raw), "UTF-8 text");
        }

        return null;
    }

    private static int LineEnds(ReadOnlySpan<char> raw)
    {
        int count = 0;
        for (int at; (at = raw.IndexOfAny('\r', '\n')) >= 0; count++)
            raw = raw[(raw[at] == '\r' && at + 1 < raw.Length && raw[at + 1] == '\n' ? at + 2 : at + 1)..];
        return count;
    }

    private DataFileException? Explain(Exception e) => e switch
    {
        CsvInvalidCharacterException c => Refuse(
            _path, _nextLine, c.InvalidCharacter == 0 ? "a quoted field that is never closed" : "text after a closing quote",
            $"{Named(_delimiter)} or the end of the line after a closing quote", e),
        CsvRecordTooLargeException => Refuse(
            _path, _nextLine, $"a row of more than {LongestRecord:N0} characters", "a shorter row (is a quote not closed?)", e),
        InvalidDataException => Refuse(_path, _nextLine, "damaged gzip data", "a whole gzip file", e),
        _ => null,
    };

    private static string Named(char delimiter) => delimiter switch
    {
        ',' => "commas",
        '\t' => "tabs",
        ';' => "semicolons",
        _ => "bars",
    };
}
