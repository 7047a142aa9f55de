using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// LoRA (Hu et al. 2021): a correction of rank r beside a layer that stays as it is, y + alpha / r B (A dropout(x)).
/// A (r, in) begins random and B (out, r) at zero, so that nothing changes at first.
/// </summary>
internal sealed class LowRankAdapter
{
    private readonly double dropout;

    public LowRankAdapter(long inputs, long outputs, LowRankConfig config)
    {
        dropout = config.Dropout;
        Factor = config.Alpha / config.Rank;
        Down = new Linear(inputs, config.Rank, bias: false);
        Up = new Linear(config.Rank, outputs, bias: false);
        // Kaiming's uniform distribution with a = sqrt(5), PEFT's choice: bound 1 / sqrt(in).
        using IDisposable noGrad = no_grad();
        Down.weight.uniform_(-1 / Math.Sqrt(inputs), 1 / Math.Sqrt(inputs));
        Up.weight.zero_();
    }

    /// <summary>A.</summary>
    public Linear Down { get; }

    /// <summary>B.</summary>
    public Linear Up { get; }

    /// <summary>alpha / r.</summary>
    public double Factor { get; }

    /// <summary>What is added to the layer's result: (.., in) to (.., out).</summary>
    public Tensor Of(Tensor input) => Up.forward(Down.forward(Dropout.Of(input, dropout, Down.training))) * Factor;
}

/// <summary>A linear layer that an adapter can stand beside.</summary>
internal abstract class AdaptableLayer : nn.Module<Tensor, Tensor>
{
    private protected AdaptableLayer(string name) : base(name)
    {
    }

    /// <summary>The adapter; null where the layer has none.</summary>
    public LowRankAdapter? Adapter { get; private set; }

    /// <summary>The weight, (out, in) or as <see cref="InputsFirst"/> says.</summary>
    public abstract Parameter Weight { get; }

    /// <summary>Whether the weight is (in, out).</summary>
    public abstract bool InputsFirst { get; }

    public long Inputs => Weight.shape[InputsFirst ? 0 : 1];

    public long Outputs => Weight.shape[InputsFirst ? 1 : 0];

    public void Add(LowRankAdapter adapter)
    {
        Adapter = adapter;
        register_module(LowRankAdapters.DownName, adapter.Down);
        register_module(LowRankAdapters.UpName, adapter.Up);
    }

    /// <summary>Takes the adapter into the weight: W + alpha / r B A, with the same results up to rounding.</summary>
    public void Merge()
    {
        if (Adapter is not { } adapter)
            return;
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor correction = matmul(adapter.Up.weight, adapter.Down.weight) * adapter.Factor; // (out, in)
        Weight.add_(InputsFirst ? correction.t() : correction);
        Adapter = null;
    }

    /// <summary>The layer's result with the adapter's added: (.., out).</summary>
    private protected Tensor Adapted(Tensor input, Tensor result) => Adapter is null ? result : result + Adapter.Of(input);
}
