namespace LlmFusion.DataSets;

/// <summary>A named data set whose files are not on this machine; the message says where they belong and how to get them.</summary>
public sealed class DataSetMissingException : Exception
{
    internal DataSetMissingException(CatalogEntry entry, IReadOnlyList<string> candidates)
        : base(
            $"data set {entry.Name}: found neither {string.Join(" nor ", candidates)}. "
            + $"Get it with `./llmfusion data download {entry.Name}`, or set {Catalog.FolderVariable} to a folder that holds {entry.Name}/. "
            + $"Its source is {entry.Source} ({entry.Licence}).") => Name = entry.Name;

    /// <summary>The data set's name.</summary>
    public string Name { get; }
}
