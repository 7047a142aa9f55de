using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>
/// A layer whose activations are not kept for the backward pass but computed again there (Chen et al. 2016): a forward pass more
/// of time for the memory of all layers but one.
/// </summary>
internal sealed class Recomputed : autograd.SingleTensorFunction<Recomputed>
{
    private const string Layer = "layer", Seed = "seed", Rounded = "rounded";

    /// <inheritdoc/>
    public override string Name => nameof(Recomputed);

    /// <summary>The layer's output; its parameters get their gradients as ever.</summary>
    /// <param name="layer">Computes the output from the input and the constants; draws random numbers from torch's generator alone.</param>
    /// <param name="x">The input.</param>
    /// <param name="constants">Tensors that the layer reads besides and that need no gradient, or null.</param>
    public static Tensor Of(Func<Tensor, Tensor?[], Tensor> layer, Tensor x, params Tensor?[] constants)
    {
        using DisposeScope scope = NewDisposeScope();
        // libtorch asks for gradients only where an input needs one; the parameters inside are no inputs.
        Tensor asks = empty(0, requires_grad: true);
        return apply([layer, (long)SeededDropout.NextSeed(), asks, x, .. constants]).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Layer, vars[0]);
        ctx.save_data(Seed, vars[1]);
        ctx.save_data(Rounded, BFloat16Products.AreUsed); // on a GPU the backward pass has a thread of its own
        ctx.save_for_backward([.. vars.Skip(3).Select(v => (v as Tensor)!)]);
        return Run((Func<Tensor, Tensor?[], Tensor>)vars[0], (long)vars[1], (Tensor)vars[3], [.. vars.Skip(4).Select(v => v as Tensor)]);
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        using IDisposable? rounded = (bool)ctx.get_data(Rounded) ? BFloat16Products.UseOnThisThread() : null;
        List<Tensor> saved = ctx.get_saved_variables();
        Tensor?[] constants = [.. saved.Skip(1).Select(t => t is null || t.IsInvalid ? null : t)];
        Tensor x = saved[0].detach().requires_grad_(true);
        Run((Func<Tensor, Tensor?[], Tensor>)ctx.get_data(Layer), (long)ctx.get_data(Seed), x, constants).backward([grad_output]);
        grad_output.Dispose();
        return BackwardResults.Return([null, null, null, x.grad, .. constants.Select(_ => (Tensor?)null)])!;
    }

    /// <summary>The same random numbers both times.</summary>
    private static Tensor Run(Func<Tensor, Tensor?[], Tensor> layer, long seed, Tensor x, Tensor?[] constants)
    {
        manual_seed(seed);
        return layer(x, constants);
    }
}
