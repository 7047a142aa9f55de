namespace LlmFusion.Boosting;

/// <summary>Features of N rows, with or without labels, as XGBoost holds them (its DMatrix).</summary>
public sealed class FeatureMatrix : IDisposable
{
    private FeatureMatrix(MatrixHandle handle, int rows, int columns)
    {
        Handle = handle;
        Rows = rows;
        Columns = columns;
    }

    /// <summary>Number of rows N.</summary>
    public int Rows { get; }

    /// <summary>Number of features F.</summary>
    public int Columns { get; }

    internal MatrixHandle Handle { get; }

    /// <summary>Every number is given; NaN is a missing one.</summary>
    /// <param name="values">(N, F), row after row.</param>
    /// <param name="columns">F.</param>
    /// <exception cref="ArgumentException">The values are no whole number of rows, or there are none.</exception>
    public static FeatureMatrix Dense(ReadOnlySpan<float> values, int columns)
    {
        if (columns < 1 || values.Length == 0 || values.Length % columns != 0)
            throw new ArgumentException($"dense features: got {values.Length} numbers for {columns} columns, expected at least one row of them, and whole rows", nameof(values));
        int rows = values.Length / columns;
        XgboostNative.Check(XgboostNative.CreateDense(values, (ulong)rows, (ulong)columns, float.NaN, out MatrixHandle handle), $"{rows} by {columns} features");
        return new FeatureMatrix(handle, rows, columns);
    }

    /// <summary>Compressed sparse rows: what is not given is missing, which for counts means zero, as long as training and use agree.</summary>
    /// <param name="starts">(N + 1): row n's entries are those from starts[n] up to starts[n + 1].</param>
    /// <param name="columns">The column of each entry.</param>
    /// <param name="values">The value of each entry.</param>
    /// <param name="width">F.</param>
    /// <exception cref="ArgumentException">The three do not fit each other.</exception>
    public static FeatureMatrix Sparse(ReadOnlySpan<nuint> starts, ReadOnlySpan<uint> columns, ReadOnlySpan<float> values, int width)
    {
        if (starts.Length < 2 || starts[0] != 0 || starts[^1] != (nuint)values.Length || columns.Length != values.Length)
            throw new ArgumentException($"sparse features: got {starts.Length} starts, {columns.Length} columns and {values.Length} values, expected starts from 0 to the number of values, a column for each", nameof(starts));
        for (int n = 1; n < starts.Length; n++)
            if (starts[n] < starts[n - 1]) throw new ArgumentException($"sparse features: row {n - 1} ends before it starts", nameof(starts));
        foreach (uint column in columns)
            if (column >= width) throw new ArgumentException($"sparse features: got column {column}, expected 0 to {width - 1}", nameof(columns));
        XgboostNative.Check(XgboostNative.CreateSparse(starts, columns, values, (nuint)starts.Length, (nuint)values.Length, (nuint)width, out MatrixHandle handle), $"{starts.Length - 1} by {width} sparse features");
        return new FeatureMatrix(handle, starts.Length - 1, width);
    }

    /// <summary>What is to be predicted of each row (N); all finite.</summary>
    /// <exception cref="ArgumentException">Their number is another, or one is not finite.</exception>
    public FeatureMatrix WithLabels(ReadOnlySpan<float> labels)
    {
        if (labels.Length != Rows) throw new ArgumentException($"labels: got {labels.Length}, expected {Rows}, one for each row", nameof(labels));
        foreach (float label in labels)
            if (!float.IsFinite(label)) throw new ArgumentException($"labels: got {label}, expected finite numbers; leave rows out whose value is not known", nameof(labels));
        XgboostNative.Check(XgboostNative.SetFloats(Handle, "label", labels, (ulong)labels.Length), "labels");
        return this;
    }

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();
}
