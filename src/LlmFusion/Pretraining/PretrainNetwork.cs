using LlmFusion.Embedding;
using LlmFusion.Transformers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Pretraining;

/// <summary>The losses of a batch, each a mean; and how many of the tokens asked for are the likeliest.</summary>
/// <param name="Tokens">Cross entropy of the tokens asked for, natural logarithm.</param>
/// <param name="Hits">Tokens asked for that got the highest score; not differentiable.</param>
/// <param name="Descriptors">Squared error of standardised descriptors; null where they are not learned.</param>
public sealed record PretrainLosses(Tensor Tokens, Tensor Hits, Tensor? Descriptors);

/// <summary>
/// An encoder with the heads that it is pretrained by and that are thrown away: one that restores tokens,
/// Linear(norm(gelu(Linear(h)))) (a GPT-2 has its own, the tied table), and one Linear from the embedding to the descriptors, so
/// that the embedding itself must say them.
/// </summary>
public sealed class PretrainNetwork : nn.Module
{
    private readonly Linear? _dense, _output, _descriptors;
    private readonly LayerNorm? _norm;

    /// <param name="encoder">Becomes this module's.</param>
    /// <param name="descriptors">Number of descriptors; 0: none are learned.</param>
    public PretrainNetwork(SequenceEncoder encoder, int descriptors) : base(nameof(PretrainNetwork))
    {
        Encoder = encoder;
        register_module("encoder", encoder);
        if (encoder.Model is not LanguageModel)
        {
            register_module("token_dense", _dense = nn.Linear(encoder.Model.Width, encoder.Model.Width));
            register_module("token_norm", _norm = nn.LayerNorm(encoder.Model.Width));
            register_module("token_output", _output = nn.Linear(encoder.Model.Width, encoder.Model.VocabSize));
        }

        if (descriptors > 0) register_module("descriptors", _descriptors = nn.Linear(encoder.Model.Width, descriptors));
    }

    /// <summary>What is kept.</summary>
    public SequenceEncoder Encoder { get; }

    /// <summary>The losses of a batch. Scores are computed only where a token is asked for.</summary>
    public PretrainLosses Losses(PretrainBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = Encoder.Model.Encode(batch.Ids, batch.Mask);                     // (N, L, d)
        Tensor scores = Scores(hidden.flatten(0, 1).index_select(0, batch.Places));      // (K, vocabulary)
        Tensor tokens = nn.functional.cross_entropy(scores, batch.Labels);
        Tensor hits = scores.detach().argmax(1).eq(batch.Labels).sum();
        Tensor? descriptors = batch.Descriptors is null ? null : nn.functional.mse_loss(_descriptors!.forward(Pooled(hidden, batch.Mask)), batch.Descriptors);
        return new PretrainLosses(tokens.MoveToOuterDisposeScope(), hits.MoveToOuterDisposeScope(), descriptors?.MoveToOuterDisposeScope());
    }

    /// <summary>Nothing: the constructor registers by name, and a parent's call would add the fields a second time.</summary>
    protected override void RegisterComponents()
    {
    }

    private Tensor Scores(Tensor hidden) =>
        Encoder.Model is LanguageModel language ? language.Logits(hidden) : _output!.forward(_norm!.forward(nn.functional.gelu(_dense!.forward(hidden))));

    /// <summary>The embedding as it is read in use.</summary>
    private Tensor Pooled(Tensor hidden, Tensor? mask) =>
        Encoder.Pooling == PoolingKind.ClassToken ? Pooling.ClassToken(hidden) : Pooling.MaskedMean(hidden, mask); // (N, d)
}
