using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>Gradients of a block can be taken away as soon as the backward pass has left it.</summary>
public class BackwardProgressTests
{
    private static LanguageModel Make(string name)
    {
        manual_seed(3);
        LlamaConfig llama = new() { VocabSize = 30, Positions = 16, Width = 16, Layers = 3, Heads = 4, KeyValueHeads = 2, Inner = 32 };
        return name switch
        {
            "gpt2" => new Gpt2(new Gpt2Config { VocabSize = 30, Positions = 16, Width = 16, Layers = 3, Heads = 2, ResidualDropout = 0, EmbeddingDropout = 0, AttentionDropout = 0 }, tokenEmbedding: false),
            "llama" => new Llama(llama, tokenEmbedding: false),
            _ => new Granite(new GraniteConfig { Llama = llama, EmbeddingMultiplier = 2, AttentionMultiplier = 0.5, ResidualMultiplier = 0.7 }, tokenEmbedding: false),
        };
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    [InlineData("granite")]
    public void Blocks_are_left_from_the_last_to_the_first_with_their_gradients_complete(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        LanguageModel model = Make(name);
        List<nn.Module> order = [];
        Dictionary<string, Tensor> then = [];
        using (BackwardProgress.Observe(block =>
        {
            order.Add(block);
            foreach ((string parameter, TorchSharp.Modules.Parameter value) in block.named_parameters())
                then[$"{order.Count} {parameter}"] = value.grad!.clone().MoveToOuterDisposeScope();
        }))
            Backward(model);
        Assert.Equal(model.Blocks.Reverse(), order);
        foreach ((string key, Tensor value) in then)
        {
            string[] parts = key.Split(' ');
            Tensor end = order[int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture) - 1].get_parameter(parts[1])!.grad!;
            Assert.True(value.equal(end).all().item<bool>(), key);
            Assert.True(end.abs().max().item<float>() > 0, key);
        }
    }

    [Fact]
    public void Nothing_changes_and_nothing_stays_alive_where_it_is_watched()
    {
        using LanguageModel model = Make("gpt2");
        float[] Gradient()
        {
            using DisposeScope scope = NewDisposeScope();
            Backward(model);
            float[] gradient = [.. cat([.. model.parameters().Select(p => p.grad!.view(-1))]).data<float>()];
            model.zero_grad(set_to_none: true);
            return gradient;
        }

        float[] unwatched = Gradient();
        int calls = 0;
        using IDisposable watched = BackwardProgress.Observe(_ => calls++);
        Assert.Equal(unwatched, Gradient());
        long before = LiveTensors.Count();
        for (int i = 0; i < 5; i++) Assert.Equal(unwatched, Gradient());
        Assert.Equal(before, LiveTensors.Count());
        Assert.Equal(18, calls);
        using (no_grad())
        {
            using DisposeScope scope = NewDisposeScope();
            model.Forward(null, ones(2, 4, 16));
        }

        Assert.Equal(18, calls);
    }

    private static void Backward(LanguageModel model)
    {
        manual_seed(5);
        model.Forward(null, randn(2, 4, 16, requires_grad: true)).square().sum().backward();
    }
}
