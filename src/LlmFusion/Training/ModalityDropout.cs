using LlmFusion.DataSets;
using LlmFusion.Modalities;

namespace LlmFusion.Training;

/// <summary>
/// Leaves modalities of training molecules out, so that the model learns to answer from any subset of them. A molecule keeps one
/// modality alone with probability <paramref name="Single"/>, each as likely as the others; else it loses each one with probability
/// <paramref name="Each"/>. The last one always stays. What is left out costs its encoder nothing.
/// </summary>
/// <param name="Each">Probability with which a modality is left out, 0 up to, not including, 1.</param>
/// <param name="Single">Probability with which only one modality is kept, from 0 to 1.</param>
public sealed record ModalityDropout(double Each, double Single)
{
    /// <summary>What the network reads of a molecule in one step.</summary>
    /// <param name="molecule">A molecule with at least one modality.</param>
    /// <param name="seed">Decides what is left out, and nothing else does: a resumed run leaves out the same.</param>
    public MoleculeInputs Of(MoleculeInputs molecule, ulong seed)
    {
        int[] present = [.. molecule.ByModality.Index().Where(m => m.Item is not null).Select(m => m.Index)];
        if ((Each == 0 && Single == 0) || present.Length == 1) return molecule;
        SeededShuffle random = new(seed);
        int[] kept = random.Fraction() < Single ? [] : [.. present.Where(_ => random.Fraction() >= Each)];
        if (kept.Length == present.Length) return molecule;
        if (kept.Length == 0) kept = [present[random.Below(present.Length)]];
        return new MoleculeInputs([.. molecule.ByModality.Select((input, m) => kept.Contains(m) ? input : null)]);
    }
}
