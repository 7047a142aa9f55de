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

    /// <summary>How the names of what makes a modality's token begin, in <c>state_dict</c>; encodings of its place are not among it.</summary>
    internal static IEnumerable<string> EncoderNames(Modality modality) => [$"{modality.Name}.", .. FusionModel.TokenNames(modality).Select(name => $"fusion.{name}.")];

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
        Tensor? nodes = batch.Graphs is { } graphs ? Graph?.Forward(graphs) : null;      // (A, H)
        return Fusion.Forward(single.ToDictionary(m => m, m => Embed(m, batch, nodes)), present, single.Length < used.Length ? Atoms(batch, nodes) : null, Contributions(batch, nodes)).Prediction.MoveToOuterDisposeScope();
    }

    /// <summary>Nothing: the constructor registers by checkpoint name, and a parent's call would add the fields a second time.</summary>
    protected override void RegisterComponents()
    {
    }

    /// <summary>The modality's embedding (N, d_m); zeros for molecules that lack it, whose encoder is not run.</summary>
    private Tensor Embed(Modality modality, Batch batch, Tensor? nodes)
    {
        Tensor? embedding = batch.Vectors.TryGetValue(modality, out Tensor? vectors) ? vectors
            : batch.Tokens.TryGetValue(modality, out TokenBatch? tokens) ? _encoders[modality].Forward(tokens.Ids, tokens.Mask)
            : modality == Modality.Graph && nodes is not null ? GraphNetwork.Pool(nodes, batch.Graphs!)
            : null;                                                                     // (K, d_m)
        return embedding is null ? zeros(batch.Count, Fusion.Config.Widths[modality], device: batch.Present!.device) : Placed(modality, embedding, batch);
    }

    /// <summary>What the atoms contribute; null where no target is a sum over them or no molecule has any.</summary>
    private AtomContributions? Contributions(Batch batch, Tensor? nodes)
    {
        if (Fusion.Config.AtomTargets.Count == 0 || nodes is null) return null;
        Tensor sums = GraphNetwork.SumOverNodes(Fusion.Contribute(nodes), batch.Graphs!);   // (K, C)
        Tensor? given = batch.Rows.TryGetValue(Modality.Graph, out Tensor? rows) ? zeros([batch.Count, 1], dtype: ScalarType.Bool, device: sums.device).index_fill(0, rows, true) : null;
        return new AtomContributions(Placed(Modality.Graph, sums, batch), given);           // (N, C), (N, 1)
    }

    /// <summary>Rows of the molecules that have the modality (K, ..) among all, (N, ..); zeros for the others.</summary>
    private static Tensor Placed(Modality modality, Tensor own, Batch batch) =>
        batch.Rows.TryGetValue(modality, out Tensor? rows) ? zeros([batch.Count, .. own.shape[1..]], dtype: own.dtype, device: own.device).index_copy(0, rows, own) : own;

    /// <summary>The atoms' states as tokens. Atoms beyond the language model's positions are none, but their neighbours have heard them.</summary>
    private AtomTokens Atoms(Batch batch, Tensor? states)
    {
        if (batch.Graphs is not { } graphs || states is null) // one token that is not there
            return new AtomTokens(zeros(batch.Count, 1, Graph!.Config.Width, device: batch.Present!.device), zeros(batch.Count, 1, dtype: ScalarType.Int64, device: batch.Present.device));
        int columns = Math.Min(graphs.Longest, Fusion.Llm.MaximumLength - (Fusion.Config.Modalities.Count - 1));
        (Tensor places, Tensor? nodes) = graphs.PlacesInTable(columns);
        if (nodes is not null) states = states.index_select(0, nodes);                  // (A, H)
        Tensor table = zeros(graphs.Count * columns, Graph!.Config.Width, device: states.device).index_copy(0, places, states).view(graphs.Count, columns, -1);
        Tensor mask = zeros([graphs.Count * columns], dtype: ScalarType.Int64, device: states.device).index_fill(0, places, 1).view(graphs.Count, columns);
        return new AtomTokens(Placed(Modality.Graph, table, batch), Placed(Modality.Graph, mask, batch)); // (N, L, H), (N, L)
    }
}
