using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// Tells how far the backward pass has come, so that gradients can be sent away while it goes on: when it has left a block, the
/// gradients of that block's parameters are complete, and those of all blocks after it. (Autograd works through what is ready
/// from the latest operation to the earliest, and adds to a parameter's gradient at once.)
/// </summary>
public static class BackwardProgress
{
    [ThreadStatic]
    private static Action<nn.Module>? observer;

    /// <summary>
    /// Until it is disposed, forward passes on this thread are marked: their backward passes call <paramref name="left"/> with
    /// each block that they have left, on the thread that computes them. It must not throw.
    /// </summary>
    public static IDisposable Observe(Action<nn.Module> left) => new Scope(left);

    /// <summary>The input of a block: the backward pass reaches it when it has left the block.</summary>
    internal static Tensor Before(nn.Module block, Tensor x) =>
        observer is { } told && x.requires_grad && is_grad_enabled() ? Mark.apply(x, block, told) : x;

    private sealed class Scope : IDisposable
    {
        private readonly Action<nn.Module>? before = observer;

        public Scope(Action<nn.Module> left) => observer = left;

        public void Dispose() => observer = before;
    }

    /// <summary>The identity, whose backward pass is a call.</summary>
    private sealed class Mark : autograd.SingleTensorFunction<Mark>
    {
        public override string Name => nameof(Mark);

        public override Tensor forward(autograd.AutogradContext context, params object[] inputs)
        {
            context.save_data("block", inputs[1]);
            context.save_data("observer", inputs[2]);
            return ((Tensor)inputs[0]).alias();
        }

        public override List<Tensor> backward(autograd.AutogradContext context, Tensor gradient)
        {
            ((Action<nn.Module>)context.get_data("observer"))((nn.Module)context.get_data("block"));
            return [gradient, null!, null!]; // one for each input
        }
    }
}
