using LlmFusion.Chemistry;

namespace LlmFusion.Modalities;

/// <summary>What the network reads of one molecule: token ids per sequence modality, and the fingerprint. A null is a missing modality.</summary>
/// <param name="Smiles">Ids of SMILES tokens with class and end token.</param>
/// <param name="Selfies">Ids of SELFIES tokens with class and end token.</param>
/// <param name="Text">Ids of text tokens with class and end token.</param>
/// <param name="Fingerprint">On-bits with counts.</param>
public sealed record MoleculeInputs(int[]? Smiles, int[]? Selfies, int[]? Text, MorganCounts? Fingerprint)
{
    /// <summary>Whether the molecule has this modality.</summary>
    public bool Has(Modality modality) => modality == Modality.Fingerprint ? Fingerprint is not null : Tokens(modality) is not null;

    /// <summary>The ids of a sequence modality, null where it is missing.</summary>
    public int[]? Tokens(Modality modality) => modality switch
    {
        Modality.Smiles => Smiles,
        Modality.Selfies => Selfies,
        Modality.Text => Text,
        _ => throw new ArgumentOutOfRangeException(nameof(modality), modality, "expected a sequence modality"),
    };

    /// <summary>Tokens over all sequence modalities: what a batch is ordered by, so that little is padded.</summary>
    public int TokenCount => (Smiles?.Length ?? 0) + (Selfies?.Length ?? 0) + (Text?.Length ?? 0);
}
