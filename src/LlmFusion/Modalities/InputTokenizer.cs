namespace LlmFusion.Modalities;

/// <summary>Splits a sequence modality and turns it into ids, by a vocabulary collected from the training split.</summary>
/// <param name="Modality">A sequence modality: it decides how text is split.</param>
/// <param name="Vocabulary">The tokens known.</param>
/// <param name="MaximumTokens">Longest sequence, class and end token included; what is beyond is cut off.</param>
public sealed record InputTokenizer(Modality Modality, TokenVocabulary Vocabulary, int MaximumTokens)
{
    /// <summary>Collects the vocabulary of a training split.</summary>
    /// <param name="modality">A sequence modality.</param>
    /// <param name="train">The split; molecules that lack the modality are passed over.</param>
    /// <param name="maximumTokens">Longest sequence, from 3.</param>
    /// <param name="limit">Largest vocabulary.</param>
    public static InputTokenizer Build(Modality modality, IReadOnlyList<Representations> train, int maximumTokens, int limit = 8192)
    {
        if (maximumTokens < 3) throw new ArgumentException($"maximum of tokens: got {maximumTokens}, expected at least 3");
        return new InputTokenizer(modality, TokenVocabulary.Build(train.Select(r => r.SequenceOf(modality)).OfType<string>().Select(s => Split(modality, s)), limit: limit), maximumTokens);
    }

    /// <summary>The ids of a sequence.</summary>
    /// <param name="text">As <see cref="Representations.SequenceOf"/> gives it.</param>
    /// <param name="dropped">How many tokens were beyond <see cref="MaximumTokens"/>.</param>
    public int[] Encode(string text, out int dropped) => Vocabulary.Encode(Split(Modality, text), MaximumTokens, out dropped);

    private static IEnumerable<string> Split(Modality modality, string text) => modality.Kind switch
    {
        ModalityKind.Smiles => SmilesTokens.Split(text),
        ModalityKind.Selfies => text.Split(' '),
        _ => TextTokens.Split(text),
    };
}
