using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Fusion;

/// <summary>
/// Everything that is trained: an encoder for each modality that comes as tokens or as a graph, and the fusion model on top.
/// Embeddings of frozen encoders, and vectors, come ready.
/// </summary>
public sealed class PropertyModel : nn.Module
{
    private readonly Dictionary<Modality, SequenceEncoder> _encoders;

    /// <summary>Joins encoders and fusion model.</summary>
    /// <param name="encoders">One for each modality of <paramref name="fusion"/> that comes as tokens.</param>
    /// <param name="graph">The encoder of the graph, where that is one of the modalities.</param>
    /// <param name="fusion">The fusion model.</param>
    public PropertyModel(IReadOnlyDictionary<Modality, SequenceEncoder> encoders, GraphNetwork? graph, FusionModel fusion)
        : base(nameof(PropertyModel))
    {
        _encoders = new(encoders);
        Fusion = fusion;
        Graph = graph;
        foreach (Modality modality in fusion.Config.Modalities.Where(encoders.ContainsKey))
            register_module(modality.Name, encoders[modality]);
        if (graph is not null) register_module(Modality.Graph.Name, graph);
        register_module("fusion", fusion);
    }

    /// <summary>The encoder of each modality that comes as tokens.</summary>
    public IReadOnlyDictionary<Modality, SequenceEncoder> Encoders => _encoders;

    /// <summary>The encoder of the graph; null without that modality.</summary>
    public GraphNetwork? Graph { get; }

    /// <summary>The fusion model.</summary>
    public FusionModel Fusion { get; }

    /// <summary>Targets in scaled units (N, T).</summary>
    public Tensor Forward(Batch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        bool byAtom = Graph is not null && Fusion.Config.GraphTokens == GraphTokens.Atoms;
        // In use, what no molecule has costs nothing. In training it stays, so that every weight has a gradient.
        Modality[] used = [.. Fusion.Config.Modalities.Where(m => training || batch.Has(m))];
        Modality[] single = byAtom ? [.. used.Where(m => m != Modality.Graph)] : used;
        Tensor? present = single.Length == Fusion.Config.Modalities.Count ? batch.Present
            : single.Any(batch.Rows.ContainsKey) ? batch.Present!.index_select(1, Fusion.PlacesOf(single, batch.Present.device)) : null; // (N, M)
        return Fusion.Forward(single.ToDictionary(m => m, m => Embed(m, batch)), present, single.Length < used.Length ? Atoms(batch) : null).Prediction.MoveToOuterDisposeScope();
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
            : modality == Modality.Graph && batch.Graphs is { } graphs ? GraphNetwork.Pool(Graph!.Forward(graphs), graphs)
            : null;                                                                     // (K, d_m)
        if (!batch.Rows.TryGetValue(modality, out Tensor? rows)) return embedding!;
        Tensor all = zeros(batch.Count, Fusion.Config.Widths[modality], device: batch.Present!.device);
        return embedding is null ? all : all.index_copy(0, rows, embedding);            // (N, d_m)
    }

    /// <summary>The atoms' states as tokens. Atoms beyond the language model's positions are none, but their neighbours have heard them.</summary>
    private AtomTokens Atoms(Batch batch)
    {
        if (batch.Graphs is not { } graphs) // one token that is not there
            return new AtomTokens(zeros(batch.Count, 1, Graph!.Config.Width, device: batch.Present!.device), zeros(batch.Count, 1, dtype: ScalarType.Int64, device: batch.Present.device));
        int columns = Math.Min(graphs.Longest, Fusion.Llm.MaximumLength - (Fusion.Config.Modalities.Count - 1));
        (Tensor places, Tensor? nodes) = graphs.PlacesInTable(columns);
        Tensor states = Graph!.Forward(graphs);                                         // (A, H)
        if (nodes is not null) states = states.index_select(0, nodes);
        Tensor table = zeros(graphs.Count * columns, Graph.Config.Width, device: states.device).index_copy(0, places, states).view(graphs.Count, columns, -1);
        Tensor mask = zeros([graphs.Count * columns], dtype: ScalarType.Int64, device: states.device).index_fill(0, places, 1).view(graphs.Count, columns);
        if (!batch.Rows.TryGetValue(Modality.Graph, out Tensor? rows)) return new AtomTokens(table, mask);
        return new AtomTokens(                                                          // (N, L, H), (N, L)
            zeros(batch.Count, columns, Graph.Config.Width, device: states.device).index_copy(0, rows, table),
            zeros(batch.Count, columns, dtype: ScalarType.Int64, device: states.device).index_copy(0, rows, mask));
    }
}
