using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// y = x W^T + b, W (out, in). Unlike TorchSharp's layer it draws no random numbers until told to: a checkpoint
/// overwrites them anyway.
/// </summary>
internal sealed class Linear : AdaptableLayer
{
    public readonly Parameter weight;
    public readonly Parameter? bias;

    public Linear(long inputs, long outputs, bool bias = true) : base(nameof(Linear))
    {
        weight = Initialization.Empty(outputs, inputs);
        this.bias = bias ? Initialization.Zeros(outputs) : null;
        RegisterComponents();
    }

    public override Parameter Weight => weight;

    public override bool InputsFirst => false;

    public override Tensor forward(Tensor input) =>
        Adapted(input, OpenBlas.Linear(input, weight, bias, transposed: true) ?? BFloat16Products.Linear(input, weight, bias, transposed: true) ?? nn.functional.linear(input, weight, bias));
}

/// <summary>How Hugging Face fills new weights; all from torch's generator, so <c>manual_seed</c> decides.</summary>
internal static class Initialization
{
    /// <summary>
    /// A parameter whose numbers are still to be filled in. It is its module's: a scope that is open while the model
    /// is built does not dispose it.
    /// </summary>
    public static Parameter Empty(params long[] shape) => (Parameter)new Parameter(empty(shape)).DetachFromDisposeScope();

    /// <summary>A parameter of zeros; as <see cref="Empty"/>.</summary>
    public static Parameter Zeros(params long[] shape) => (Parameter)new Parameter(zeros(shape)).DetachFromDisposeScope();

    /// <summary>A parameter of ones; as <see cref="Empty"/>.</summary>
    public static Parameter Ones(params long[] shape) => (Parameter)new Parameter(ones(shape)).DetachFromDisposeScope();

    /// <summary>Fills a parameter from N(0, std^2).</summary>
    public static void Normal(Tensor weight, double std)
    {
        using IDisposable noGrad = no_grad();
        weight.normal_(0, std);
    }

    /// <summary>Fills a table from N(0, std^2); the padding token's row is zero.</summary>
    public static void Normal(Embedding table, double std, long padding)
    {
        Normal(table.weight!, std);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        table.weight!.narrow(0, padding, 1).zero_();
    }

    /// <summary>A table of vectors, (rows, width), whose numbers are still to be filled in.</summary>
    public static Embedding EmptyEmbedding(long rows, long width)
    {
        // Of size one, so that no more is drawn. Embedding_from_pretrained looks rows up in another copy than the one it registers.
        Embedding table = nn.Embedding(1, 1);
        using Tensor single = table.weight!;
        table.weight = Empty(rows, width);
        return table;
    }
}
