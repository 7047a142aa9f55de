using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>How one vector a token becomes one vector a sequence.</summary>
public enum PoolingKind
{
    /// <summary>The first token's vector: the class token of RoBERTa.</summary>
    ClassToken,

    /// <summary>The mean over the real tokens; padding does not count.</summary>
    Mean,
}

/// <summary>From one vector a token to one vector a sequence.</summary>
public static class Pooling
{
    /// <summary>The first token's vector: the class token of RoBERTa.</summary>
    /// <param name="hidden">(N, L, d)</param>
    /// <returns>(N, d)</returns>
    public static Tensor ClassToken(Tensor hidden) => hidden.select(1, 0);

    /// <summary>The mean over the real tokens; zero for a row without any.</summary>
    /// <param name="hidden">(N, L, d)</param>
    /// <param name="attentionMask">(N, L): 1 or true is a token, 0 or false padding; null: all are tokens.</param>
    /// <returns>(N, d)</returns>
    public static Tensor MaskedMean(Tensor hidden, Tensor? attentionMask)
    {
        if (attentionMask is null)
            return hidden.mean([1]);
        using DisposeScope scope = NewDisposeScope();
        Tensor weights = attentionMask.to_type(hidden.dtype);                            // (N, L)
        Tensor shares = weights / weights.sum(1, keepdim: true).clamp_min(1);            // (N, L)
        // One batched product; the padding's vectors are finite, so that times zero leaves nothing of them.
        return matmul(shares.unsqueeze(1), hidden).squeeze(1).MoveToOuterDisposeScope(); // (N, d)
    }
}
