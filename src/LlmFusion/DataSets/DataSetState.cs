using System.Text.Json;

namespace LlmFusion.DataSets;

/// <summary>A target and its unit.</summary>
/// <param name="Name">The target.</param>
/// <param name="Unit">Its unit, empty where it has none.</param>
public sealed record NamedUnit(string Name, string Unit);

/// <summary>One file of a named data set.</summary>
/// <param name="Part">The part that it holds.</param>
/// <param name="Path">Where it lies, or would be looked for.</param>
/// <param name="Bytes">Its size; null where it is not there.</param>
public sealed record DataSetFile(string Part, string Path, long? Bytes);

/// <summary>A named data set and whether it is on this machine; made by <see cref="Catalog.Inspect"/>.</summary>
/// <param name="Name">The name to open it by.</param>
/// <param name="About">What it is, in a sentence.</param>
/// <param name="Licence">The licence of the data.</param>
/// <param name="Targets">All its targets.</param>
/// <param name="Source">Where its files come from; empty for a built-in one.</param>
/// <param name="Available">True if it can be opened.</param>
/// <param name="Folder">The folder of its files, there or not; null for a built-in one.</param>
/// <param name="Files">Its files; none for a built-in one.</param>
/// <param name="HowToGet">What to do to have it; null where it is available.</param>
public sealed record DataSetState(
    string Name,
    string About,
    string Licence,
    IReadOnlyList<NamedUnit> Targets,
    string Source,
    bool Available,
    string? Folder,
    IReadOnlyList<DataSetFile> Files,
    string? HowToGet)
{
    /// <summary>How many molecules its training, validation and test splits have.</summary>
    public IReadOnlyList<int> Molecules { get; init; } = [];

    /// <summary>How to cite it; empty for a built-in one.</summary>
    public string Citation { get; init; } = "";

    /// <summary>This data set as JSON text, names in snake_case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, DescriptionJson.Default.DataSetState);

    /// <summary>Several data sets as a JSON array.</summary>
    public static string ToJson(IReadOnlyList<DataSetState> all) => JsonSerializer.Serialize(all, DescriptionJson.Default.IReadOnlyListDataSetState);
}
