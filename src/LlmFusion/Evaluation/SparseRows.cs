namespace LlmFusion.Evaluation;

/// <summary>Rows of mostly zeros, such as count fingerprints: only the columns that are not zero are held (compressed sparse rows).</summary>
public sealed class SparseRows
{
    private readonly int[] _columns;
    private readonly double[] _values;
    private readonly int[] _starts;

    private SparseRows(int[] columns, double[] values, int[] starts, int width)
    {
        _columns = columns;
        _values = values;
        _starts = starts;
        Width = width;
    }

    /// <summary>Number of rows.</summary>
    public int Count => _starts.Length - 1;

    /// <summary>Number of columns, zero ones included; the fingerprint's size.</summary>
    public int Width { get; }

    /// <summary>Takes count fingerprints as rows: column b holds how often bit b occurs.</summary>
    /// <param name="fingerprints">For each row the bits that are on, in any order, and the count of each.</param>
    /// <param name="size">The fingerprint's size; bits lie in [0, size).</param>
    /// <returns>The rows.</returns>
    /// <exception cref="ArgumentException">A row has not one count per bit, or a bit outside the size, or one bit twice.</exception>
    public static SparseRows FromCounts(IEnumerable<(int[] Bits, int[] Counts)> fingerprints, int size = 2048)
    {
        List<int> columns = [], starts = [0];
        List<double> values = [];
        int[] lastRow = new int[size];
        foreach ((int[] bits, int[] counts) in fingerprints)
        {
            int row = starts.Count;
            if (bits.Length != counts.Length)
                throw new ArgumentException($"Fingerprint {row - 1}: got {counts.Length} counts, expected {bits.Length}, one for each bit.", nameof(fingerprints));
            for (int k = 0; k < bits.Length; k++)
            {
                if (bits[k] < 0 || bits[k] >= size)
                    throw new ArgumentException($"Fingerprint {row - 1}: got bit {bits[k]}, expected bits from 0 to {size - 1}.", nameof(fingerprints));
                if (lastRow[bits[k]] == row)
                    throw new ArgumentException($"Fingerprint {row - 1}: got bit {bits[k]} twice, expected each bit once.", nameof(fingerprints));
                lastRow[bits[k]] = row;
                columns.Add(bits[k]);
                values.Add(counts[k]);
            }
            starts.Add(columns.Count);
        }
        return new SparseRows([.. columns], [.. values], [.. starts], size);
    }

    /// <summary>The columns of one row that are not zero.</summary>
    /// <param name="row">The row, from 0.</param>
    /// <returns>Column numbers (k).</returns>
    public ReadOnlySpan<int> Columns(int row) => _columns.AsSpan(_starts[row].._starts[row + 1]);

    /// <summary>The values of one row in the columns that <see cref="Columns"/> gives.</summary>
    /// <param name="row">The row, from 0.</param>
    /// <returns>Values (k).</returns>
    public ReadOnlySpan<double> Values(int row) => _values.AsSpan(_starts[row].._starts[row + 1]);
}
