using LlmFusion.Transformers.Kernels;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>The activation functions of Hugging Face configs, by their names there.</summary>
public static class Activations
{
    /// <summary>
    /// The function named: <c>gelu</c> (x Phi(x), exact), <c>gelu_new</c>, <c>gelu_fast</c> and
    /// <c>gelu_pytorch_tanh</c> (0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))), <c>relu</c>, <c>silu</c> and
    /// <c>swish</c> (x sigmoid(x)), <c>tanh</c>.
    /// </summary>
    /// <param name="name">As in config.json.</param>
    /// <exception cref="CheckpointException">The name is none of these.</exception>
    public static Func<Tensor, Tensor> Of(string name) => name switch
    {
        "gelu" => static x => nn.functional.gelu(x),
        // One pass forward and one backward; Hugging Face's gelu_new spends eight.
        "gelu_new" or "gelu_fast" or "gelu_pytorch_tanh" => TanhGelu.Of,
        "relu" => static x => nn.functional.relu(x),
        "silu" or "swish" => static x => nn.functional.silu(x),
        "tanh" => static x => x.tanh(),
        _ => throw new CheckpointException(
            $"activation '{name}' is not implemented; known: gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu, swish, tanh"),
    };
}
