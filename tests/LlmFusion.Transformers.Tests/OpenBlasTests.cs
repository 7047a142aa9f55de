using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>OpenBLAS in the place of libtorch's matrix products: the same numbers but for rounding, and never where a gradient is wanted.</summary>
public class OpenBlasTests
{
    [Fact]
    public void It_is_installed_by_the_set_up()
    {
        Assert.True(OpenBlas.IsAvailable, "libopenblas.so.0 does not load; build/setup.sh installs it");
        Assert.Matches("^[0-9]+[.][0-9]+", OpenBlas.Version);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_product_equals_libtorchs(bool transposed, bool withBias)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable inference = inference_mode();
        manual_seed(2);
        // A view that is not contiguous, and sizes that no block divides.
        Tensor input = randn(7, 131, 33).transpose(0, 1), weight = transposed ? randn(77, 33) : randn(33, 77);
        Tensor? bias = withBias ? randn(77) : null;
        Assert.Null(OpenBlas.Linear(input, weight, bias, transposed));
        using IDisposable used = OpenBlas.UseOnThisThread();
        Tensor product = OpenBlas.Linear(input, weight, bias, transposed)!;
        Tensor expected = nn.functional.linear(input, transposed ? weight : weight.t(), bias!);
        Assert.Equal(expected.shape, product.shape);
        Assert.True(product.allclose(expected, 1e-5, 1e-5), $"deviates by {(product - expected).abs().max().item<float>()}");
    }

    [Fact]
    public void Gradients_small_products_and_other_types_are_libtorchs()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable used = OpenBlas.UseOnThisThread();
        Tensor input = randn(300, 64), weight = randn(64, 64);
        Assert.Null(OpenBlas.Linear(input, weight, null, transposed: true));
        using IDisposable inference = inference_mode();
        Assert.NotNull(OpenBlas.Linear(input, weight, null, transposed: true));
        Assert.Null(OpenBlas.Linear(input.narrow(0, 0, 3), weight, null, transposed: true));
        Assert.Null(OpenBlas.Linear(input.to_type(ScalarType.Float64), weight.to_type(ScalarType.Float64), null, transposed: true));
    }

    [Fact]
    public void A_scope_ends_and_holds_for_its_thread_alone()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable inference = inference_mode();
        Tensor input = randn(300, 64), weight = randn(64, 64);
        using (OpenBlas.UseOnThisThread())
        {
            bool elsewhere = true;
            Thread other = new(() =>
            {
                using IDisposable there = inference_mode();
                elsewhere = OpenBlas.Linear(input, weight, null, transposed: true) is not null;
            });
            other.Start();
            other.Join();
            Assert.False(elsewhere);
            Assert.NotNull(OpenBlas.Linear(input, weight, null, transposed: true));
        }

        Assert.Null(OpenBlas.Linear(input, weight, null, transposed: true));
    }

    [Fact]
    public void An_encoder_gives_the_same_vectors()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(4);
        using Roberta model = new(new RobertaConfig { VocabSize = 50, Layers = 2, Width = 128, Heads = 4, Inner = 512, Positions = 66 });
        using Gpt2 decoder = new(new Gpt2Config { VocabSize = 50, Layers = 2, Width = 128, Heads = 4, Positions = 64 });
        model.eval();
        decoder.eval();
        using IDisposable inference = inference_mode();
        Tensor ids = randint(5, 50, [8, 40]);
        (Tensor whole, Tensor first, Tensor decoded) = (model.Encode(ids), model.EncodeClassToken(ids), decoder.Encode(ids));
        using IDisposable used = OpenBlas.UseOnThisThread();
        Assert.True(model.Encode(ids).allclose(whole, 1e-5, 1e-5));
        Assert.True(model.EncodeClassToken(ids).allclose(first, 1e-5, 1e-5));
        Assert.True(decoder.Encode(ids).allclose(decoded, 1e-5, 1e-5));
        Assert.False(model.Encode(ids).allclose(whole, 0, 0), "OpenBLAS was not used");
    }
}
