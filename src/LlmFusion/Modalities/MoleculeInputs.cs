using LlmFusion.Chemistry;

namespace LlmFusion.Modalities;

/// <summary>What the network reads of one modality of one molecule.</summary>
public abstract record ModalityInput
{
    private ModalityInput()
    {
    }

    /// <summary>Ids with the special tokens, for an encoder that is trained along.</summary>
    public sealed record Tokens(int[] Ids) : ModalityInput;

    /// <summary>A fingerprint's on-bits with their counts.</summary>
    public sealed record Fingerprint(MorganCounts Counts) : ModalityInput;

    /// <summary>A molecular graph, for an encoder that is trained along.</summary>
    public sealed record Graph(MolecularGraph Of) : ModalityInput;

    /// <summary>Numbers: a frozen encoder's embedding, standardised columns, or a vector from a file.</summary>
    public sealed record Vector(float[] Values) : ModalityInput;
}

/// <summary>What the network reads of one molecule.</summary>
/// <param name="ByModality">In stack order; a null is a missing modality.</param>
public sealed record MoleculeInputs(IReadOnlyList<ModalityInput?> ByModality)
{
    /// <summary>Tokens over all sequence modalities, and atoms of the graph: what a batch is ordered by, so that little is padded.</summary>
    public int TokenCount { get; } = ByModality.Sum(input => input switch
    {
        ModalityInput.Tokens tokens => tokens.Ids.Length,
        ModalityInput.Graph graph => graph.Of.AtomCount,
        _ => 0,
    });

    /// <summary>Whether every modality is missing.</summary>
    public bool IsEmpty => ByModality.All(input => input is null);
}
