using System.Globalization;
using Parquet;
using Parquet.Schema;

namespace LlmFusion.DataSets;

/// <summary>Writes rows to a Parquet stream, one row group in memory at a time.</summary>
internal sealed class ParquetTable
{
    private const int RowsPerGroup = 1 << 14, CellsPerGroup = 1 << 20;

    private readonly OutputColumn[] _columns;
    private readonly DataField[] _fields;
    private readonly ParquetWriter _writer;
    private readonly List<object?[]> _rows = [];

    public ParquetTable(Stream stream, OutputColumn[] columns)
    {
        _columns = columns;
        _fields = [.. columns.Select(c => c.Kind switch
        {
            ColumnKind.Real => new DataField<double>(c.Name, true),
            ColumnKind.Integer => new DataField<long>(c.Name, true),
            ColumnKind.Single => new DataField<float>(c.Name, true),
            _ => (DataField)new DataField<string>(c.Name, true),
        })];
        _writer = ParquetWriter.CreateAsync(new ParquetSchema(_fields), stream).GetAwaiter().GetResult();
    }

    public void Add(IReadOnlyList<object?> row)
    {
        _rows.Add([.. row.Select((value, c) => Typed(value, _columns[c]))]);
        // A group is held in memory: of a wide table it has fewer rows.
        if (_rows.Count == RowsPerGroup || (long)_rows.Count * _columns.Length >= CellsPerGroup)
            Flush();
    }

    public void Finish()
    {
        if (_rows.Count > 0)
            Flush();
        _writer.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private void Flush()
    {
        using ParquetRowGroupWriter group = _writer.CreateRowGroup();
        foreach ((int c, DataField field) in _fields.Index())
        {
            _ = _columns[c].Kind switch
            {
                ColumnKind.Real => Run(group.WriteAsync<double>(field, Values<double?>(c))),
                ColumnKind.Integer => Run(group.WriteAsync<long>(field, Values<long?>(c))),
                ColumnKind.Single => Run(group.WriteAsync<float>(field, Values<float?>(c))),
                _ => Run(group.WriteAsync(field, Values<string?>(c))),
            };
        }

        group.CompleteValidate();
        _rows.Clear();
    }

    private T[] Values<T>(int column) => [.. _rows.Select(row => (T)row[column]!)];

    private static bool Run(Task task)
    {
        task.GetAwaiter().GetResult();
        return true;
    }

    private static object? Typed(object? value, OutputColumn column) => (column.Kind, value) switch
    {
        (_, null) => null,
        (ColumnKind.Text, string) => value,
        (ColumnKind.Text, IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture),
        (ColumnKind.Real, double.NaN or float.NaN) => null,
        (ColumnKind.Real, double or float or int or long) => Convert.ToDouble(value, CultureInfo.InvariantCulture),
        (ColumnKind.Single, float number) => float.IsNaN(number) ? null : number,
        (ColumnKind.Integer, int or long) => Convert.ToInt64(value, CultureInfo.InvariantCulture),
        _ => throw new ArgumentException($"column {column.Name}: got {value.GetType().Name}, expected {column.Kind}", nameof(value)),
    };
}
