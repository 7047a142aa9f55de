using LlmFusion.Chemistry;

namespace LlmFusion.DataSets;

/// <summary>
/// An SDF file: the structure as canonical SMILES, the title line, then one column for each data item that occurs anywhere in the file.
/// A data item called smiles is left out: the structure says it.
/// </summary>
internal sealed class SdfSource : RecordSource
{
    private readonly string _path;
    private readonly List<string> _columns;
    private readonly Dictionary<string, int> _index = [];
    private StreamReader? _text;

    public SdfSource(string path)
    {
        _path = path;
        List<string> items = Items(path);
        items.RemoveAll(item => item.Equals("smiles", StringComparison.OrdinalIgnoreCase));
        _columns = ["smiles", items.Exists(item => item.Equals("name", StringComparison.OrdinalIgnoreCase)) ? "title" : "name", .. items];
        foreach ((int i, string column) in _columns.Index().Skip(2))
            _index[column] = i;
    }

    public override IReadOnlyList<string> Columns => _columns;

    public override IEnumerable<SourceRecord> Records()
    {
        _text = TextFile.Open(_path);
        using IEnumerator<SdfRecord> records = SdfReader.Read(_text).GetEnumerator();
        while (Next(records))
        {
            SdfRecord record = records.Current;
            var fields = new string[_columns.Count];
            Array.Fill(fields, "");
            fields[0] = record.Smiles ?? "";
            fields[1] = record.Name ?? "";
            foreach ((string name, string value) in record.Properties)
            {
                if (_index.TryGetValue(name.Trim(), out int column))
                    fields[column] = value;
            }

            string? unreadable = Array.Find(Array.ConvertAll(fields, f => Unreadable(f)), f => f is not null);
            yield return record.Error is { } reason
                ? new SourceRecord(record.Line, fields, "a structure that cannot be read", $"a valid molecule ({reason})")
                : new SourceRecord(record.Line, fields, unreadable, "UTF-8 text");
        }
    }

    public override void Dispose() => _text?.Dispose();

    // The columns must be known before the first row, so the file is read once for its items' names.
    private static List<string> Items(string path)
    {
        List<string> names = [];
        HashSet<string> known = [];
        using StreamReader text = TextFile.Open(path);
        bool inValue = false;
        try
        {
            while (text.ReadLine() is { } line)
            {
                int open = line.IndexOf('<');
                int close = line.LastIndexOf('>');
                if (!inValue && line.StartsWith('>') && open >= 0 && close > open)
                {
                    string name = line[(open + 1)..close].Trim();
                    if (known.Add(name))
                        names.Add(name);
                    inValue = true;
                }
                else if (string.IsNullOrEmpty(line) || line.StartsWith("$$$$", StringComparison.Ordinal))
                {
                    inValue = false;
                }
            }
        }
        catch (InvalidDataException e)
        {
            throw Refuse(path, 0, "damaged gzip data", "a whole gzip file", e);
        }

        return names;
    }

    private bool Next(IEnumerator<SdfRecord> records)
    {
        try
        {
            return records.MoveNext();
        }
        catch (InvalidDataException e)
        {
            throw Refuse(_path, 0, $"damaged SDF data ({e.Message})", "records that end with $$$$", e);
        }
    }
}
