namespace LlmFusion.DataSets;

/// <summary>A row of a table in its place: either a sample or the reason why it is none.</summary>
/// <param name="Number">The 1-based number among the data rows.</param>
/// <param name="Line">The 1-based physical line on which it begins (in Parquet: the row number).</param>
/// <param name="Fields">The fields as in the file; more or fewer than the columns where <paramref name="Error"/> says so.</param>
/// <param name="Sample">The sample, or null where the row is refused.</param>
/// <param name="Error">Why the row is refused, or null.</param>
public sealed record DataRow(long Number, long Line, IReadOnlyList<string> Fields, Sample? Sample, RowError? Error)
{
    /// <summary>A row for each SMILES, without a file.</summary>
    public static IEnumerable<DataRow> OfSmiles(IEnumerable<string> molecules) =>
        molecules.Select((smiles, i) => new DataRow(i + 1, i + 1, [smiles], new Sample($"{i + 1}", smiles, null, [], null), null));

    /// <summary>The file and its columns.</summary>
    public TableLayout Layout { get; init; } = TableLayout.None;

    /// <summary>The identifier, also of a refused row: its id column, else its number.</summary>
    public string Id => Sample?.Id ?? (Field(Layout.Id) is { Length: > 0 } id ? id : Number.ToString());

    /// <summary>The identifier that the file gives the row; null where there is none and rows are only numbered.</summary>
    public string? OwnId => Field(Layout.Id) is { Length: > 0 } id ? id : null;

    /// <summary>The SMILES as written, also of a refused row; empty where the row is too short.</summary>
    public string Smiles => Sample?.Smiles ?? Field(Layout.Smiles);

    /// <summary>The field of a column, empty where the row is too short.</summary>
    public string Field(int column) => column >= 0 && column < Fields.Count ? Fields[column] : "";

    /// <summary>This row, refused.</summary>
    public DataRow Refuse(string? column, string found, string expected) =>
        this with { Sample = null, Error = new RowError(Layout.File, Line, column, found, expected) };

    /// <summary>This row, refused because its SMILES is no molecule; <paramref name="reason"/> is RDKit's own.</summary>
    public DataRow RefuseMolecule(string reason) =>
        Refuse(Layout.SmilesName, RowError.Quote(Smiles), $"a valid molecule ({reason})");
}
