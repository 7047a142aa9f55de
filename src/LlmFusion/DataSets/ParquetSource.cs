using System.Globalization;
using Parquet;
using Parquet.Schema;

namespace LlmFusion.DataSets;

/// <summary>A Parquet file, one row group in memory at a time; nested and binary columns are left out. Null and NaN read as blank.</summary>
internal sealed class ParquetSource : RecordSource
{
    private readonly string _path;
    private readonly FileStream _stream;
    private readonly ParquetReader _reader;
    private readonly DataField[] _fields;

    public ParquetSource(string path)
    {
        _path = path;
        _stream = File.OpenRead(path);
        try
        {
            if (_stream.Length == 0)
                throw Refuse(path, 0, "an empty file", "Parquet data");
            byte[] magic = new byte[4];
            _stream.ReadAtLeast(magic, 4, throwOnEndOfStream: false);
            if (!magic.AsSpan().SequenceEqual("PAR1"u8))
                throw Refuse(path, 0, "data that is not Parquet", "Parquet data, as the name says");
            _stream.Position = 0;
            _reader = ParquetReader.CreateAsync(_stream).GetAwaiter().GetResult();
            _fields = [.. _reader.Schema.Fields.OfType<DataField>().Where(f => !f.IsArray && Text(f) is not null)];
        }
        catch (Exception e)
        {
            _stream.Dispose();
            throw Damaged(e, 0);
        }
    }

    public override IReadOnlyList<string> Columns => [.. _fields.Select(f => f.Name)];

    public override IEnumerable<SourceRecord> Records()
    {
        long row = 0;
        for (int group = 0; group < _reader.RowGroupCount; group++)
        {
            (int rows, Func<int, string>[] columns) = Load(group, row);
            for (int r = 0; r < rows; r++)
            {
                var fields = new string[columns.Length];
                for (int c = 0; c < fields.Length; c++)
                    fields[c] = columns[c](r);
                yield return new SourceRecord(++row, fields);
            }
        }
    }

    public override void Dispose()
    {
        _reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _stream.Dispose();
    }

    private (int Rows, Func<int, string>[] Columns) Load(int group, long row)
    {
        try
        {
            using ParquetRowGroupReader reader = _reader.OpenRowGroupReader(group);
            int rows = checked((int)reader.RowCount);
            return (rows, [.. _fields.Select(field => Text(field)!(reader, field, rows))]);
        }
        catch (Exception e)
        {
            throw Damaged(e, row + 1);
        }
    }

    // Parquet.Net throws whatever its parser stumbles over; a full disk or a lost file stays what it is.
    private DataFileException Damaged(Exception e, long row) =>
        e as DataFileException ?? Refuse(_path, row, $"damaged Parquet data ({e.Message})", "a whole Parquet file", e);

    private static Func<ParquetRowGroupReader, DataField, int, Func<int, string>>? Text(DataField field)
    {
        Type type = field.ClrType;
        return type switch
        {
            _ when type == typeof(string) || type == typeof(ReadOnlyMemory<char>) => Strings,
            _ when type == typeof(double) => Of<double>(v => double.IsNaN(v) ? "" : v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(float) => Of<float>(v => float.IsNaN(v) ? "" : v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(long) => Of<long>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(ulong) => Of<ulong>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(int) => Of<int>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(uint) => Of<uint>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(short) => Of<short>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(ushort) => Of<ushort>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(sbyte) => Of<sbyte>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(byte) => Of<byte>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(bool) => Of<bool>(v => v ? "true" : "false"),
            _ when type == typeof(decimal) => Of<decimal>(v => v.ToString(CultureInfo.InvariantCulture)),
            _ when type == typeof(DateTime) => Of<DateTime>(v => v.ToString("O", CultureInfo.InvariantCulture)),
            _ when type == typeof(DateOnly) => Of<DateOnly>(v => v.ToString("O", CultureInfo.InvariantCulture)),
            _ when type == typeof(Guid) => Of<Guid>(v => v.ToString()),
            _ => null,
        };
    }

    private static Func<int, string> Strings(ParquetRowGroupReader reader, DataField field, int rows)
    {
        string?[] values = new string?[rows];
        reader.ReadAsync(field, values.AsMemory()).AsTask().GetAwaiter().GetResult();
        return r => values[r] ?? "";
    }

    private static Func<ParquetRowGroupReader, DataField, int, Func<int, string>> Of<T>(Func<T, string> format)
        where T : struct => (reader, field, rows) =>
    {
        T?[] values = new T?[rows];
        reader.ReadAsync(field, values.AsMemory()).AsTask().GetAwaiter().GetResult();
        return r => values[r] is { } value ? format(value) : "";
    };
}
