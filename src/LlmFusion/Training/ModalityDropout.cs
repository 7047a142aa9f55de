using LlmFusion.DataSets;
using LlmFusion.Modalities;

namespace LlmFusion.Training;

/// <summary>
/// Leaves modalities of training molecules out, so that the model learns to answer from any subset of them. A molecule keeps one
/// modality alone with probability <paramref name="Single"/>; else it loses each one with its own probability. Where one has to be kept,
/// it is drawn in proportion to its weight. The last one always stays. What is left out costs its encoder nothing.
/// </summary>
/// <param name="Each">Probability with which each modality is left out, in stack order, 0 up to, not including, 1.</param>
/// <param name="Single">Probability with which only one modality is kept, from 0 to 1.</param>
/// <param name="Weights">How often each modality is the one that is kept, relative to the others, in stack order, all above 0.</param>
public sealed record ModalityDropout(IReadOnlyList<double> Each, double Single, IReadOnlyList<double> Weights)
{
    /// <summary>What a configuration asks for.</summary>
    public static ModalityDropout Of(RunConfig config)
    {
        IReadOnlyList<Modality> stack = config.StackOrder();
        double[] each = [.. stack.Select(m => config.ModalityDropouts.GetValueOrDefault(m.Name, config.ModalityDropout))];
        return new ModalityDropout(each, config.SingleModality, [.. stack.Select((m, i) => config.SingleModalityWeights.GetValueOrDefault(m.Name, 1 - each[i]))]);
    }

    /// <summary>What the network reads of a molecule in one step.</summary>
    /// <param name="molecule">A molecule with at least one modality.</param>
    /// <param name="seed">Decides what is left out, and nothing else does: a resumed run leaves out the same.</param>
    public MoleculeInputs Of(MoleculeInputs molecule, ulong seed)
    {
        int[] present = [.. molecule.ByModality.Index().Where(m => m.Item is not null).Select(m => m.Index)];
        if ((Single == 0 && present.All(m => Each[m] == 0)) || present.Length == 1) return molecule;
        SeededShuffle random = new(seed);
        int[] kept = random.Fraction() < Single ? [] : [.. present.Where(m => random.Fraction() >= Each[m])];
        if (kept.Length == present.Length) return molecule;
        if (kept.Length == 0) kept = [One(present, random)];
        return new MoleculeInputs([.. molecule.ByModality.Select((input, m) => kept.Contains(m) ? input : null)]);
    }

    private int One(int[] present, SeededShuffle random)
    {
        double left = random.Fraction() * present.Sum(m => Weights[m]);
        return present.FirstOrDefault(m => (left -= Weights[m]) < 0, present[^1]);
    }
}
