namespace LlmFusion.DataSets;

/// <summary>Which columns of a file are meant; what is null is found by name.</summary>
public sealed record DataFileOptions
{
    /// <summary>The SMILES column; null finds <c>smiles</c>, any case.</summary>
    public string? SmilesColumn { get; init; }

    /// <summary>The identifier's column; null finds <c>id</c>, <c>cid</c>, <c>gdb_id</c> or <c>name</c>, any case, else rows are numbered.</summary>
    public string? IdColumn { get; init; }

    /// <summary>The column of descriptions; null finds <c>text</c>, <c>description</c> or <c>caption</c>, any case, else there is no text.</summary>
    public string? TextColumn { get; init; }

    /// <summary>The column that names each row's part (train, valid, test); null is none.</summary>
    public string? SplitColumn { get; init; }

    /// <summary>The column with each row's weight, a finite number from 0 on; null: all weigh 1.</summary>
    public string? WeightColumn { get; init; }

    /// <summary>The targets; each must be a column of numbers where blank is missing.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    /// <summary>The column of a target that the file names otherwise, by target.</summary>
    public IReadOnlyDictionary<string, string> TargetColumns { get; init; } = new Dictionary<string, string>();

    /// <summary>The part that the whole file is (train, valid or test), or null.</summary>
    public string? Part { get; init; }
}
