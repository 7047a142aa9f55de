namespace LlmFusion.DataSets;

/// <summary>A named data set whose files are not on this machine; the message says where they belong and how to get them.</summary>
public sealed class DataSetMissingException : Exception
{
    internal DataSetMissingException(CatalogEntry entry, IReadOnlyList<string> candidates, string howToGet)
        : base($"data set {entry.Name}: found neither {string.Join(" nor ", candidates)}. {howToGet}") => Name = entry.Name;

    /// <summary>The data set's name.</summary>
    public string Name { get; }
}
