namespace LlmFusion.Embedding;

/// <summary>Groups sequences of equal length, so that nothing is padded and no mask is needed.</summary>
public static class LengthBatches
{
    /// <summary>
    /// Enough tokens for matrix products at full rate, few enough for their intermediate results to stay in the cache:
    /// measured with RoBERTa 6 x 768, between 1,024 and 4,096 all are alike.
    /// </summary>
    public const int Tokens = 2048;

    /// <summary>Each index once, longest first, so that what is too large for memory shows at once.</summary>
    /// <param name="lengths">Tokens of each sequence.</param>
    /// <param name="tokens">Most tokens of a batch; a longer sequence is a batch of its own.</param>
    public static IEnumerable<int[]> Of(IReadOnlyList<int> lengths, int tokens = Tokens) =>
        Enumerable.Range(0, lengths.Count).GroupBy(i => lengths[i]).OrderByDescending(group => group.Key)
            .SelectMany(group => group.Chunk(Math.Max(1, tokens / Math.Max(1, group.Key))));
}
