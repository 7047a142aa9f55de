using System.Globalization;
using System.Security.Cryptography;
using LlmFusion.Chemistry;

namespace LlmFusion.DataSets;

/// <summary>
/// Vectors computed elsewhere, one row a molecule: a table (CSV, TSV, Parquet) with a column <c>smiles</c> or <c>id</c>,
/// by which a molecule is found (SMILES as written or canonical, and by SMILES where both stand there), and a column of
/// numbers for each component. A column <c>error</c> is left out, and so is a row whose components are all blank. This is
/// what <c>embed</c> writes.
/// </summary>
public sealed class VectorTable
{
    private static readonly string[] IdNames = ["id", "cid", "gdb_id", "name"];

    private readonly Dictionary<string, float[]> _vectors;
    private readonly bool _bySmiles;

    private VectorTable(string path, string sha256, Dictionary<string, float[]> vectors, IReadOnlyList<string> components, bool bySmiles)
    {
        Path = path;
        Sha256 = sha256;
        _vectors = vectors;
        Components = components;
        _bySmiles = bySmiles;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>sha256 of the file.</summary>
    public string Sha256 { get; }

    /// <summary>Names of the components.</summary>
    public IReadOnlyList<string> Components { get; }

    /// <summary>Length of each vector.</summary>
    public int Width => Components.Count;

    /// <summary>Number of keys.</summary>
    public int Count => _vectors.Count;

    /// <summary>Reads a file.</summary>
    /// <exception cref="DataFileException">It is no such table, a component is no number, or a key has two different vectors.</exception>
    public static VectorTable Load(string path)
    {
        using RecordSource source = RecordSource.Open(path);
        string[] columns = [.. source.Columns.Select(c => c.Trim())];
        int smiles = Index(columns, "smiles"), id = IdNames.Select(name => Index(columns, name)).FirstOrDefault(i => i >= 0, -1);
        int key = smiles >= 0 ? smiles : id;
        if (key < 0) throw new DataFileException(new RowError(path, 0, null, $"the columns {string.Join(", ", columns.Take(8))}", "a column smiles or id, and columns of numbers"));
        int error = Index(columns, "error");
        int[] components = [.. Enumerable.Range(0, columns.Length).Where(i => i != smiles && i != id && i != error)];
        if (components.Length == 0) throw new DataFileException(new RowError(path, 0, null, "no column besides the key", "columns of numbers"));

        Dictionary<string, float[]> vectors = new(StringComparer.Ordinal);
        foreach (SourceRecord record in source.Records())
        {
            if (record.Found is not null) throw new DataFileException(new RowError(path, record.Line, null, record.Found, record.Expected!));
            if (record.Fields.Length != columns.Length) throw new DataFileException(new RowError(path, record.Line, null, $"{record.Fields.Length} fields", $"{columns.Length}, as in the header"));
            if (components.All(c => string.IsNullOrWhiteSpace(record.Fields[c]))) continue;
            float[] vector = new float[components.Length];
            for (int c = 0; c < vector.Length; c++)
            {
                string text = record.Fields[components[c]];
                if (!float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out vector[c]) || !float.IsFinite(vector[c]))
                    throw new DataFileException(new RowError(path, record.Line, columns[components[c]], RowError.Quote(text), "a number: every column besides smiles, id and error is a component of the vector"));
            }

            string name = record.Fields[key].Trim();
            if (name.Length == 0) throw new DataFileException(new RowError(path, record.Line, columns[key], "nothing", "the molecule that the vector belongs to"));
            if (!vectors.TryAdd(name, vector) && !AreAlike(vectors[name], vector))
                throw new DataFileException(new RowError(path, record.Line, columns[key], $"{RowError.Quote(name)} again, with another vector", smiles >= 0 && id >= 0 ? "one vector a molecule; without the column of SMILES, vectors are found by identifier" : "one vector a molecule"));
        }

        if (smiles >= 0) AddCanonical(vectors);
        using FileStream file = File.OpenRead(path);
        return new VectorTable(path, Convert.ToHexStringLower(SHA256.HashData(file)), vectors, [.. components.Select(c => columns[c])], smiles >= 0);
    }

    /// <summary>Whether molecules are found by their identifier, and not by SMILES.</summary>
    public bool IsKeyedById => !_bySmiles;

    /// <summary>The same vectors with their components in another order.</summary>
    /// <param name="components">The names wanted.</param>
    /// <exception cref="DataFileException">The file has not just these.</exception>
    public VectorTable InOrder(IReadOnlyList<string> components)
    {
        if (components.SequenceEqual(Components)) return this;
        int[] places = [.. components.Select(name => Components.Index().Where(c => c.Item == name).Select(c => c.Index).DefaultIfEmpty(-1).First())];
        if (components.Count != Width || places.Contains(-1))
            throw new DataFileException(new RowError(Path, 0, null, $"{Width} components, {string.Join(", ", Components.Take(4))}..", $"the {components.Count} that the model was trained with, {string.Join(", ", components.Take(4))}.."));
        return new VectorTable(Path, Sha256, _vectors.ToDictionary(v => v.Key, v => places.Select(p => v.Value[p]).ToArray()), components, _bySmiles);
    }

    /// <summary>Fails where molecules are found by an identifier that a file of molecules does not have: row numbers are none.</summary>
    /// <exception cref="DataFileException">The file has no column of identifiers.</exception>
    public void RequireKeyIn(TableLayout layout)
    {
        if (IsKeyedById && layout.Id < 0)
            throw new DataFileException(new RowError(layout.File, 0, null, "no column of identifiers", $"one, as {Path} has vectors by identifier (name it with --id-column, or give that file a column smiles)"));
    }

    /// <summary>A molecule's vector, null where the file has none.</summary>
    /// <param name="id">The row's own identifier, null where it has none.</param>
    /// <param name="smiles">SMILES as written.</param>
    /// <param name="canonical">RDKit's canonical SMILES.</param>
    public float[]? Find(string? id, string smiles, string canonical) => _bySmiles
        ? _vectors.GetValueOrDefault(smiles) ?? _vectors.GetValueOrDefault(canonical)
        : id is null ? null : _vectors.GetValueOrDefault(id);

    /// <summary>Each molecule under its canonical SMILES too; the first of several spellings counts.</summary>
    private static void AddCanonical(Dictionary<string, float[]> vectors)
    {
        KeyValuePair<string, float[]>[] asWritten = [.. vectors];
        foreach ((string? canonical, float[] vector) in MoleculeBatch.Select(asWritten, pair => (Canonical(pair.Key), pair.Value)))
            if (canonical is not null) vectors.TryAdd(canonical, vector);
    }

    /// <summary>The same but for rounding: an encoder in batches of another size may differ in the last bits.</summary>
    private static bool AreAlike(float[] a, float[] b)
    {
        const float tolerance = 1e-5f;
        float scale = a.Max(Math.Abs);
        return a.Zip(b, (x, y) => Math.Abs(x - y)).Max() <= tolerance * scale;
    }

    private static string? Canonical(string smiles)
    {
        if (!Molecule.TryParse(smiles, out Molecule? molecule, out _)) return null;
        using (molecule) return molecule.CanonicalSmiles;
    }

    private static int Index(string[] columns, string name) => Array.FindIndex(columns, c => c.Equals(name, StringComparison.OrdinalIgnoreCase));
}
