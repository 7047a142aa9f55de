namespace LlmFusion.Modalities;

/// <summary>Turns representations into ids, with one vocabulary per sequence modality.</summary>
public sealed class InputTokenizer
{
    /// <param name="vocabularies">One per sequence modality in use.</param>
    /// <param name="maximumTokens">Longest sequence, class and end token included; what is beyond is cut off and counted.</param>
    public InputTokenizer(IReadOnlyDictionary<Modality, TokenVocabulary> vocabularies, int maximumTokens)
    {
        if (maximumTokens < 3) throw new ArgumentException($"maximum of tokens: got {maximumTokens}, expected at least 3");
        Vocabularies = vocabularies;
        MaximumTokens = maximumTokens;
    }

    /// <summary>The vocabulary of each sequence modality.</summary>
    public IReadOnlyDictionary<Modality, TokenVocabulary> Vocabularies { get; }

    /// <summary>Longest sequence in ids.</summary>
    public int MaximumTokens { get; }

    /// <summary>Collects the vocabularies of a training split.</summary>
    public static InputTokenizer Build(IReadOnlyList<Representations> train, IEnumerable<Modality> modalities, int maximumTokens) =>
        new(modalities.Where(m => m != Modality.Fingerprint).ToDictionary(m => m, m => TokenVocabulary.Build(train.Select(r => Split(r, m) ?? []))), maximumTokens);

    /// <summary>The ids of one molecule.</summary>
    /// <param name="representations">The molecule's representations.</param>
    /// <param name="truncated">How many of its sequences were longer than <see cref="MaximumTokens"/>.</param>
    public MoleculeInputs Encode(Representations representations, out int truncated)
    {
        int cut = 0;
        int[]? Ids(Modality modality)
        {
            if (!Vocabularies.TryGetValue(modality, out TokenVocabulary? vocabulary) || Split(representations, modality) is not { } tokens) return null;
            int[] ids = vocabulary.Encode(tokens, MaximumTokens, out bool tooLong);
            if (tooLong) cut++;
            return ids;
        }

        MoleculeInputs inputs = new(Ids(Modality.Smiles), Ids(Modality.Selfies), Ids(Modality.Text), representations.Fingerprint);
        truncated = cut;
        return inputs;
    }

    private static IEnumerable<string>? Split(Representations representations, Modality modality) => modality switch
    {
        Modality.Smiles => representations.Smiles is { } smiles ? SmilesTokens.Split(smiles) : null,
        Modality.Selfies => representations.Selfies,
        Modality.Text => representations.Text is { } text ? TextTokens.Split(text) : null,
        _ => throw new ArgumentOutOfRangeException(nameof(modality), modality, "expected a sequence modality"),
    };
}
