using System.Text.Json.Nodes;
using LlmFusion.Transformers.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>What the architectures here have in common: token ids in, one vector a token out.</summary>
public abstract class Transformer : nn.Module
{
    private protected Transformer(string name) : base(name)
    {
    }

    /// <summary>Width d of the hidden state.</summary>
    public abstract int Width { get; }

    /// <summary>Number of layers.</summary>
    public abstract int Layers { get; }

    /// <summary>Tokens in the vocabulary.</summary>
    public abstract int VocabSize { get; }

    /// <summary>The longest sequence, in tokens.</summary>
    public abstract int MaximumLength { get; }

    /// <summary>The config.json that Hugging Face reads as the same model.</summary>
    public abstract JsonObject ConfigJson();

    /// <summary>The name here of a tensor in a Hugging Face checkpoint; null for one that this model does not have.</summary>
    public abstract string? CheckpointName(string key);

    /// <summary>The last hidden state.</summary>
    /// <param name="inputIds">(N, L) token ids, at most <see cref="MaximumLength"/> long.</param>
    /// <param name="attentionMask">
    /// (N, L): 1 or true is a token, 0 or false padding that nobody sees. Null: all are tokens, which is faster. The
    /// rows of padding in the result mean nothing, but they are finite.
    /// </param>
    /// <returns>(N, L, d)</returns>
    public abstract Tensor Encode(Tensor inputIds, Tensor? attentionMask = null);

    /// <summary>The first token's last hidden state (RoBERTa's class token), without what only other tokens need.</summary>
    /// <param name="inputIds">(N, L), as <see cref="Encode"/> takes it.</param>
    /// <param name="attentionMask">(N, L) or null, as <see cref="Encode"/> takes it.</param>
    /// <returns>(N, d)</returns>
    public virtual Tensor EncodeClassToken(Tensor inputIds, Tensor? attentionMask = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return Pooling.ClassToken(Encode(inputIds, attentionMask)).MoveToOuterDisposeScope();
    }
}

/// <summary>A causal language model that also reads ready embeddings, as LLM-Fusion needs it (paper, P9).</summary>
public abstract class LanguageModel : Transformer
{
    private protected LanguageModel(string name) : base(name)
    {
    }

    /// <summary>Whether the model can read token ids.</summary>
    public abstract bool HasTokenEmbedding { get; }

    /// <summary>Training computes each layer's activations again in the backward pass instead of keeping them: less memory, a third more work.</summary>
    public bool CheckpointActivations { get; set; }

    /// <summary>The layers that get a low-rank adapter where nothing else is said: PEFT's choice for the architecture.</summary>
    public abstract IReadOnlyList<string> AdapterTargets { get; }

    /// <summary>The low-rank adapters that the model has; null: none.</summary>
    public LowRankConfig? Adapters { get; internal set; }

    /// <summary>The layers that follow one another, first to last; <see cref="BackwardProgress"/> names them.</summary>
    public abstract IReadOnlyList<nn.Module> Blocks { get; }

    /// <summary>Whether several sequences may stand in one row, kept apart by an attention mask (N, L, L).</summary>
    public virtual bool TakesSharedRows => true;

    /// <summary>The last hidden state, after the final normalization.</summary>
    /// <param name="inputIds">(N, L) token ids, or null if embeddings are given.</param>
    /// <param name="inputsEmbeds">(N, L, d) embeddings in the tokens' place, or null.</param>
    /// <param name="attentionMask">
    /// (N, L): 1 or true is a token, 0 or false padding that nobody sees. Null: all are tokens, which is faster. The
    /// rows of padding in the result mean nothing, but they are finite. Or (N, L, L): 1 where the token of the second axis sees that of
    /// the third, if it does not stand after it (<see cref="TakesSharedRows"/>).
    /// </param>
    /// <param name="positionIds">(N, L) positions; null: 0, 1, 2, ...</param>
    /// <param name="addPositions">False leaves the model's own positions out.</param>
    /// <returns>(N, L, d)</returns>
    /// <exception cref="ArgumentException">Neither or both inputs, or a sequence too long.</exception>
    public abstract Tensor Forward(Tensor? inputIds, Tensor? inputsEmbeds = null, Tensor? attentionMask = null, Tensor? positionIds = null,
        bool addPositions = true);

    /// <summary>The scores of the next token.</summary>
    /// <param name="hidden">(N, L, d) from <see cref="Forward"/>.</param>
    /// <returns>(N, L, vocab_size)</returns>
    /// <exception cref="InvalidOperationException">The model was made without what the head needs.</exception>
    public abstract Tensor Logits(Tensor hidden);

    /// <inheritdoc/>
    public override Tensor Encode(Tensor inputIds, Tensor? attentionMask = null) => Forward(inputIds, null, attentionMask);

    /// <summary>What goes into the first layer and what comes out of it, both (N, L, d): a checkpoint's proof looks at them.</summary>
    internal abstract (Tensor Embedded, Tensor AfterFirst) FirstStates(Tensor inputIds, Tensor? attentionMask);

    /// <summary>One layer, marked for <see cref="BackwardProgress"/>, with its activations kept or not.</summary>
    private protected Tensor Through(nn.Module layer, Func<Tensor, Tensor?[], Tensor> forward, Tensor x, params Tensor?[] constants)
    {
        x = BackwardProgress.Before(layer, x);
        return CheckpointActivations && is_grad_enabled() ? Recomputed.Of(forward, x, constants) : forward(x, constants);
    }

    /// <summary>The one of two inputs that was given, as embeddings.</summary>
    private protected Tensor Inputs(Tensor? inputIds, Tensor? inputsEmbeds, TorchSharp.Modules.Embedding? table)
    {
        if (inputIds is null == inputsEmbeds is null)
            throw new ArgumentException($"{GetName()} takes either token ids or embeddings, found {(inputIds is null ? "neither" : "both")}");
        return inputsEmbeds ?? (table
            ?? throw new ArgumentException($"this {GetName()} was made without a token table: it reads embeddings only")).forward(inputIds!);
    }
}
