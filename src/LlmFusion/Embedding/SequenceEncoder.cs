using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Embedding;

/// <summary>A transformer and how its hidden state becomes one vector a sequence (paper, P15).</summary>
public sealed class SequenceEncoder : nn.Module
{
    /// <summary>Joins the two; the transformer becomes this module's.</summary>
    public SequenceEncoder(Transformer model, PoolingKind pooling)
        : base(nameof(SequenceEncoder))
    {
        Model = model;
        Pooling = pooling;
        register_module("model", model);
    }

    /// <summary>The transformer, whose tensor names are Hugging Face's.</summary>
    public Transformer Model { get; }

    /// <summary>How a sequence becomes one vector.</summary>
    public PoolingKind Pooling { get; }

    /// <summary>One vector per sequence.</summary>
    /// <param name="ids">(K, L) int64</param>
    /// <param name="mask">(K, L): 1 token, 0 padding; null where nothing is padded.</param>
    /// <returns>(K, d)</returns>
    public Tensor Forward(Tensor ids, Tensor? mask)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor embedding = Pooling == PoolingKind.ClassToken
            ? Model.EncodeClassToken(ids, mask)
            : Transformers.Pooling.MaskedMean(Model.Encode(ids, mask), mask);
        return embedding.MoveToOuterDisposeScope();                                     // (K, d)
    }

    /// <summary>Nothing: the constructor registers by checkpoint name, and a parent's call would add the fields a second time.</summary>
    protected override void RegisterComponents()
    {
    }
}
