namespace LlmFusion.DataSets;

/// <summary>The file formats of tables, told by a file's name.</summary>
internal enum TableFormat
{
    Csv,
    Tsv,
    Parquet,
    Smiles,
    Sdf,
}

internal static class TableFormats
{
    /// <summary>The format of a file name, and whether it is packed by gzip; null where the extension is not known.</summary>
    public static (TableFormat Format, bool Gzip)? Of(string path)
    {
        bool gzip = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        return (Extension(path), gzip) switch
        {
            (".csv", _) => (TableFormat.Csv, gzip),
            (".tsv" or ".tab", _) => (TableFormat.Tsv, gzip),
            (".smi", _) => (TableFormat.Smiles, gzip),
            (".parquet", false) => (TableFormat.Parquet, false),
            (".sdf" or ".sd", _) => (TableFormat.Sdf, gzip),
            _ => null,
        };
    }

    /// <summary>The extension in lower case, that before <c>.gz</c> where there is one.</summary>
    public static string Extension(string path)
    {
        string name = Path.GetFileName(path).ToLowerInvariant();
        return Path.GetExtension(name.EndsWith(".gz", StringComparison.Ordinal) ? name[..^3] : name);
    }
}
