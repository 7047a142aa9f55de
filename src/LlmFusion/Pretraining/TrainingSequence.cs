using LlmFusion.DataSets;

namespace LlmFusion.Pretraining;

/// <summary>One sequence as a step reads it, and what it is to say.</summary>
/// <param name="Input">(L) token ids.</param>
/// <param name="Places">Where a token is asked for, ascending.</param>
/// <param name="Labels">The token asked for at each place.</param>
public sealed record TrainingSequence(int[] Input, int[] Places, int[] Labels)
{
    private const double Replaced = 0.8, Exchanged = 0.1; // the rest stays as it is

    /// <summary>
    /// Masked language modelling (Devlin et al. 2019): of the tokens between first and last, the class and end token, a share is
    /// asked for; of these 80 % are hidden behind the mask token, 10 % are exchanged for a random one, 10 % stay.
    /// </summary>
    /// <param name="ids">A sequence with its class and end token.</param>
    /// <param name="share">Share that is asked for, rounded to whole tokens, at least one where there is any.</param>
    /// <param name="maskToken">Id of the mask token, the last of the special ones.</param>
    /// <param name="vocabulary">Number of tokens.</param>
    /// <param name="seed">Decides which tokens and how.</param>
    public static TrainingSequence Masked(int[] ids, double share, int maskToken, int vocabulary, ulong seed)
    {
        SeededShuffle random = new(seed);
        int inner = ids.Length - 2;
        int[] places = [.. Enumerable.Range(1, Math.Max(0, inner))];
        random.Shuffle(places);
        int asked = inner > 0 ? Math.Max(1, (int)Math.Round(inner * share)) : 0;
        places = [.. places.Take(asked).Order()];
        int[] input = [.. ids];
        foreach (int place in places)
        {
            double draw = random.Next() / (double)ulong.MaxValue;
            if (draw < Replaced) input[place] = maskToken;
            else if (draw < Replaced + Exchanged) input[place] = maskToken + 1 + random.Below(vocabulary - maskToken - 1);
        }

        return new TrainingSequence(input, places, [.. places.Select(p => ids[p])]);
    }

    /// <summary>Language modelling: each token asks for the next, the last for the end.</summary>
    /// <param name="ids">A text's tokens, at least one.</param>
    /// <param name="endToken">Id of the end of a text; null where the text goes on and was cut: its last token asks for nothing.</param>
    public static TrainingSequence Next(int[] ids, int? endToken)
    {
        int[] labels = endToken is { } end ? [.. ids.Skip(1), end] : [.. ids.Skip(1)];
        return new TrainingSequence(ids, [.. Enumerable.Range(0, labels.Length)], labels);
    }
}
