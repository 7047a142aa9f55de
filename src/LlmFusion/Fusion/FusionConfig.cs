using LlmFusion.Modalities;

namespace LlmFusion.Fusion;

/// <summary>Which positional encodings tell the modality tokens apart (paper, P8; both readings of it are offered).</summary>
public enum PositionMode
{
    /// <summary>The modality encodings, and the language model's own position table inside, as Hugging Face's GPT-2 adds it.</summary>
    ModalityAndLlm,

    /// <summary>The modality encodings alone.</summary>
    Modality,

    /// <summary>The language model's own position table alone.</summary>
    Llm,

    /// <summary>None: the causal mask is all that tells the tokens apart.</summary>
    None,
}

/// <summary>How the modality encodings are made.</summary>
public enum ModalityEncoding
{
    /// <summary>A trained (M, d) table.</summary>
    Learned,

    /// <summary>The fixed table of Vaswani et al. (2017): PE[m, 2i] = sin(m / 10000^(2i/d)), PE[m, 2i+1] = cos(same).</summary>
    Sinusoidal,
}

/// <summary>What the language model reads of a molecular graph.</summary>
public enum GraphTokens
{
    /// <summary>One token: mean, maximum and sum over the atoms.</summary>
    Pooled,

    /// <summary>One token for each atom, behind those of the other modalities.</summary>
    Atoms,
}

/// <summary>Everything that decides the shape of a <see cref="FusionModel"/>.</summary>
public sealed record FusionConfig
{
    /// <summary>The M modalities in stack order.</summary>
    public required IReadOnlyList<Modality> Modalities { get; init; }

    /// <summary>Width d_m of each modality's embedding; for fingerprint and columns the length of the vector; for the graph as atoms that of an atom's state.</summary>
    public required IReadOnlyDictionary<Modality, int> Widths { get; init; }

    /// <summary>Number of properties predicted at once.</summary>
    public required int Targets { get; init; }

    /// <summary>Which positional encodings are added.</summary>
    public PositionMode Positions { get; init; } = PositionMode.ModalityAndLlm;

    /// <summary>How the modality encodings are made.</summary>
    public ModalityEncoding Encoding { get; init; } = ModalityEncoding.Learned;

    /// <summary>What is read of the graph, where that is one of the modalities.</summary>
    public GraphTokens GraphTokens { get; init; } = GraphTokens.Pooled;

    /// <summary>Width of the atoms' states, where there is a graph; 0 without one.</summary>
    public int AtomWidth { get; init; }

    /// <summary>Targets, by their place, that are sums over the atoms of molecules with a graph.</summary>
    public IReadOnlyList<int> AtomTargets { get; init; } = [];

    /// <summary>Fails where the parts do not fit each other.</summary>
    public void Check()
    {
        if (Modalities.Count == 0) throw new ArgumentException("fusion needs at least one modality, got none");
        if (!Modalities.SequenceEqual(Modality.InStackOrder(Modalities))) throw new ArgumentException($"modalities: got {string.Join(", ", Modalities)}, expected each once and in stack order");
        foreach (Modality modality in Modalities)
            if (Widths.GetValueOrDefault(modality) < 1) throw new ArgumentException($"no embedding width given for modality {modality}");
        if (AtomTargets.Count > 0 && AtomWidth < 1) throw new ArgumentException($"contributions of atoms: got {string.Join(", ", Modalities)}, expected graph among them");
        if (AtomTargets.Any(t => t < 0 || t >= Targets) || AtomTargets.Distinct().Count() != AtomTargets.Count)
            throw new ArgumentException($"contributions of atoms: got the targets {string.Join(", ", AtomTargets)}, expected different ones from 0 to {Targets - 1}");
        if (Targets < 1) throw new ArgumentException($"number of targets: got {Targets}, expected at least 1");
    }
}
