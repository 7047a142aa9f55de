using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public sealed class MeanMlpTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void Every_token_has_the_state_of_the_mean_of_those_that_are_there()
    {
        manual_seed(1);
        using MeanMlp model = new(new MeanMlpConfig { Width = 8, Layers = 2, Inner = 12, Dropout = 0 });
        Tensor x = randn(3, 4, 8), mask = tensor(new long[] { 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0 }).view(3, 4);
        Tensor hidden = model.Forward(null, x, mask);
        Assert.Equal([3, 4, 8], hidden.shape);
        Assert.True(hidden[1, 0].allclose(hidden[1, 3], 0, 0));
        Tensor mean = (x[1, 0] + x[1, 3]).view(1, 1, 8) / 2;
        Assert.True(model.Forward(null, mean)[0, 0].allclose(hidden[1, 2], 1e-5, 1e-6));
        Assert.True(model.Forward(null, x[2, 2].view(1, 1, 8))[0, 0].allclose(hidden[2, 0], 1e-5, 1e-6));
    }

    [Fact]
    public void It_has_the_weights_of_a_gpt2_of_its_size()
    {
        using MeanMlp model = new(new MeanMlpConfig { Width = 32, Layers = 3, Inner = 6 * 32 });
        using Gpt2 gpt2 = new(new Gpt2Config { Width = 32, Layers = 3, Heads = 2, Positions = 4, VocabSize = 1 }, tokenEmbedding: false);
        long own = model.parameters().Sum(p => p.numel()), other = gpt2.parameters().Sum(p => p.numel());
        Assert.InRange((double)own / other, 0.97, 1); // position table, and a few biases and norms
    }

    [Fact]
    public void A_concatenation_knows_tokens_by_their_places_and_those_missing_as_zeros()
    {
        manual_seed(1);
        using MeanMlp model = new(new MeanMlpConfig { Width = 8, Layers = 2, Inner = 12, Dropout = 0, Concatenated = 3 });
        Tensor x = randn(2, 3, 8), mask = tensor(new long[] { 1, 0, 1, 1, 0, 1 }).view(2, 3);
        Tensor hidden = model.Forward(null, x, mask);
        Assert.Equal([2, 3, 8], hidden.shape);
        Assert.True(hidden[0, 0].allclose(hidden[0, 2], 0, 0));
        // The same without the token that nobody has.
        Tensor some = x.index_select(1, tensor(new long[] { 0, 2 })), places = tensor(new long[] { 0, 2 }).unsqueeze(0).expand(2, 2);
        Assert.True(model.Forward(null, some, null, places)[0, 0].allclose(hidden[0, 0], 1e-5, 1e-6));
        Assert.False(model.Forward(null, x.flip(1), mask)[0, 0].allclose(hidden[0, 0], 1e-3, 1e-3));
        Assert.Throws<ArgumentException>(() => model.Forward(null, some));
        System.Text.Json.JsonElement json = System.Text.Json.JsonSerializer.SerializeToElement(model.ConfigJson());
        Assert.Equal(model.Config, Assert.IsType<MeanMlp>(Architectures.NewLanguageModel(json)).Config);
        Assert.Equal(model.parameters().Where(p => p.dim() == 2).Sum(p => p.numel()), Architectures.ShapeOf(json).Weights);
    }

    [Fact]
    public void Its_config_is_read_back_and_it_is_no_encoder()
    {
        using MeanMlp model = new(new MeanMlpConfig { Width = 8, Layers = 2, Inner = 12 });
        System.Text.Json.JsonElement json = System.Text.Json.JsonSerializer.SerializeToElement(model.ConfigJson());
        Assert.Equal(model.Config, Assert.IsType<MeanMlp>(Architectures.NewLanguageModel(json)).Config);
        Assert.Contains("reads no tokens", Assert.Throws<CheckpointException>(() => Architectures.New(json)).Message);
        Assert.Equal(model.parameters().Where(p => p.dim() == 2).Sum(p => p.numel()), Architectures.ShapeOf(json).Weights);
    }
}
