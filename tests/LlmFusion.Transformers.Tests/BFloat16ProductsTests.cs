using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>Products in bfloat16, on the CPU: in its units for that, or in float32.</summary>
public class BFloat16ProductsTests
{
    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama")]
    public void Results_and_gradients_are_float32_and_near_those_of_float32(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(3);
        LanguageModel model = name == "gpt2"
            ? new Gpt2(new Gpt2Config { VocabSize = 30, Positions = 16, Width = 32, Layers = 2, Heads = 2 }, tokenEmbedding: false)
            : new Llama(new LlamaConfig { VocabSize = 30, Positions = 16, Width = 32, Layers = 2, Heads = 4, KeyValueHeads = 2, Inner = 64 }, tokenEmbedding: false);
        model.eval();
        Tensor input = randn(3, 5, 32), direction = randn(3, 5, 32);
        Compute(); // MKL's threads begin with a process's first products, which it may sum in another order than all later ones
        (Tensor expected, Tensor expectedGradient) = Compute();
        Tensor rounded, roundedGradient;
        using (BFloat16Products.UseOnThisThread()) (rounded, roundedGradient) = Compute();
        Assert.Equal(ScalarType.Float32, rounded.dtype);
        Assert.Equal(ScalarType.Float32, roundedGradient.dtype);
        Assert.InRange(Distance(rounded, expected), 1e-5, 2e-2);
        Assert.InRange(Distance(roundedGradient, expectedGradient), 1e-5, 5e-2);
        // Nothing of it is left.
        Assert.Equal(0, Distance(Compute().Output, expected));

        (Tensor Output, Tensor Gradient) Compute()
        {
            Tensor output = model.Forward(null, input);
            (output * direction).sum().backward();
            Tensor gradient = cat([.. model.Blocks[0].parameters().Select(p => p.grad!.view(-1))]).clone();
            model.zero_grad(set_to_none: true);
            return (output.detach(), gradient);
        }
    }

    [Fact]
    public void A_graph_network_multiplies_in_bfloat16_too()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(3);
        GraphNetwork network = new(new GraphNetworkConfig { Features = 5, Relations = 2, Width = 32, Layers = 2 });
        GraphBatch graphs = new(randn(5, 5), [0, 2, 5], [0, 1, 2, 3, 5, 6], [1, 0, 3, 2, 4, 3], [0, 0, 1, 1, 0, 0]);
        Compute(); // MKL's threads begin with a process's first products, which it may sum in another order than all later ones
        (Tensor expected, Tensor expectedGradient) = Compute();
        Tensor rounded, roundedGradient;
        using (BFloat16Products.UseOnThisThread()) (rounded, roundedGradient) = Compute();
        Assert.Equal(ScalarType.Float32, rounded.dtype);
        Assert.InRange(Distance(rounded, expected), 1e-5, 2e-2);
        Assert.InRange(Distance(roundedGradient, expectedGradient), 1e-5, 5e-2);
        Assert.Equal(0, Distance(Compute().Output, expected));

        (Tensor Output, Tensor Gradient) Compute()
        {
            Tensor output = network.Forward(graphs);
            output.square().sum().backward();
            Tensor gradient = cat([.. network.parameters().Where(p => p.grad is not null).Select(p => p.grad!.view(-1))]).clone();
            network.zero_grad(set_to_none: true);
            return (output.detach(), gradient);
        }
    }

    /// <summary>On a processor without units for bfloat16 this is float32 with rounded numbers against libtorch's own products in bfloat16, which are slow there.</summary>
    [Fact]
    public void Results_and_gradients_are_those_of_libtorch_in_bfloat16()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(4);
        Tensor input = randn(7, 64).requires_grad_(), weight = randn(48, 64).requires_grad_(), bias = randn(48).requires_grad_(), slope = randn(7, 48);
        (Tensor Output, Tensor[] Gradients) own, libtorch;
        using (BFloat16Products.UseOnThisThread()) own = Compute(BFloat16Products.Linear(input, weight, bias, transposed: true)!);
        libtorch = Compute(nn.functional.linear(input.bfloat16(), weight.bfloat16(), bias.bfloat16()).to(ScalarType.Float32));
        foreach ((Tensor expected, Tensor got) in libtorch.Gradients.Append(libtorch.Output).Zip(own.Gradients.Append(own.Output)))
        {
            Assert.Equal(0, Distance(got.bfloat16().to(ScalarType.Float32), got));
            // Sums in another order may be rounded to the number beside: a few are, by 2^-8 at most.
            Assert.InRange(Distance(got, expected), 0, 1e-3);
        }

        (Tensor, Tensor[]) Compute(Tensor output)
        {
            Tensor[] gradients = autograd.grad([output], [input, weight, bias], [slope]).ToArray();
            return (output.detach(), gradients);
        }
    }

    /// <summary>|a - b| / |b|</summary>
    private static double Distance(Tensor a, Tensor b) => ((a - b).norm() / b.norm()).item<float>();
}
