using LlmFusion.Transformers.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>The loops over memory beside the operations of libtorch that they stand for, forward and backward.</summary>
public sealed class KernelsTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public KernelsTests() => manual_seed(7);

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(77)]
    [InlineData(40_003)]
    public void Tanh_gelu_is_libtorchs(int count)
    {
        Tensor x = (randn(count) * 4).requires_grad_(true), outer = randn(count);
        (Tensor value, Tensor[] gradients) = Pass(() => TanhGelu.Of(x), outer, x);
        (Tensor expected, Tensor[] slopes) = Pass(() => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh), outer, x);
        Close(expected, value, 2e-6);
        Close(slopes[0], gradients[0], 4e-6);
    }

    [Fact]
    public void Tanh_gelu_has_its_limits_at_numbers_of_any_size()
    {
        Tensor x = tensor(new[] { -1e10f, -100, 0, 100, 1e10f }).requires_grad_(true);
        Tensor y = TanhGelu.Of(x);
        Assert.Equal([0f, 0f, 0f, 100f, 1e10f], y.data<float>().ToArray());
        y.sum().backward();
        Assert.Equal([0f, 0f, 0.5f, 1f, 1f], x.grad!.data<float>().ToArray());
    }

    [Theory]
    [InlineData(4, 4, 64, true, false)]
    [InlineData(4, 4, 64, false, true)]
    [InlineData(1, 7, 5, false, false)]
    [InlineData(16, 16, 20, true, true)]
    public void Short_attention_is_the_formula(int length, int keys, int width, bool causal, bool masked)
    {
        // As GPT-2 has them: views of one tensor, heads and positions exchanged.
        Tensor query = randn(3, length, 2, width).requires_grad_(true), both = randn([3, keys, 2, 2, width]).requires_grad_(true), outer = randn(3, length, 2 * width);
        Tensor? mask = masked ? tensor(new[] { 1f, 1f, 0f }).view(3, 1, 1, 1).mul(-1e9f) * (arange(keys) > keys / 2).to_type(ScalarType.Float32) : null;
        if (causal && masked) mask = mask! + full(new long[] { length, keys }, -1e9f).triu(1);
        Tensor q() => query.transpose(1, 2);
        Tensor k() => both.select(2, 0).transpose(1, 2);
        Tensor v() => both.select(2, 1).transpose(1, 2);

        Tensor Formula()
        {
            Tensor scores = matmul(q(), k().transpose(2, 3)) / Math.Sqrt(width);
            if (mask is not null) scores = scores + mask;
            else if (causal) scores = scores + full(new long[] { length, keys }, -1e9f).triu(1);
            return matmul(scores.softmax(-1), v()).transpose(1, 2).flatten(2);
        }

        Assert.True(ShortAttention.Takes(q(), k(), v(), mask));
        (Tensor value, Tensor[] gradients) = Pass(() => ShortAttention.Of(q(), k(), v(), mask, causal && !masked, 0), outer, query, both);
        (Tensor expected, Tensor[] slopes) = Pass(Formula, outer, query, both);
        Close(expected, value, 2e-6);
        Close(slopes[0], gradients[0], 4e-6);
        Close(slopes[1], gradients[1], 4e-6);
    }

    [Fact]
    public void The_gradients_of_short_attention_with_dropout_are_its_slopes()
    {
        Tensor x = randn([3, 2, 2, 4, 8]).requires_grad_(true), outer = randn(2, 4, 16);
        Tensor Of(Tensor all)
        {
            manual_seed(11);
            return (ShortAttention.Of(all[0], all[1], all[2], null, causal: true, dropout: 0.4) * outer).sum();
        }

        SlopesAgree(Of, x);
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    public void Dropout_drops_its_share_and_its_gradient_has_the_same_mask(double p)
    {
        const int count = 200_001;
        Tensor x = ones(count).requires_grad_(true);
        (Tensor y, Tensor[] gradients) = Pass(() => SeededDropout.Of(x, p), ones(count), x);
        Close(y, gradients[0], 0);
        Tensor kept = y.detach().gt(0).to_type(ScalarType.Float32);
        Close(kept / (1 - p), y.detach(), 1e-6);
        // Five standard deviations of the mean of independent draws.
        double bound = 5 * Math.Sqrt(p * (1 - p) / count);
        Assert.InRange(kept.mean().item<float>(), 1 - p - bound, 1 - p + bound);
        foreach (int lag in new[] { 1, 8, 768 })
        {
            double together = (kept.narrow(0, 0, count - lag) * kept.narrow(0, lag, count - lag)).mean().item<float>();
            Assert.InRange(together, ((1 - p) * (1 - p)) - bound, ((1 - p) * (1 - p)) + bound);
        }

        Tensor next = SeededDropout.Of(x, p).detach().gt(0).to_type(ScalarType.Float32);
        Assert.InRange((kept * next).mean().item<float>(), ((1 - p) * (1 - p)) - bound, ((1 - p) * (1 - p)) + bound);
    }

    [Fact]
    public void Dropout_is_a_function_of_torchs_seed_on_any_number_of_cores()
    {
        Tensor x = randn(100_003);
        Tensor Drop(int threads)
        {
            int before = get_num_threads();
            set_num_threads(threads);
            manual_seed(5);
            Tensor y = SeededDropout.Of(x, 0.3);
            set_num_threads(before);
            return y;
        }

        Close(Drop(1), Drop(3), 0);
        manual_seed(6);
        Assert.True((SeededDropout.Of(x, 0.3) - Drop(1)).abs().max().item<float>() > 0);
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("granite")]
    public void Recomputed_layers_give_the_same_numbers_and_gradients(string architecture)
    {
        using LanguageModel model = NewModel(architecture, dropout: 0);
        Tensor x = randn(3, 4, 16).requires_grad_(true), outer = randn(3, 4, 16), mask = tensor(new long[] { 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0 }).view(3, 4);
        Tensor[] inputs = [x, .. model.parameters().Where(p => p.requires_grad)];
        (Tensor expected, Tensor[] slopes) = Pass(() => model.Forward(null, x, mask), outer, inputs);
        model.CheckpointActivations = true;
        (Tensor value, Tensor[] gradients) = Pass(() => model.Forward(null, x, mask), outer, inputs);
        Close(expected, value, 0);
        for (int i = 0; i < inputs.Length; i++) Close(slopes[i], gradients[i], 1e-6);

        // Parameters are trained even where the input needs no gradient.
        Tensor given = x.detach();
        (_, gradients) = Pass(() => model.Forward(null, given, mask), outer, inputs[1..]);
        for (int i = 1; i < inputs.Length; i++) Close(slopes[i], gradients[i - 1], 1e-6);
    }

    [Fact]
    public void Recomputed_layers_drop_the_same_elements_again()
    {
        using LanguageModel model = NewModel("gpt2", dropout: 0.3);
        model.train();
        model.CheckpointActivations = true;
        Tensor outer = randn(2, 4, 16);
        SlopesAgree(x =>
        {
            manual_seed(3);
            return (model.Forward(null, x) * outer).sum();
        }, randn(2, 4, 16).requires_grad_(true));
    }

    [Fact]
    public void Passes_leave_no_tensors_behind()
    {
        using LanguageModel model = NewModel("gpt2", dropout: 0.1);
        model.train();
        model.CheckpointActivations = true;
        Tensor x = randn(3, 4, 16);
        long Live()
        {
            using (NewDisposeScope()) model.Forward(null, x).sum().backward();
            model.zero_grad(set_to_none: true);
            return LiveTensors.Count();
        }

        // What the last backward pass returned stays until the next.
        long first = Live();
        for (int i = 0; i < 3; i++) Assert.Equal(first, Live());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100_007)]
    public void The_squared_norm_is_the_sum_of_squares(int count)
    {
        Tensor x = randn(count);
        double expected = x.to_type(ScalarType.Float64).square().sum().item<double>();
        Assert.Equal(expected, SquaredNorm.Of(x), expected * 1e-6);
        Assert.Equal(expected, SquaredNorm.Of(x.view(-1, 1).expand(count, 2)) / 2, expected * 1e-6);
    }

    private static LanguageModel NewModel(string architecture, double dropout) => architecture switch
    {
        "gpt2" => new Gpt2(new Gpt2Config { Width = 16, Layers = 2, Heads = 2, VocabSize = 11, Positions = 8, ResidualDropout = dropout, EmbeddingDropout = dropout, AttentionDropout = dropout }, tokenEmbedding: false),
        "llama" => new Llama(new LlamaConfig { Width = 16, Layers = 2, Heads = 2, KeyValueHeads = 1, Inner = 24, VocabSize = 11, Positions = 8 }, tokenEmbedding: false),
        _ => new Granite(new GraniteConfig { Llama = new LlamaConfig { Width = 16, Layers = 2, Heads = 2, KeyValueHeads = 1, Inner = 24, VocabSize = 11, Positions = 8 } }, tokenEmbedding: false),
    };

    private static (Tensor Value, Tensor[] Gradients) Pass(Func<Tensor> forward, Tensor outer, params Tensor[] inputs)
    {
        foreach (Tensor input in inputs) input.grad = null;
        Tensor value = forward();
        value.backward([outer]);
        return (value.detach(), [.. inputs.Select(i => i.grad?.clone() ?? zeros_like(i))]);
    }

    /// <summary>Central differences along random directions; float32 allows about three digits.</summary>
    private static void SlopesAgree(Func<Tensor, Tensor> of, Tensor x)
    {
        of(x).backward();
        Tensor gradient = x.grad!.clone();
        for (int i = 0; i < 5; i++)
        {
            using IDisposable noGrad = no_grad();
            Tensor direction = randn(x.shape);
            const double step = 1e-2;
            double slope = (of(x + direction * step).item<float>() - (double)of(x - direction * step).item<float>()) / (2 * step);
            double expected = (gradient * direction).sum().item<float>();
            Assert.Equal(expected, slope, 5e-3 * Math.Max(1, gradient.norm().item<float>()));
        }
    }

    private static void Close(Tensor expected, Tensor actual, double tolerance)
    {
        Assert.Equal(expected.shape, actual.shape);
        double difference = (expected - actual).abs().max().item<float>();
        Assert.True(difference <= tolerance * Math.Max(1, expected.abs().max().item<float>()), $"largest difference {difference}, allowed {tolerance} of the largest value");
    }
}
