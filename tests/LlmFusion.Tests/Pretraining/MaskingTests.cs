using LlmFusion.Pretraining;
using Xunit;

namespace LlmFusion.Tests.Pretraining;

/// <summary>What a sequence asks for.</summary>
public class MaskingTests
{
    private const int Mask = 4, Vocabulary = 40;

    [Fact]
    public void Fifteen_in_a_hundred_are_asked_for_and_of_these_eighty_hidden_ten_exchanged_ten_kept()
    {
        int[] ids = [0, .. Enumerable.Range(0, 100).Select(i => 5 + i % 35), 2];
        int hidden = 0, kept = 0, exchanged = 0, asked = 0;
        int[] places = new int[ids.Length];
        for (int n = 0; n < 2000; n++)
        {
            TrainingSequence masked = TrainingSequence.Masked(ids, 0.15, Mask, Vocabulary, CorpusSequences.SeedOf(1, 1, n));
            Assert.Equal(15, masked.Places.Length);
            Assert.Equal(masked.Labels, masked.Places.Select(p => ids[p]));
            Assert.Equal(ids.Where((_, i) => !masked.Places.Contains(i)), masked.Input.Where((_, i) => !masked.Places.Contains(i)));
            foreach (int place in masked.Places)
            {
                asked++;
                places[place]++;
                if (masked.Input[place] == Mask) hidden++;
                else if (masked.Input[place] == ids[place]) kept++;
                else exchanged++;
                Assert.InRange(masked.Input[place], Mask, Vocabulary - 1);
            }
        }

        Assert.Equal(0.8, hidden / (double)asked, 0.01);
        Assert.Equal(0.1 * 34 / 35, exchanged / (double)asked, 0.01); // a random token may be the one itself
        Assert.Equal(0.1 * 36 / 35, kept / (double)asked, 0.01);
        Assert.Equal((0, 0), (places[0], places[^1]));
        Assert.All(places[1..^1], times => Assert.InRange(times, 200, 400));
    }

    [Fact]
    public void Masks_follow_from_seed_epoch_and_place()
    {
        int[] ids = [0, .. Enumerable.Range(5, 30), 2];
        int[] Of(int seed, int epoch, int place) => TrainingSequence.Masked(ids, 0.15, Mask, Vocabulary, CorpusSequences.SeedOf(seed, epoch, place)).Input;
        Assert.Equal(Of(1, 2, 3), Of(1, 2, 3));
        Assert.NotEqual(Of(1, 2, 3), Of(2, 2, 3));
        Assert.NotEqual(Of(1, 2, 3), Of(1, 3, 3));
        Assert.NotEqual(Of(1, 2, 3), Of(1, 2, 4));
    }

    [Fact]
    public void Short_sequences_ask_for_one_token_and_empty_ones_for_none()
    {
        ulong seed = CorpusSequences.SeedOf(1, 1, 1);
        Assert.Equal([1], TrainingSequence.Masked([0, 9, 2], 0.15, Mask, Vocabulary, seed).Places);
        Assert.Empty(TrainingSequence.Masked([0, 2], 0.15, Mask, Vocabulary, seed).Places);
    }

    [Fact]
    public void Each_token_of_a_text_asks_for_the_next()
    {
        TrainingSequence text = TrainingSequence.Next([7, 8, 9], 0);
        Assert.Equal([7, 8, 9], text.Input);
        Assert.Equal([0, 1, 2], text.Places);
        Assert.Equal([8, 9, 0], text.Labels);

        TrainingSequence cut = TrainingSequence.Next([7, 8, 9], null);
        Assert.Equal([7, 8, 9], cut.Input);
        Assert.Equal([0, 1], cut.Places);
        Assert.Equal([8, 9], cut.Labels);
    }
}
