using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Fusion;

public class SharedRowsTests
{
    private const int Width = 16, Modalities = 4;

    [Fact]
    public void Rows_are_as_few_as_the_tokens_need()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor present = Present([1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]);
        SharedRows rows = SharedRows.Of(present)!;
        Assert.Equal([2, 4, 4], rows.Seen.shape);                                        // 3 + 1 and 2 + 1 + 1 tokens
        Assert.Equal(9 + 1 + 4 + 1 + 1, rows.Seen.sum().item<float>());
        Tensor there = present.to_type(ScalarType.Bool);
        Tensor own = arange(20).view(5, 4);
        Assert.Equal(own.masked_select(there).data<long>().ToArray(), rows.GiveBack(rows.Gather(own)).masked_select(there).data<long>().ToArray());
    }

    [Fact]
    public void Rows_stay_apart_where_little_would_be_gained()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor present = Present([1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]);
        Assert.Null(SharedRows.Of(present));
    }

    /// <summary>Prediction and gradients are those of each molecule by itself, with each architecture's attention and positions.</summary>
    [Theory]
    [InlineData("gpt2", PositionMode.ModalityAndLlm)]
    [InlineData("gpt2", PositionMode.Modality)]
    [InlineData("llama", PositionMode.ModalityAndLlm)]
    [InlineData("granite", PositionMode.Llm)]
    [InlineData("mean_mlp", PositionMode.Modality)]
    public void Molecules_that_share_a_row_do_not_see_each_other(string architecture, PositionMode positions)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(5);
        Modality[] modalities = [.. "abcd".Select(c => Modality.Named($"{c}", ModalityKind.Vectors))];
        LlamaConfig llama = new() { Width = Width, Heads = 2, KeyValueHeads = 2, Layers = 2, Inner = 32, Positions = 8 };
        LanguageModel llm = architecture switch
        {
            "gpt2" => new Gpt2(new Gpt2Config { Width = Width, Heads = 2, Layers = 2, Positions = 8, EmbeddingDropout = 0, AttentionDropout = 0, ResidualDropout = 0 }, tokenEmbedding: false),
            "llama" => new Llama(llama, tokenEmbedding: false),
            "granite" => new Granite(new GraniteConfig { Llama = llama }, tokenEmbedding: false),
            _ => new MeanMlp(new MeanMlpConfig { Width = Width, Layers = 2, Inner = 32, Dropout = 0 }),
        };
        FusionConfig config = new() { Modalities = modalities, Widths = modalities.ToDictionary(m => m, _ => 8), Targets = 2, Positions = positions };
        using FusionModel model = new(config, llm);
        Tensor present = Present([1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]);
        Assert.NotNull(SharedRows.Of(present));
        Dictionary<Modality, Tensor> embeddings = modalities.ToDictionary(m => m, _ => randn(5, 8));

        Tensor together = model.Forward(embeddings, present).Prediction;                 // (5, 2)
        float[][] gradients = Gradients(model, together);
        Tensor apart = cat([.. Enumerable.Range(0, 5).Select(n => model.Forward(embeddings.ToDictionary(e => e.Key, e => e.Value[n..(n + 1)]), present[n..(n + 1)]).Prediction)]);
        Assert.True((together - apart).abs().max().item<float>() < 1e-5);                // float32 sums in another order
        foreach ((float[] expected, float[] got) in Gradients(model, apart).Zip(gradients))
            Assert.All(expected.Zip(got), pair => Assert.Equal(pair.First, pair.Second, 1e-4f));
    }

    private static float[][] Gradients(FusionModel model, Tensor prediction)
    {
        model.zero_grad();
        (prediction * prediction).sum().backward();
        return [.. model.parameters().Where(p => p.grad is not null).Select(p => p.grad!.data<float>().ToArray())];
    }

    private static Tensor Present(params long[][] rows) => tensor([.. rows.SelectMany(row => row)]).view(rows.Length, Modalities);
}
