using System.Text;

namespace LlmFusion.Chemistry;

/// <summary>One record of an SDF file.</summary>
/// <param name="Index">1-based number of the record.</param>
/// <param name="Line">1-based line of the file on which the record begins.</param>
/// <param name="Name">The record's title line, null where blank.</param>
/// <param name="Smiles">RDKit's canonical SMILES, null where the structure could not be read.</param>
/// <param name="Error">Why not, in RDKit's words; null where it could.</param>
/// <param name="Properties">The data items in file order; a value of several lines keeps its line breaks.</param>
public sealed record SdfRecord(
    long Index, long Line, string? Name, string? Smiles, string? Error, IReadOnlyList<KeyValuePair<string, string>> Properties);

/// <summary>Reads MDL SDF (V2000 and V3000), one record at a time. The structures go through RDKit.</summary>
public static class SdfReader
{
    private const int MostLines = 1_000_000; // of one record: a file that is no SDF must not fill the memory
    private const int MostStructureLines = 10_000; // RDKit's time grows with the cube of the atoms
    private const string Separator = "$$$$";

    /// <summary>
    /// The records of an SDF text, in order; a bad structure is a record with an error, so that its row keeps its
    /// place. The reader is not disposed.
    /// </summary>
    /// <exception cref="InvalidDataException">A record is longer than any molecule: this is no SDF.</exception>
    public static IEnumerable<SdfRecord> Read(TextReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return Records(reader);
    }

    /// <summary>The records of an SDF file, which is open while they are enumerated. See <see cref="Read(TextReader)"/>.</summary>
    public static IEnumerable<SdfRecord> Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return File(path);

        static IEnumerable<SdfRecord> File(string path)
        {
            using var reader = new StreamReader(path, Encoding.UTF8);
            foreach (SdfRecord record in Records(reader)) yield return record;
        }
    }

    private static IEnumerable<SdfRecord> Records(TextReader reader)
    {
        long index = 0, line = 0, start = 1;
        var lines = new List<string>();
        while (reader.ReadLine() is { } text)
        {
            line++;
            if (!text.StartsWith(Separator, StringComparison.Ordinal))
            {
                lines.Add(text);
                if (lines.Count > MostLines)
                    throw new InvalidDataException($"line {start}: no '{Separator}' within {MostLines} lines, this is no SDF");
                continue;
            }
            yield return Record(++index, start, lines, complete: true);
            lines.Clear();
            start = line + 1;
        }
        // The last separator is often left out; blank lines after it are no record.
        if (lines.Exists(l => !string.IsNullOrWhiteSpace(l))) yield return Record(++index, start, lines, complete: false);
    }

    private static SdfRecord Record(long index, long start, List<string> lines, bool complete)
    {
        string? name = lines.Count > 0 && !string.IsNullOrWhiteSpace(lines[0]) ? lines[0].Trim() : null;
        int end = lines.FindIndex(l => l.StartsWith("M  END", StringComparison.Ordinal));
        var properties = new List<KeyValuePair<string, string>>();
        ReadProperties(lines, end < 0 ? FirstDataItem(lines) : end + 1, properties);
        if (end < 0)
        {
            string what = complete ? $"the record has no 'M  END' before '{Separator}'" : "the file ends within the record: no 'M  END'";
            return new SdfRecord(index, start, name, null, what, properties);
        }
        if (end >= MostStructureLines)
            return new SdfRecord(index, start, name, null, $"a structure of {end + 1} lines, at most {MostStructureLines} are read", properties);
        string block = string.Join('\n', lines.Take(end + 1)) + "\n";
        if (!Molecule.TryParseMolBlock(block, out Molecule? molecule, out string reason))
            return new SdfRecord(index, start, name, null, reason, properties);
        using (molecule) return new SdfRecord(index, start, name, molecule.CanonicalSmiles, null, properties);
    }

    private static int FirstDataItem(List<string> lines)
    {
        int first = lines.FindIndex(l => l.StartsWith("> ", StringComparison.Ordinal) && l.Contains('<', StringComparison.Ordinal));
        return first < 0 ? lines.Count : first;
    }

    /// <summary>"> &lt;NAME&gt;" or ">  25 &lt;NAME&gt; (3)", then the value's lines up to a blank one.</summary>
    private static void ReadProperties(List<string> lines, int from, List<KeyValuePair<string, string>> properties)
    {
        for (int i = from; i < lines.Count; i++)
        {
            string header = lines[i];
            int open = header.IndexOf('<', StringComparison.Ordinal), close = header.LastIndexOf('>');
            if (!header.StartsWith('>') || open < 0 || close < open) continue;
            var value = new StringBuilder();
            while (i + 1 < lines.Count && lines[i + 1].Length > 0)
            {
                if (value.Length > 0) value.Append('\n');
                value.Append(lines[++i].TrimEnd('\r'));
            }
            properties.Add(new(header[(open + 1)..close], value.ToString()));
        }
    }
}
