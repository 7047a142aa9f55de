namespace LlmFusion.Training;

/// <summary>
/// Orders an epoch: shuffled, yet with molecules of like length together, so that little is padded. Depends on seed and
/// epoch alone, so a resumed run sees the same batches.
/// </summary>
public sealed class BatchSampler
{
    private const int BatchesPerPool = 50; // lengths are sorted within a pool of so many batches: the pools keep it random

    private readonly int[] _lengths;
    private readonly int[] _rows;
    private readonly int _batchSize;
    private readonly int _seed;

    /// <param name="lengths">Token count of each row.</param>
    /// <param name="batchSize">Rows per batch; the last batch may be smaller.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <param name="repeats">How often each row is drawn in an epoch; null: once.</param>
    public BatchSampler(IEnumerable<int> lengths, int batchSize, int seed, IEnumerable<int>? repeats = null)
    {
        _lengths = [.. lengths];
        _rows = [.. repeats?.SelectMany((times, row) => Enumerable.Repeat(row, times)) ?? Enumerable.Range(0, _lengths.Length)];
        _batchSize = batchSize;
        _seed = seed;
    }

    /// <summary>Batches of an epoch.</summary>
    public int BatchCount => (_rows.Length + _batchSize - 1) / _batchSize;

    /// <summary>Row indices of each batch of an epoch; each row as often as it is to be drawn.</summary>
    public IReadOnlyList<int[]> Epoch(int epoch)
    {
        // Seeded .NET generators keep their algorithm across versions (documented for the seeded constructor).
        Random random = new(unchecked(_seed * 1_000_003 + epoch));
        int[] order = [.. _rows];
        random.Shuffle(order);
        List<int[]> batches = [];
        foreach (int[] pool in order.Chunk(_batchSize * BatchesPerPool))
            batches.AddRange(pool.OrderBy(i => _lengths[i]).Chunk(_batchSize));
        int[][] shuffled = [.. batches];
        random.Shuffle(shuffled);
        return shuffled;
    }

    /// <summary>All rows in batches of like length, longest first, for evaluation: a batch too large for memory shows at once.</summary>
    /// <param name="lengths">Token count of each row.</param>
    /// <param name="batchSize">Most rows of a batch.</param>
    /// <param name="mostTokens">Most tokens of a batch, padding included; a longer row is a batch by itself.</param>
    public static IReadOnlyList<int[]> ByLength(IReadOnlyList<int> lengths, int batchSize, int mostTokens = int.MaxValue)
    {
        int[] rows = [.. Enumerable.Range(0, lengths.Count).OrderByDescending(i => lengths[i])];
        List<int[]> batches = [];
        for (int first = 0; first < rows.Length; first += batches[^1].Length)
            batches.Add(rows[first..Math.Min(rows.Length, first + Math.Clamp(mostTokens / Math.Max(1, lengths[rows[first]]), 1, batchSize))]);
        return batches;
    }
}
