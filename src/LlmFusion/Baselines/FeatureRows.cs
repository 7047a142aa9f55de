using LlmFusion.Boosting;
using LlmFusion.Embedding;
using LlmFusion.Modalities;

namespace LlmFusion.Baselines;

/// <summary>
/// The naive concatenation of embeddings (paper, P18): the modalities' vectors one after the other in stack order, a fingerprint's on-bits
/// with their values, and nothing where a modality is missing.
/// </summary>
public static class FeatureRows
{
    /// <summary>Number of features: the sum of the modalities' widths.</summary>
    public static int WidthOf(InputEncoder encoder) => encoder.Representation.Modalities.Sum(encoder.WidthOf);

    /// <summary>Features of N molecules, as sparse rows.</summary>
    /// <param name="molecules">N molecules, of modalities that come as vectors or fingerprints.</param>
    /// <param name="encoder">What encoded them.</param>
    /// <exception cref="ArgumentException">A modality comes as tokens or as a graph, for an encoder that would have to be trained.</exception>
    public static FeatureMatrix Of(IReadOnlyList<MoleculeInputs> molecules, InputEncoder encoder)
    {
        IReadOnlyList<Modality> modalities = encoder.Representation.Modalities;
        long entries = molecules.Sum(m => m.ByModality.Sum(input => (long)CountOf(input)));
        if (entries > Array.MaxLength) throw new ArgumentException($"features: {molecules.Count} molecules have {entries} numbers, expected at most {Array.MaxLength}; take fewer rows (--train-rows)");
        nuint[] starts = new nuint[molecules.Count + 1];
        uint[] columns = new uint[entries];
        float[] values = new float[entries];
        int next = 0;
        foreach ((int n, MoleculeInputs molecule) in molecules.Index())
        {
            int first = 0;
            for (int m = 0; m < modalities.Count; first += encoder.WidthOf(modalities[m++]))
            {
                switch (molecule.ByModality[m])
                {
                    case ModalityInput.Vector { Values: var vector }:
                        for (int i = 0; i < vector.Length; i++) Add(first + i, vector[i]);
                        break;
                    case ModalityInput.Fingerprint { Counts: var counts }:
                        for (int b = 0; b < counts.Bits.Length; b++) Add(first + counts.Bits[b], counts.Counts[b]);
                        break;
                }
            }

            starts[n + 1] = (nuint)next;
        }

        return FeatureMatrix.Sparse(starts, columns, values, WidthOf(encoder));

        void Add(int column, float value)
        {
            columns[next] = (uint)column;
            values[next++] = value;
        }
    }

    /// <summary>Share of the gain of all splits that each modality's features have (M, in stack order; the sum is 1, or all are 0 where nothing was split), of <see cref="ImportanceKind.TotalGain"/>.</summary>
    /// <param name="trees">Trees on such features.</param>
    /// <param name="encoder">What encoded them.</param>
    public static IReadOnlyList<double> SharesOfGain(Booster trees, InputEncoder encoder)
    {
        double[] gain = trees.Importance(ImportanceKind.TotalGain);
        double all = gain.Sum();
        int next = 0;
        return [.. encoder.Representation.Modalities.Select(modality =>
        {
            int first = next;
            next += encoder.WidthOf(modality);
            return all > 0 ? gain[first..next].Sum() / all : 0;
        })];
    }

    private static int CountOf(ModalityInput? input) => input switch
    {
        null => 0,
        ModalityInput.Vector { Values: var vector } => vector.Length,
        ModalityInput.Fingerprint { Counts: var counts } => counts.Bits.Length,
        _ => throw new ArgumentException("features: a modality whose encoder is trained along has no embedding to concatenate; give it a pretrained one (--encoder)"),
    };
}
