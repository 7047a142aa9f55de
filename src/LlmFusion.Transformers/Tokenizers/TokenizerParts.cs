namespace LlmFusion.Transformers.Tokenizers;

/// <summary>Everything that a tokenizer is made of, in the order of its work.</summary>
/// <param name="Model">Words to tokens.</param>
/// <param name="Normalizer">Before the words are cut; null: nothing is changed.</param>
/// <param name="PreTokenizer">Cuts the words; null: the text is one.</param>
/// <param name="PostProcessor">The special tokens around.</param>
/// <param name="Added">Found before all that.</param>
/// <param name="Roles">The ids of bos_token and the like.</param>
internal sealed record TokenizerParts(
    TokenModel Model, Normalizer? Normalizer, PreTokenizer? PreTokenizer, PostProcessor PostProcessor, AddedTokens Added, IReadOnlyDictionary<string, int> Roles)
{
    /// <summary>The padding's id where no pad_token is named.</summary>
    public int? PaddingId { get; init; }

    /// <summary>Tokens are bytes in the byte-level alphabet, and texts can be restored.</summary>
    public bool IsByteLevel { get; init; }

    public int? MaximumLength { get; init; }

    public bool TruncateLeft { get; init; }
}
