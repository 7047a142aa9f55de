using LlmFusion.Training;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

/// <summary>The one pass over memory beside libtorch's optimiser; the original's own numbers are in the fusion goldens.</summary>
public sealed class AdamWTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public AdamWTests() => manual_seed(3);

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(13)]
    [InlineData(70_001)]
    public void Steps_are_libtorchs_for_any_length_and_layout(int length)
    {
        Parameter[] ours = [new(randn(length)), new(randn(3, length))], theirs = [.. ours.Select(p => new Parameter(p.detach().clone()))];
        using LlmFusion.Training.AdamW optimizer = new([new ParameterGroup([("a", ours[0])], WeightDecay: 0.1, RateFactor: 0.5), new ParameterGroup([("b", ours[1])], WeightDecay: 0)], 0.8, 0.99, 1e-6);
        using optim.Optimizer first = optim.AdamW([theirs[0]], 5e-4, 0.8, 0.99, 1e-6, 0.1), second = optim.AdamW([theirs[1]], 1e-3, 0.8, 0.99, 1e-6, 0);
        for (int step = 0; step < 5; step++)
        {
            for (int i = 0; i < 2; i++)
            {
                Tensor gradient = randn(ours[i].shape);
                // As a transposed weight leaves it: the same numbers in another order in memory.
                ours[i].grad = i == 1 ? (gradient * 4).t().contiguous().t() : gradient * 4;
                theirs[i].grad = gradient;
            }

            optimizer.Step(1e-3, gradientScale: 0.25);
            first.step();
            second.step();
        }

        for (int i = 0; i < 2; i++)
            Assert.InRange((ours[i] - theirs[i]).abs().max().item<float>(), 0, 2e-6);
    }

    [Fact]
    public void A_parameter_without_a_gradient_is_left_alone_and_holds_no_state()
    {
        Parameter used = new(ones(4)), unused = new(ones(4));
        using LlmFusion.Training.AdamW optimizer = new([new ParameterGroup([("used", used), ("unused", unused)])]);
        used.grad = ones(4);
        Assert.Equal(2, optimizer.GradientNorm(), 1e-12);
        optimizer.Step(0.1);
        Assert.Equal(1, unused.min().item<float>());
        Assert.All(optimizer.State().Keys, key => Assert.StartsWith("used.", key));
    }
}
