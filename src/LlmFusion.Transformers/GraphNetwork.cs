using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Transformers.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The shape of a <see cref="GraphNetwork"/>.</summary>
public sealed record GraphNetworkConfig
{
    /// <summary>model_type in config.json.</summary>
    public const string ModelType = "relational_graph";

    private const int Largest = 1 << 16;

    /// <summary>Numbers that describe a node.</summary>
    public required int Features { get; init; }

    /// <summary>Kinds of edges.</summary>
    public required int Relations { get; init; }

    /// <summary>Width H of a node's state.</summary>
    public int Width { get; init; } = 128;

    /// <summary>Rounds of messages.</summary>
    public int Layers { get; init; } = 5;

    /// <summary>Reads a parsed config.json.</summary>
    /// <exception cref="CheckpointException">It is another model's, or a value is impossible.</exception>
    public static GraphNetworkConfig From(JsonElement json)
    {
        ConfigReader read = new(json, ModelType);
        return new GraphNetworkConfig
        {
            Features = read.NeededInt("node_features"),
            Relations = read.NeededInt("relations"),
            Width = read.NeededInt("hidden_size"),
            Layers = read.NeededInt("num_hidden_layers"),
        }.Checked();
    }

    /// <summary>The config.json that <see cref="From"/> reads.</summary>
    public JsonObject ToJson() => new()
    {
        ["model_type"] = ModelType,
        ["node_features"] = Features,
        ["relations"] = Relations,
        ["hidden_size"] = Width,
        ["num_hidden_layers"] = Layers,
    };

    internal GraphNetworkConfig Checked()
    {
        ConfigReader.Require(Features is > 0 and <= Largest, "node_features", Features, $"from 1 to {Largest}");
        ConfigReader.Require(Relations is > 0 and <= 64, "relations", Relations, "from 1 to 64");
        ConfigReader.Require(Width is > 0 and <= Largest, "hidden_size", Width, $"from 1 to {Largest}");
        ConfigReader.Require(Layers is > 0 and <= 256, "num_hidden_layers", Layers, "from 1 to 256");
        return this;
    }

    /// <summary>How many numbers the weights have.</summary>
    public long Parameters => ((long)Features + 3) * Width
        + Layers * ((Relations + 1L) * Width * (Width + 1L) + (long)Width * Width + 2L * Width * (Width + 1L) + (2L * Width + 1) * Width + 4L * Width);
}

/// <summary>One round: each node hears its neighbours, one linear map for each kind of edge, and the mean of its graph; then an MLP of its own.</summary>
internal sealed class GraphLayer : nn.Module
{
    private const double NormEpsilon = 1e-5;

    [ComponentName(Name = "message_norm")]
    private readonly LayerNorm messageNorm;
    [ComponentName(Name = "message")]
    private readonly Linear message;
    [ComponentName(Name = "mean")]
    private readonly Linear mean;
    [ComponentName(Name = "mlp_norm")]
    private readonly LayerNorm mlpNorm;
    [ComponentName(Name = "up")]
    private readonly Linear up;
    [ComponentName(Name = "down")]
    private readonly Linear down;

    public GraphLayer(GraphNetworkConfig config) : base(nameof(GraphLayer))
    {
        messageNorm = nn.LayerNorm(config.Width, NormEpsilon);
        message = new Linear(config.Width, (config.Relations + 1) * config.Width);
        mean = new Linear(config.Width, config.Width, bias: false); // the message has one
        mlpNorm = nn.LayerNorm(config.Width, NormEpsilon);
        up = new Linear(config.Width, 2 * config.Width);
        down = new Linear(2 * config.Width, config.Width);
        RegisterComponents();
    }

    public void Initialize()
    {
        foreach (Linear linear in new[] { message, mean, up, down }) GraphNetwork.Initialize(linear);
    }

    public Tensor Forward(Tensor h, GraphBatch graphs)                                   // (A, H)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor z = messageNorm.forward(h);
        Tensor ofGraph = mean.forward(GraphPooling.Mean(z, graphs));                     // (N, H)
        h = GraphMessages.Add(h, z, message.weight, message.bias!, ofGraph, graphs);     // (A, H)
        h = h + down.forward(nn.functional.gelu(up.forward(mlpNorm.forward(h))));        // (A, 2H) inside
        return h.MoveToOuterDisposeScope();
    }
}

/// <summary>
/// A relational message-passing network over many small graphs at once (after Schlichtkrull et al. 2018, with a mean over the
/// graph in every layer and the residual blocks of a transformer).
/// <code>
/// z   = LayerNorm(h)
/// h_i = h_i + ReLU(W_self z_i + b + V mean(z of i's graph) + sum over edges (j, r) of i: W_r z_j)
/// h_i = h_i + W_down GELU(W_up LayerNorm(h_i))
/// </code>
/// Invariant to the order of a graph's nodes.
/// </summary>
public sealed class GraphNetwork : nn.Module
{
    [ComponentName(Name = "embed")]
    private readonly Linear embed;
    [ComponentName(Name = "layers")]
    private readonly ModuleList<GraphLayer> layers;
    [ComponentName(Name = "norm")]
    private readonly LayerNorm norm;

    /// <summary>A new network: weights uniform in plus and minus 1 / sqrt(inputs), as PyTorch's linear layers, biases 0; from torch's generator.</summary>
    /// <param name="config">The shape.</param>
    /// <param name="initialize">False where a checkpoint is loaded next.</param>
    /// <exception cref="CheckpointException">The config is impossible.</exception>
    public GraphNetwork(GraphNetworkConfig config, bool initialize = true) : base(nameof(GraphNetwork))
    {
        Config = config.Checked();
        embed = new Linear(config.Features, config.Width);
        layers = new ModuleList<GraphLayer>([.. Enumerable.Range(0, config.Layers).Select(_ => new GraphLayer(config))]);
        norm = nn.LayerNorm(config.Width);
        RegisterComponents();
        if (!initialize) return;
        Initialize(embed);
        foreach (GraphLayer layer in layers) layer.Initialize();
    }

    /// <summary>The shape.</summary>
    public GraphNetworkConfig Config { get; }

    /// <summary>Width of <see cref="Pool"/>'s vectors.</summary>
    public int PooledWidth => 3 * Config.Width;

    /// <summary>The state of every node.</summary>
    /// <param name="graphs">N graphs of A nodes in all.</param>
    /// <returns>(A, H)</returns>
    public Tensor Forward(GraphBatch graphs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor h = embed.forward(graphs.Features);                                       // (A, F) -> (A, H)
        foreach (GraphLayer layer in layers) h = layer.Forward(h, graphs);
        return norm.forward(h).MoveToOuterDisposeScope();
    }

    /// <summary>Mean, maximum and sum / 16 of the nodes of each graph, one after the other: some properties grow with the graph, others do not.</summary>
    /// <param name="nodes">(A, H)</param>
    /// <param name="graphs">The N graphs.</param>
    /// <returns>(N, 3H)</returns>
    public static Tensor Pool(Tensor nodes, GraphBatch graphs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor mean = GraphPooling.Mean(nodes, graphs);                                  // (N, H)
        return cat([mean, GraphPooling.Max(nodes, graphs), Sum(mean, graphs)], 1).MoveToOuterDisposeScope();
    }

    /// <summary>The sum over the nodes of each graph, divided by 16, so that small molecules have numbers near one.</summary>
    /// <param name="nodes">(A, H)</param>
    /// <param name="graphs">The N graphs.</param>
    /// <returns>(N, H)</returns>
    public static Tensor SumOverNodes(Tensor nodes, GraphBatch graphs)
    {
        using DisposeScope scope = NewDisposeScope();
        return Sum(GraphPooling.Mean(nodes, graphs), graphs).MoveToOuterDisposeScope();
    }

    private static Tensor Sum(Tensor mean, GraphBatch graphs) => mean * (graphs.Sizes().unsqueeze(1) / 16);

    /// <summary>FLOPs of the matrix products of <see cref="Forward"/>.</summary>
    public double Flops(GraphBatch graphs)
    {
        double square = 2.0 * Config.Width * Config.Width, said = graphs.RowsOf(Config.Relations).Node.Length;
        return 2.0 * graphs.Nodes * Config.Features * Config.Width + Config.Layers * square * (said + graphs.Count + 5.0 * graphs.Nodes); // own message 1, MLP 4
    }

    internal static void Initialize(Linear linear)
    {
        using IDisposable noGrad = no_grad();
        double bound = 1 / Math.Sqrt(linear.weight.shape[1]);
        linear.weight.uniform_(-bound, bound);
    }
}
