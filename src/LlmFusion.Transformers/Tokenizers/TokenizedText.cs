namespace LlmFusion.Transformers.Tokenizers;

/// <summary>A text as a model reads it.</summary>
/// <param name="Ids">Token ids, special tokens included.</param>
/// <param name="Dropped">How many tokens of the text were cut off to keep the maximum length; 0: the text is whole.</param>
public sealed record TokenizedText(int[] Ids, int Dropped);
