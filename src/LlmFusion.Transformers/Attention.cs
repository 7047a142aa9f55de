using LlmFusion.Transformers.Kernels;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>softmax(Q K^T / sqrt(d_head) + mask) V over several heads, and the masks it takes.</summary>
internal static class Attention
{
    /// <summary>
    /// What stands in for minus infinity: exp of it is exactly 0 beside any real score, and a row with nothing to
    /// attend to becomes uniform, so it stays finite, forward and backward.
    /// </summary>
    private const float Excluded = -1e9f;

    /// <summary>Multi-head attention.</summary>
    /// <param name="query">(N, H, L, d_head)</param>
    /// <param name="key">(N, H, S, d_head)</param>
    /// <param name="value">(N, H, S, d_head)</param>
    /// <param name="mask">Added to the scores, broadcast to (N, H, L, S); null: every position is seen.</param>
    /// <param name="causal">A position sees itself and what stands before it. Not together with a mask: build it into that.</param>
    /// <param name="dropout">Chance that an attention weight is dropped; 0 outside training.</param>
    /// <returns>(N, L, H * d_head)</returns>
    public static Tensor MultiHead(Tensor query, Tensor key, Tensor value, Tensor? mask, bool causal, double dropout)
    {
        if (ShortAttention.Takes(query, key, value, mask))
            return ShortAttention.Of(query, key, value, mask, causal, dropout);          // (N, L, H * d_head)
        // libtorch has one fused operation on the CPU, but not with dropout: then its fallback is slower than the formula.
        Tensor heads = dropout == 0
            ? nn.functional.scaled_dot_product_attention(query, key, value, attn_mask: mask!, is_casual: causal)
            : Formula(query, key, value, causal ? Later(query.shape[2], query.device) : mask, dropout); // (N, H, L, d_head)
        return heads.transpose(1, 2).flatten(2);                                         // (N, L, H * d_head)
    }

    private static Tensor Formula(Tensor query, Tensor key, Tensor value, Tensor? mask, double dropout)
    {
        Tensor scores = matmul(query * (1 / Math.Sqrt(query.shape[3])), key.transpose(2, 3)); // (N, H, L, S)
        if (mask is not null)
            scores = scores + mask;
        return matmul(Dropout.Of(scores.softmax(-1), dropout, training: true), value);   // (N, H, L, d_head)
    }

    /// <summary>Cuts the width into heads, without a copy.</summary>
    /// <param name="x">(N, L, H * d_head)</param>
    /// <param name="heads">H</param>
    /// <returns>(N, H, L, d_head)</returns>
    public static Tensor Heads(Tensor x, int heads) => x.unflatten(2, heads, x.shape[2] / heads).transpose(1, 2);

    /// <summary>The additive mask of an attention mask: 0 where there is a token, <see cref="Excluded"/> at padding.</summary>
    /// <param name="attentionMask">(N, S): 1 or true is a token, 0 or false is padding.</param>
    /// <returns>(N, 1, 1, S)</returns>
    public static Tensor PaddingMask(Tensor attentionMask) =>
        Additive(attentionMask).unsqueeze(1).unsqueeze(1);

    /// <summary>As <see cref="PaddingMask"/>, and no position sees those after it.</summary>
    /// <param name="attentionMask">(N, L), or (N, L, L): 1 where the position of the second axis may see that of the third.</param>
    /// <returns>(N, 1, L, L)</returns>
    public static Tensor CausalMask(Tensor attentionMask) =>
        (attentionMask.dim() == 3 ? Additive(attentionMask).unsqueeze(1) : PaddingMask(attentionMask)) + Later(attentionMask.shape[1], attentionMask.device);

    /// <summary>0 for 1 and true, <see cref="Excluded"/> for 0 and false.</summary>
    private static Tensor Additive(Tensor seen) => seen.to_type(ScalarType.Float32).sub(1).mul(-Excluded);

    /// <summary>(L, L): <see cref="Excluded"/> above the diagonal, 0 elsewhere.</summary>
    private static Tensor Later(long length, Device device) => full(new[] { length, length }, Excluded, device: device).triu(1);
}
