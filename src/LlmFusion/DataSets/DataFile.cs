using System.Globalization;

namespace LlmFusion.DataSets;

/// <summary>
/// A table of molecules in a file: CSV, TSV (either also as .gz), Parquet, SMILES (.smi) or SDF, read as a stream and in file order.
/// A row that is wrong as a table row carries a <see cref="RowError"/>; molecules are not parsed here.
/// </summary>
public sealed class DataFile : IDisposable
{
    private static readonly string[] IdNames = ["id", "cid", "gdb_id", "name"];
    private static readonly string[] TextNames = ["text", "description", "caption"];

    private readonly List<RecordSource> _open = [];
    private RecordSource? _first;
    private bool _disposed;

    private DataFile(RecordSource source, TableLayout layout)
    {
        _first = source;
        _open.Add(source);
        Layout = layout;
    }

    /// <summary>The file's path as it was given.</summary>
    public string Path => Layout.File;

    /// <summary>The column names in file order.</summary>
    public IReadOnlyList<string> Columns => Layout.Columns;

    /// <summary>What the columns mean.</summary>
    public TableLayout Layout { get; }

    /// <summary>Opens a file, reads its header and finds the columns.</summary>
    /// <exception cref="DataFileException">No such file, empty, binary, no header, a column missing or standing twice.</exception>
    public static DataFile Open(string path, DataFileOptions? options = null)
    {
        RecordSource source = RecordSource.Open(path);
        try
        {
            return new DataFile(source, Resolve(path, source, options ?? new DataFileOptions()));
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>The column names of a file.</summary>
    /// <exception cref="DataFileException">The file cannot be opened.</exception>
    public static IReadOnlyList<string> ColumnsOf(string path)
    {
        using RecordSource source = RecordSource.Open(path);
        return [.. source.Columns];
    }

    /// <summary>The rows of files one after the other, streamed; all are opened once beforehand, so that a bad one is refused at once.</summary>
    /// <param name="files">The files' paths, each with the part (train, valid, test) that it is, or null.</param>
    /// <param name="options">Which columns are meant; holds for every file.</param>
    /// <exception cref="DataFileException">One of the files cannot be opened.</exception>
    public static IEnumerable<DataRow> Read(IEnumerable<(string Path, string? Part)> files, DataFileOptions options)
    {
        List<(string Path, DataFileOptions Options)> all = [.. files.Select(f => (f.Path, options with { Part = f.Part ?? options.Part }))];
        all.ForEach(f => Open(f.Path, f.Options).Dispose());
        return all.SelectMany(f => Read(f.Path, f.Options));
    }

    /// <summary>The columns that look like targets: numbers or blanks in the first rows, at least one number, and no other meaning.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Which columns have another meaning; its targets are not looked at.</param>
    /// <param name="rows">How many rows are looked at.</param>
    /// <exception cref="DataFileException">The file cannot be opened.</exception>
    public static IReadOnlyList<string> NumberColumns(string path, DataFileOptions? options = null, int rows = 1000)
    {
        using DataFile file = Open(path, (options ?? new DataFileOptions()) with { Targets = [] });
        TableLayout layout = file.Layout;
        var numbers = new int[file.Columns.Count];
        foreach (DataRow row in file.Rows().Take(rows).Where(r => r.Fields.Count == numbers.Length))
        {
            for (int i = 0; i < numbers.Length; i++)
            {
                if (numbers[i] < 0 || string.IsNullOrWhiteSpace(row.Fields[i]))
                    continue;
                numbers[i] = double.TryParse(row.Fields[i], NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? numbers[i] + 1 : -1;
            }
        }

        return [.. file.Columns.Where((_, i) => numbers[i] > 0 && i != layout.Smiles && i != layout.Id && i != layout.Text && i != layout.Split)];
    }

    /// <summary>The rows in file order, streamed; every enumeration reads the file anew.</summary>
    /// <exception cref="DataFileException">While enumerating: the file is damaged from some line on.</exception>
    public IEnumerable<DataRow> Rows()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        RecordSource source = _first ?? RecordSource.Open(Path);
        if (_first is null)
            _open.Add(source);
        _first = null;
        try
        {
            long number = 0;
            foreach (SourceRecord record in source.Records())
                yield return Interpret(Layout, ++number, record);
        }
        finally
        {
            _open.Remove(source);
            source.Dispose();
        }
    }

    /// <summary>Closes the file, also for enumerations still under way.</summary>
    public void Dispose()
    {
        _disposed = true;
        _open.ForEach(source => source.Dispose());
        _open.Clear();
    }

    private static IEnumerable<DataRow> Read(string path, DataFileOptions options)
    {
        using DataFile file = Open(path, options);
        foreach (DataRow row in file.Rows())
            yield return row;
    }

    private static TableLayout Resolve(string path, RecordSource source, DataFileOptions options)
    {
        IReadOnlyList<string> columns = [.. source.Columns.Select(c => c.Trim())];
        if (columns.GroupBy(c => c).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw Refuse(twice.Key, $"the column name {RowError.Quote(twice.Key)} {twice.Count()} times", "each column name once");
        if (options.Part is { } part && !Parts.All.Contains(part))
            throw new ArgumentException($"part: got \"{part}\", expected train, valid or test", nameof(options));

        return new TableLayout(path, columns)
        {
            Smiles = options.SmilesColumn is null ? FirstOf(["smiles"]) ?? throw Missing("smiles (any case)") : Named(options.SmilesColumn),
            Id = options.IdColumn is null ? FirstOf(IdNames) ?? -1 : Named(options.IdColumn),
            Text = options.TextColumn is null ? FirstOf(TextNames) ?? -1 : Named(options.TextColumn),
            Split = options.SplitColumn is null ? -1 : Named(options.SplitColumn),
            Weight = options.WeightColumn is null ? -1 : Named(options.WeightColumn),
            Part = options.Part,
            Targets = options.Targets,
            TargetColumns = [.. options.Targets.Select(t => Named(options.TargetColumns.GetValueOrDefault(t, t)))],
        };

        int? FirstOf(IEnumerable<string> names)
        {
            foreach (string name in names)
            {
                if (Find(name) is { } index)
                    return index;
            }

            return null;
        }

        int Named(string name) => Find(name) ?? throw Missing(name);

        // The exact name wins; another case counts only where it is the only one.
        int? Find(string name)
        {
            List<int> found = [.. Enumerable.Range(0, columns.Count).Where(i => columns[i].Equals(name, StringComparison.OrdinalIgnoreCase))];
            int exact = found.FindIndex(i => columns[i] == name);
            return found.Count switch
            {
                0 => null,
                _ when exact >= 0 => found[exact],
                1 => found[0],
                _ => throw Refuse(
                    name, string.Join(" and ", found.Select(i => RowError.Quote(columns[i]))), "one column of this name, or the exact name"),
            };
        }

        DataFileException Missing(string name) => Refuse(
            null, $"the columns {RowError.Quote(string.Join(", ", columns))}", $"a column named {name}{source.HeaderHint}");

        DataFileException Refuse(string? column, string found, string expected) => new(new RowError(path, 1, column, found, expected));
    }

    private static DataRow Interpret(TableLayout layout, long number, SourceRecord record)
    {
        var row = new DataRow(number, record.Line, record.Fields, null, null) { Layout = layout };
        if (record.Found is not null)
            return row.Refuse(null, record.Found, record.Expected!);
        if (record.Fields.Length != layout.Columns.Count)
            return row.Refuse(null, Count(record.Fields.Length), $"{Count(layout.Columns.Count)}, as in the header");

        string smiles = row.Field(layout.Smiles).Trim();
        if (smiles.Length == 0)
            return row.Refuse(layout.SmilesName, "nothing", "a SMILES");

        string? part = layout.Part;
        if (layout.Split >= 0 && (part = Parts.Parse(row.Field(layout.Split))) is null)
            return row.Refuse(layout.Columns[layout.Split], RowError.Quote(row.Field(layout.Split)), "train, valid or test");

        var targets = new float[layout.TargetColumns.Count];
        for (int t = 0; t < targets.Length; t++)
        {
            string field = row.Field(layout.TargetColumns[t]);
            if (string.IsNullOrWhiteSpace(field))
                targets[t] = float.NaN;
            else if (double.TryParse(field, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && float.IsFinite((float)value))
                targets[t] = (float)value;
            else
                return row.Refuse(layout.Columns[layout.TargetColumns[t]], RowError.Quote(field), "a number (blank where it is missing)");
        }

        float weight = 1;
        if (layout.Weight >= 0 && !(float.TryParse(row.Field(layout.Weight), NumberStyles.Float, CultureInfo.InvariantCulture, out weight) && weight >= 0 && float.IsFinite(weight)))
            return row.Refuse(layout.Columns[layout.Weight], RowError.Quote(row.Field(layout.Weight)), "a weight: a number from 0 on");

        string text = row.Field(layout.Text).Trim();
        string id = row.Field(layout.Id).Trim();
        return row with
        {
            Sample = new Sample(id.Length > 0 ? id : number.ToString(), smiles, text.Length > 0 ? text : null, targets, part) { Weight = weight },
        };

        static string Count(int fields) => fields == 1 ? "1 field" : $"{fields} fields";
    }
}
