using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>What a parameter does in its layer.</summary>
public enum ParameterKind
{
    /// <summary>The matrix of a linear layer.</summary>
    Weight,

    /// <summary>The bias of a linear layer.</summary>
    Bias,

    /// <summary>Factor or offset of a LayerNorm or RMSNorm.</summary>
    Norm,

    /// <summary>A table of vectors: of tokens, of positions, of token types.</summary>
    Embedding,

    /// <summary>A low-rank adapter's matrix.</summary>
    Adapter,
}

/// <summary>Parameters with what they are.</summary>
public static class ParameterKinds
{
    /// <summary>Every parameter of a module, in the order and with the names of its <c>named_parameters()</c>.</summary>
    public static IEnumerable<(string Name, Parameter Value, ParameterKind Kind)> Of(nn.Module module)
    {
        Dictionary<string, nn.Module> modules = module.named_modules().ToDictionary(m => m.name, m => m.module);
        foreach ((string name, Parameter value) in module.named_parameters())
        {
            int dot = name.LastIndexOf('.');
            nn.Module owner = dot < 0 ? module : modules[name[..dot]];
            yield return (name, value, KindOf(owner, name, name[(dot + 1)..]));
        }
    }

    private static ParameterKind KindOf(nn.Module owner, string name, string last) => owner switch
    {
        LayerNorm or RmsNorm => ParameterKind.Norm,
        Embedding or BartPositions => ParameterKind.Embedding,
        _ when LowRankAdapters.IsAdapter(name) => ParameterKind.Adapter,
        _ => last == "bias" ? ParameterKind.Bias : ParameterKind.Weight,
    };
}
