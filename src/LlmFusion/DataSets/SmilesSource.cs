namespace LlmFusion.DataSets;

/// <summary>A .smi file: one molecule a line, SMILES, blank, name; blank lines, # comments and a header line are skipped.</summary>
internal sealed class SmilesSource(string path) : RecordSource
{
    private readonly StreamReader _text = TextFile.Open(path);

    public override IReadOnlyList<string> Columns { get; } = ["smiles", "name"];

    public override IEnumerable<SourceRecord> Records()
    {
        for (long line = 1; ReadLine(line) is { } text; line++)
        {
            string content = text.Trim();
            if (content.Length == 0 || content[0] == '#')
                continue;
            int end = content.AsSpan().IndexOfAny(' ', '\t');
            string smiles = end < 0 ? content : content[..end];
            string name = end < 0 ? "" : content[end..].Trim();
            if (line == 1 && smiles.Equals("smiles", StringComparison.OrdinalIgnoreCase))
                continue;

            yield return name.StartsWith('|')
                ? new SourceRecord(line, [smiles, name], "a CXSMILES extension", "SMILES, a blank and a name")
                : new SourceRecord(line, [smiles, name], Unreadable(text), "UTF-8 text");
        }
    }

    public override void Dispose() => _text.Dispose();

    private string? ReadLine(long line)
    {
        try
        {
            return _text.ReadLine();
        }
        catch (InvalidDataException e)
        {
            throw Refuse(path, line, "damaged gzip data", "a whole gzip file", e);
        }
    }
}
