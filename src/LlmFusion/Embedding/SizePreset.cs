namespace LlmFusion.Embedding;

/// <summary>Sizes of networks that are trained from scratch.</summary>
/// <param name="Name">Name on the command line.</param>
/// <param name="Width">Width d of the hidden states.</param>
/// <param name="Heads">Attention heads; d / heads is 32 or 64.</param>
/// <param name="EncoderLayers">Layers of each sequence encoder.</param>
/// <param name="BackboneLayers">Layers of the fusing language model.</param>
/// <param name="GraphLayers">Layers of the graph encoder, which has half the width d.</param>
public sealed record SizePreset(string Name, int Width, int Heads, int EncoderLayers, int BackboneLayers, int GraphLayers)
{
    /// <summary>For tests: seconds.</summary>
    public static readonly SizePreset Tiny = new("tiny", 64, 2, 2, 2, 2);

    /// <summary>The default: trains on a laptop.</summary>
    public static readonly SizePreset Mini = new("mini", 256, 4, 4, 4, 5);

    /// <summary>Between mini and the paper.</summary>
    public static readonly SizePreset Small = new("small", 512, 8, 6, 6, 6);

    /// <summary>The paper's sizes: encoders like ChemBERTa (6 x 768), backbone like GPT-2 Small (12 x 768).</summary>
    public static readonly SizePreset Base = new("base", 768, 12, 6, 12, 8);

    /// <summary>All presets, smallest first.</summary>
    public static readonly IReadOnlyList<SizePreset> All = [Tiny, Mini, Small, Base];

    /// <summary>The preset of that name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static SizePreset Named(string name) => All.FirstOrDefault(p => p.Name == name)
        ?? throw new ArgumentException($"size: got '{name}', expected one of {string.Join(", ", All.Select(p => p.Name))}");
}
