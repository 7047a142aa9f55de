using LlmFusion.Transformers.Kernels;
using LlmFusion.Transformers.Verification;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public sealed class GraphNetworkTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public GraphNetworkTests() => manual_seed(5);

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(8)]
    [InlineData(19)]
    public void Messages_are_the_formula(int width)
    {
        GraphBatch graphs = Random(7, features: 4, relations: 3);
        Tensor x = randn(graphs.Nodes, width).requires_grad_(true), p = randn(graphs.Nodes, 4 * width).requires_grad_(true), g = randn(graphs.Count, width).requires_grad_(true);
        Agree(() => GraphMessages.Add(x, p, g, graphs), () => GraphMessages.Formula(x, p, g, graphs), x, p, g);
    }

    [Fact]
    public void Nodes_without_edges_hear_themselves_and_their_graph()
    {
        GraphBatch graphs = new(zeros(2, 1), [0, 1, 2], [0, 0, 0], [], []);
        Tensor x = randn(2, 8).requires_grad_(true), p = randn(2, 16).requires_grad_(true), g = randn(2, 8).requires_grad_(true);
        Agree(() => GraphMessages.Add(x, p, g, graphs), () => x + nn.functional.relu(p.narrow(1, 8, 8) + g), x, p, g);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(19)]
    public void Means_and_maxima_are_the_formulas(int width)
    {
        GraphBatch graphs = Random(9, features: 4, relations: 2);
        Tensor x = randn(graphs.Nodes, width).requires_grad_(true);
        Agree(() => GraphPooling.Mean(x, graphs), () => GraphPooling.MeanFormula(x, graphs), x);
        Agree(() => GraphPooling.Max(x, graphs), () => GraphPooling.MaxFormula(x, graphs), x);
    }

    [Fact]
    public void The_order_of_nodes_does_not_matter()
    {
        using GraphNetwork network = Small();
        GraphBatch graphs = Random(6, network.Config.Features, network.Config.Relations);
        Tensor expected = GraphNetwork.Pool(network.Forward(graphs), graphs);
        GraphBatch turned = Reversed(graphs);
        Close(expected, GraphNetwork.Pool(network.Forward(turned), turned), 2e-6);
    }

    [Fact]
    public void A_graph_does_not_notice_the_others_of_its_batch()
    {
        using GraphNetwork network = Small();
        GraphBatch graphs = Random(6, network.Config.Features, network.Config.Relations);
        Tensor together = GraphNetwork.Pool(network.Forward(graphs), graphs);
        for (int n = 0; n < graphs.Count; n++)
        {
            GraphBatch alone = Only(graphs, n);
            Close(together.narrow(0, n, 1), GraphNetwork.Pool(network.Forward(alone), alone), 2e-6);
        }
    }

    [Fact]
    public void The_network_equals_plain_PyTorch_forward_and_backward()
    {
        string folder = GoldenFolder.Of("graph-tiny");
        Dictionary<string, Tensor> golden = Safetensors.Read(Path.Combine(folder, "golden.safetensors"));
        using GraphNetwork network = new(GraphNetworkConfig.From(Architectures.ReadConfig(folder)), initialize: false);
        Checkpoint.LoadFile(network, Path.Combine(folder, "model.safetensors"));
        int[] Ints(string name) => [.. golden[name].data<long>().Select(v => (int)v)];
        GraphBatch graphs = new(golden["features"], Ints("graph_start"), Ints("edge_start"), Ints("edge_source"), Ints("edge_relation"));
        Tensor nodes = network.Forward(graphs), pooled = GraphNetwork.Pool(nodes, graphs);
        // Recorded in float64; the bound is that of the other models' goldens.
        Close(golden["nodes"], nodes, 2e-5);
        Close(golden["pooled"], pooled, 2e-5);
        pooled.square().sum().backward();
        foreach ((string name, TorchSharp.Modules.Parameter value) in network.named_parameters()) Close(golden["grad." + name], value.grad!, 2e-5);
        Assert.Equal(network.named_parameters().Count(), golden.Keys.Count(k => k.StartsWith("grad.", StringComparison.Ordinal)));
    }

    [Fact]
    public void Passes_leave_no_tensors_behind()
    {
        using GraphNetwork network = Small();
        GraphBatch graphs = Random(6, network.Config.Features, network.Config.Relations);
        long Live()
        {
            using (NewDisposeScope()) GraphNetwork.Pool(network.Forward(graphs), graphs).sum().backward();
            network.zero_grad(set_to_none: true);
            return LiveTensors.Count();
        }

        // What the last backward pass returned stays until the next.
        long first = Live();
        for (int i = 0; i < 3; i++) Assert.Equal(first, Live());
    }

    [Fact]
    public void The_config_tells_the_number_of_weights_and_refuses_what_cannot_be()
    {
        using GraphNetwork network = Small();
        Assert.Equal(network.parameters().Sum(p => p.numel()), network.Config.Parameters);
        Assert.Equal(network.Config, GraphNetworkConfig.From(System.Text.Json.JsonSerializer.SerializeToElement(network.Config.ToJson())));
        System.Text.Json.Nodes.JsonObject json = network.Config.ToJson();
        json["hidden_size"] = -1;
        CheckpointException error = Assert.Throws<CheckpointException>(() => GraphNetworkConfig.From(System.Text.Json.JsonSerializer.SerializeToElement(json)));
        Assert.Contains("hidden_size", error.Message);
    }

    private static GraphNetwork Small() => new(new GraphNetworkConfig { Features = 5, Relations = 3, Width = 16, Layers = 2 });

    /// <summary>Graphs of 1 to 9 nodes with random edges.</summary>
    private static GraphBatch Random(int count, int features, int relations)
    {
        Random random = new(3);
        List<int> start = [0];
        List<(int At, int From, int Relation)> edges = [];
        for (int n = 0; n < count; n++)
        {
            int size = n == 0 ? 1 : random.Next(2, 10);
            for (int i = 1; i < size; i++)
            {
                (int at, int from, int relation) = (start[^1] + i, start[^1] + random.Next(i), random.Next(relations));
                edges.Add((at, from, relation));
                edges.Add((from, at, relation));
            }

            start.Add(start[^1] + size);
        }

        return Of(randn(start[^1], features), [.. start], edges);
    }

    private static GraphBatch Of(Tensor features, int[] graphStart, IEnumerable<(int At, int From, int Relation)> edges)
    {
        (int At, int From, int Relation)[] sorted = [.. edges.OrderBy(e => e.At)];
        int[] starts = [.. Enumerable.Range(0, graphStart[^1] + 1).Select(i => sorted.Count(e => e.At < i))];
        return new GraphBatch(features, graphStart, starts, [.. sorted.Select(e => e.From)], [.. sorted.Select(e => e.Relation)]);
    }

    private static IEnumerable<(int At, int From, int Relation)> Edges(GraphBatch graphs) =>
        Enumerable.Range(0, graphs.Nodes).SelectMany(i => Enumerable.Range(graphs.EdgeStart[i], graphs.EdgeStart[i + 1] - graphs.EdgeStart[i]).Select(e => (i, graphs.EdgeSource[e], graphs.EdgeRelation[e])));

    /// <summary>The same graphs, the nodes of each in reverse.</summary>
    private static GraphBatch Reversed(GraphBatch graphs)
    {
        int[] place = [.. Enumerable.Range(0, graphs.Count).SelectMany(n => Enumerable.Range(graphs.GraphStart[n], graphs.GraphStart[n + 1] - graphs.GraphStart[n]).Reverse())];
        return Of(graphs.Features.index_select(0, tensor(place.Select(p => (long)p).ToArray())), graphs.GraphStart, Edges(graphs).Select(e => (place[e.At], place[e.From], e.Relation)));
    }

    private static GraphBatch Only(GraphBatch graphs, int n)
    {
        (int first, int end) = (graphs.GraphStart[n], graphs.GraphStart[n + 1]);
        return Of(graphs.Features.narrow(0, first, end - first), [0, end - first], Edges(graphs).Where(e => e.At >= first && e.At < end).Select(e => (e.At - first, e.From - first, e.Relation)));
    }

    private static void Agree(Func<Tensor> kernel, Func<Tensor> formula, params Tensor[] inputs)
    {
        Tensor expected = formula(), outer = randn(expected.shape);
        (Tensor value, Tensor[] gradients) = Pass(kernel, outer, inputs);
        (_, Tensor[] slopes) = Pass(formula, outer, inputs);
        Close(expected, value, 2e-6); // sums in another order
        for (int i = 0; i < inputs.Length; i++) Close(slopes[i], gradients[i], 4e-6);
    }

    private static (Tensor Value, Tensor[] Gradients) Pass(Func<Tensor> forward, Tensor outer, Tensor[] inputs)
    {
        foreach (Tensor input in inputs) input.grad = null;
        Tensor value = forward();
        value.backward([outer]);
        return (value.detach(), [.. inputs.Select(i => i.grad!.clone())]);
    }

    private static void Close(Tensor expected, Tensor actual, double tolerance)
    {
        Assert.Equal(expected.shape, actual.shape);
        double difference = (expected - actual).abs().max().item<float>();
        Assert.True(difference <= tolerance * Math.Max(1, expected.abs().max().item<float>()), $"largest difference {difference}, allowed {tolerance} of the largest value");
    }
}
