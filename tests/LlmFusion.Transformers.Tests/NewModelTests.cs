using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>Models that are made, not loaded: weights, scopes, masks, dropout, training.</summary>
public class NewModelTests
{
    private static readonly Gpt2Config gpt2 = new() { VocabSize = 30, Positions = 16, Width = 16, Layers = 2, Heads = 2 };
    private static readonly RobertaConfig roberta = new() { VocabSize = 30, Positions = 16, Width = 16, Layers = 2, Heads = 2, Inner = 32 };
    private static readonly BartConfig bart = new()
    {
        VocabSize = 30,
        Positions = 16,
        Width = 16,
        EncoderLayers = 2,
        EncoderHeads = 2,
        EncoderInner = 32,
        DecoderLayers = 1,
        DecoderHeads = 2,
        DecoderInner = 32,
    };

    private static readonly LlamaConfig llama = new() { VocabSize = 30, Positions = 16, Width = 16, Layers = 2, Heads = 4, KeyValueHeads = 2, Inner = 32, AttentionDropout = 0.1 };

    /// <summary>Each architecture and its forward pass over token ids and a mask.</summary>
    private static (Transformer Model, Func<Tensor, Tensor?, Tensor> Forward) Make(string name)
    {
        Transformer model = name switch
        {
            "gpt2" => new Gpt2(gpt2),
            "roberta" => new Roberta(roberta),
            "bart" => new BartEncoder(bart),
            "llama" => new Llama(llama),
            "granite" => new Granite(new GraniteConfig { Llama = llama, EmbeddingMultiplier = 2, AttentionMultiplier = 0.5, ResidualMultiplier = 0.7 }),
            _ => throw new ArgumentException(name),
        };
        return (model, model.Encode);
    }

    public static readonly TheoryData<string> Names = new("gpt2", "roberta", "bart", "llama", "granite");

    private static Tensor Ids => tensor(new long[] { 5, 6, 7, 8, 9, 10, 11, 1, 1, 12, 1, 1 }).reshape(3, 4);
    private static Tensor Mask => tensor(new long[] { 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0 }).reshape(3, 4);

    [Theory, MemberData(nameof(Names))]
    public void The_seed_decides_the_weights(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(5);
        IReadOnlyDictionary<string, Tensor> one = Checkpoint.StateOf(Make(name).Model);
        manual_seed(5);
        IReadOnlyDictionary<string, Tensor> same = Checkpoint.StateOf(Make(name).Model);
        IReadOnlyDictionary<string, Tensor> other = Checkpoint.StateOf(Make(name).Model);
        Assert.All(one, pair => Assert.True(pair.Value.allclose(same[pair.Key], 0, 0), pair.Key));
        Assert.Contains(one, pair => !pair.Value.allclose(other[pair.Key], 0, 0));
    }

    [Fact]
    public void Weights_begin_as_in_Hugging_Face()
    {
        using DisposeScope scope = NewDisposeScope();
        Gpt2Config config = gpt2 with { Width = 128, Layers = 8 };
        using Gpt2 model = new(config);
        IReadOnlyDictionary<string, Tensor> state = Checkpoint.StateOf(model);
        Assert.Equal(0.02, state["h.0.attn.c_attn.weight"].std().item<float>(), 0.002);
        Assert.Equal(0.02 / 4, state["h.7.attn.c_proj.weight"].std().item<float>(), 0.0005);
        Assert.Equal(0.02 / 4, state["h.7.mlp.c_proj.weight"].std().item<float>(), 0.0005);
        Assert.Equal(0, state["h.7.mlp.c_proj.bias"].abs().max().item<float>());
        Assert.Equal(1, state["ln_f.weight"].min().item<float>());

        using Roberta encoder = new(roberta);
        Assert.Equal(0, Checkpoint.StateOf(encoder)["embeddings.word_embeddings.weight"][1].abs().max().item<float>());
    }

    [Theory, MemberData(nameof(Names))]
    public void Built_inside_a_scope_a_model_outlives_it(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (nn.Module Model, Func<Tensor, Tensor?, Tensor> Forward) made;
        int weights;
        using (NewDisposeScope())
        {
            made = Make(name);
            weights = Checkpoint.StateOf(made.Model).Count;
        }
        Assert.Equal([3, 4, 16], made.Forward(Ids, Mask).shape);
        Assert.Equal(weights, Checkpoint.StateOf(made.Model).Count);
    }

    [Theory, MemberData(nameof(Names))]
    public void Repeated_passes_leave_no_tensors_behind(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (nn.Module model, Func<Tensor, Tensor?, Tensor> forward) = Make(name);
        Tensor ids = Ids, mask = Mask;

        long Live()
        {
            using (DisposeScope step = NewDisposeScope())
            {
                model.zero_grad();
                using Tensor loss = forward(ids, mask).square().mean();
                loss.backward();
            }
            using (Tensor result = forward(ids, null))
                return Tensor.TotalCount;
        }

        long first = Live();
        for (int i = 0; i < 20; i++)
            // Fewer is possible: other tests' models are collected meanwhile.
            Assert.True(Live() <= first, "tensors stay behind");
    }

    [Theory, MemberData(nameof(Names))]
    public void A_row_without_any_token_stays_finite_and_disturbs_nobody(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (nn.Module model, Func<Tensor, Tensor?, Tensor> forward) = Make(name);
        model.eval();
        Tensor mask = Mask;
        mask[2] = 0;
        Tensor hidden = forward(Ids, mask);
        Assert.True(hidden.isfinite().all().item<bool>());
        Assert.True(hidden.narrow(0, 0, 2).allclose(forward(Ids, Mask).narrow(0, 0, 2), 1e-6, 1e-6));

        Tensor pooled = Pooling.MaskedMean(hidden, mask);
        Assert.Equal(0, pooled[2].abs().max().item<float>());
        model.train();
        Pooling.MaskedMean(forward(Ids, mask), mask).square().sum().backward();
        Assert.All(model.parameters().Where(parameter => parameter.grad is not null),
            parameter => Assert.True(parameter.grad!.isfinite().all().item<bool>()));
    }

    [Theory, MemberData(nameof(Names))]
    public void Padding_does_not_leak(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (nn.Module model, Func<Tensor, Tensor?, Tensor> forward) = Make(name);
        model.eval();
        Tensor padded = forward(Ids, Mask);
        Tensor alone = forward(Ids.narrow(0, 1, 1).narrow(1, 0, 3), null);
        Assert.True(padded.narrow(0, 1, 1).narrow(1, 0, 3).allclose(alone, 1e-5, 1e-6));
        Tensor other = Ids;
        other[1, 3] = 20;
        // RoBERTa numbers positions by the padding token, so the mask alone is what is tested here.
        Assert.True(forward(other, Mask).narrow(0, 1, 1).narrow(1, 0, 3).allclose(alone, 1e-5, 1e-6));
    }

    [Theory, MemberData(nameof(Names))]
    public void A_mask_of_booleans_is_a_mask_of_ones_and_zeros(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (nn.Module model, Func<Tensor, Tensor?, Tensor> forward) = Make(name);
        model.eval();
        Assert.True(forward(Ids, Mask).allclose(forward(Ids, Mask.to_type(ScalarType.Bool)), 0, 0));
    }

    [Theory, MemberData(nameof(Names))]
    public void Dropout_works_in_training_only(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (nn.Module model, Func<Tensor, Tensor?, Tensor> forward) = Make(name);
        Assert.False(forward(Ids, null).allclose(forward(Ids, null)));
        model.eval();
        Assert.True(forward(Ids, null).allclose(forward(Ids, null), 0, 0));
    }

    /// <summary>Attention with dropout takes another way than without: where nothing is dropped, both must agree.</summary>
    [Theory]
    [InlineData(4, false)]
    [InlineData(4, true)]
    [InlineData(12, false)]
    [InlineData(12, true)]
    public void Both_ways_of_attention_agree(int length, bool causal)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        Tensor[] inputs = [.. Enumerable.Range(0, 3).Select(_ => randn(2, 3, length, 5).requires_grad_())];
        Tensor mask = ones(2, length);
        mask[1, 3] = 0;
        foreach (Tensor? added in causal ? [null] : new[] { null, Attention.PaddingMask(mask) })
        {
            Tensor[][] results = [.. new[] { 0, 1e-12 }.Select(dropout =>
            {
                Tensor result = Attention.MultiHead(inputs[0], inputs[1], inputs[2], added, causal, dropout);
                return autograd.grad([result.square().sum()], inputs).Append(result).ToArray();
            })];
            Assert.All(results[0].Zip(results[1]), pair => Assert.True(pair.First.allclose(pair.Second, 1e-4, 1e-5)));
        }
    }

    /// <summary>Moving to another device goes the same way; a weight left behind would not multiply with the rest.</summary>
    [Theory, MemberData(nameof(Names))]
    public void Every_weight_moves(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        (nn.Module model, Func<Tensor, Tensor?, Tensor> forward) = Make(name);
        model.eval();
        Tensor single = forward(Ids, null);
        model.to(ScalarType.Float64);
        Assert.True(forward(Ids, null).allclose(single.to_type(ScalarType.Float64), 1e-4, 1e-5));
    }

    [Fact]
    public void Without_a_token_table_there_is_none()
    {
        using DisposeScope scope = NewDisposeScope();
        using Gpt2 model = new(gpt2, tokenEmbedding: false);
        Assert.DoesNotContain("wte.weight", Checkpoint.StateOf(model).Keys);
        Assert.False(model.HasTokenEmbedding);
        Assert.Equal([2, 3, 16], model.Forward(null, randn(2, 3, 16)).shape);
        Assert.Throws<ArgumentException>(() => model.Forward(Ids));
        Assert.Throws<InvalidOperationException>(() => model.Logits(randn(2, 3, 16)));
    }

    [Fact]
    public void Impossible_inputs_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using Gpt2 model = new(gpt2);
        Assert.Throws<ArgumentException>(() => model.Forward(null));
        Assert.Throws<ArgumentException>(() => model.Forward(Ids, randn(3, 4, 16)));
        Assert.Contains("17 tokens", Assert.Throws<ArgumentException>(() => model.Forward(zeros(1, 17, dtype: ScalarType.Int64))).Message);
        Assert.Throws<ArgumentException>(() => new Roberta(roberta).Encode(zeros(1, 15, dtype: ScalarType.Int64)));
        Assert.Throws<ArgumentException>(() => new BartEncoder(bart).Encode(zeros(1, 17, dtype: ScalarType.Int64)));
    }

    [Theory, MemberData(nameof(Names))]
    public void It_learns(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(3);
        (nn.Module model, Func<Tensor, Tensor?, Tensor> forward) = Make(name);
        Tensor ids = Ids, mask = Mask, wanted = randn(3, 16);
        using optim.Optimizer optimizer = optim.AdamW(model.parameters(), lr: 1e-2);
        double Loss(bool step)
        {
            using DisposeScope inner = NewDisposeScope();
            optimizer.zero_grad();
            Tensor loss = (Pooling.MaskedMean(forward(ids, mask), mask) - wanted).square().mean();
            if (step)
            {
                loss.backward();
                optimizer.step();
            }
            return loss.item<float>();
        }

        for (int i = 0; i < 60; i++)
            Loss(step: true);
        model.eval();
        Assert.True(Loss(step: false) < 0.1, $"loss {Loss(step: false)}");
    }
}
