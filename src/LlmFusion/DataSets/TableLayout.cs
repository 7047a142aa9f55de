namespace LlmFusion.DataSets;

/// <summary>Which file a row came from and what its columns mean; shared by all rows of that file.</summary>
/// <param name="File">The file's path as it was given, or a built-in data set's name.</param>
/// <param name="Columns">The column names in file order.</param>
public sealed record TableLayout(string File, IReadOnlyList<string> Columns)
{
    /// <summary>A table without a file and without columns, for rows made in memory.</summary>
    public static TableLayout None { get; } = new("(memory)", []);

    /// <summary>The index of the SMILES column, -1 where there is none.</summary>
    public int Smiles { get; init; } = -1;

    /// <summary>The index of the identifier's column, -1 where rows are numbered.</summary>
    public int Id { get; init; } = -1;

    /// <summary>The index of the text column, -1 where there is none.</summary>
    public int Text { get; init; } = -1;

    /// <summary>The index of the column that names each row's part, -1 where there is none.</summary>
    public int Split { get; init; } = -1;

    /// <summary>The index of the column with each row's weight, -1 where all weigh 1.</summary>
    public int Weight { get; init; } = -1;

    /// <summary>The part that every row of this file belongs to, or null.</summary>
    public string? Part { get; init; }

    /// <summary>The targets' names in the order of <see cref="Sample.Targets"/>.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    /// <summary>The index of each target's column.</summary>
    public IReadOnlyList<int> TargetColumns { get; init; } = [];

    /// <summary>The index of a column by its name, -1 where there is none.</summary>
    public int IndexOf(string column)
    {
        for (int i = 0; i < Columns.Count; i++)
            if (Columns[i] == column) return i;
        return -1;
    }

    /// <summary>The SMILES column's name.</summary>
    public string SmilesName => Smiles >= 0 && Smiles < Columns.Count ? Columns[Smiles] : "smiles";
}
