using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.Training;

/// <summary>Which rows make a batch.</summary>
public sealed class BatchSamplerTests
{
    [Fact]
    public void Batches_by_length_hold_each_row_once_longest_first_and_no_more_tokens_than_allowed()
    {
        int[] lengths = [3, 100, 7, 7, 40, 1, 250, 12];
        int[][] batches = [.. BatchSampler.ByLength(lengths, batchSize: 3, mostTokens: 120)];
        Assert.Equal([6], batches[0]); // too long for any company
        Assert.Equal([1], batches[1]);
        Assert.Equal([4, 7, 2], batches[2]);
        Assert.Equal(Enumerable.Range(0, 8), batches.SelectMany(b => b).Order());
        Assert.All(batches.Skip(1), b => Assert.True(b.Length <= 3 && b.Length * b.Max(i => lengths[i]) <= 120));
        Assert.Equal([8], BatchSampler.ByLength(lengths, 8).Select(b => b.Length));
        Assert.Empty(BatchSampler.ByLength([], 8));
    }
}
