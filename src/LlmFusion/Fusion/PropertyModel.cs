using LlmFusion.Embedding;
using LlmFusion.Modalities;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Fusion;

/// <summary>
/// Everything that is trained: an encoder for each modality that comes as tokens, and the fusion model on top. Embeddings of
/// frozen encoders, and vectors, come ready.
/// </summary>
public sealed class PropertyModel : nn.Module
{
    private readonly Dictionary<Modality, SequenceEncoder> _encoders;

    /// <summary>Joins encoders and fusion model.</summary>
    /// <param name="encoders">One for each modality of <paramref name="fusion"/> that comes as tokens.</param>
    /// <param name="fusion">The fusion model.</param>
    public PropertyModel(IReadOnlyDictionary<Modality, SequenceEncoder> encoders, FusionModel fusion)
        : base(nameof(PropertyModel))
    {
        _encoders = new(encoders);
        Fusion = fusion;
        foreach (Modality modality in fusion.Config.Modalities.Where(encoders.ContainsKey))
            register_module(modality.Name, encoders[modality]);
        register_module("fusion", fusion);
    }

    /// <summary>The encoder of each modality that comes as tokens.</summary>
    public IReadOnlyDictionary<Modality, SequenceEncoder> Encoders => _encoders;

    /// <summary>The fusion model.</summary>
    public FusionModel Fusion { get; }

    /// <summary>Targets in scaled units (N, T).</summary>
    public Tensor Forward(Batch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        // In use, what no molecule has costs nothing. In training it stays, so that every weight has a gradient.
        Modality[] used = [.. Fusion.Config.Modalities.Where(m => training || batch.Has(m))];
        Tensor? present = used.Length == Fusion.Config.Modalities.Count ? batch.Present
            : used.Any(batch.Rows.ContainsKey) ? batch.Present!.index_select(1, Fusion.PlacesOf(used, batch.Present.device)) : null; // (N, M)
        return Fusion.Forward(used.ToDictionary(m => m, m => Embed(m, batch)), present).Prediction.MoveToOuterDisposeScope();
    }

    /// <summary>Nothing: the constructor registers by checkpoint name, and a parent's call would add the fields a second time.</summary>
    protected override void RegisterComponents()
    {
    }

    /// <summary>The modality's embedding (N, d_m); zeros for molecules that lack it, whose encoder is not run.</summary>
    private Tensor Embed(Modality modality, Batch batch)
    {
        Tensor? embedding = batch.Vectors.TryGetValue(modality, out Tensor? vectors) ? vectors
            : batch.Tokens.TryGetValue(modality, out TokenBatch? tokens) ? _encoders[modality].Forward(tokens.Ids, tokens.Mask)
            : null;                                                                     // (K, d_m)
        if (!batch.Rows.TryGetValue(modality, out Tensor? rows)) return embedding!;
        Tensor all = zeros(batch.Count, Fusion.Config.Widths[modality], device: batch.Present!.device);
        return embedding is null ? all : all.index_copy(0, rows, embedding);            // (N, d_m)
    }
}
