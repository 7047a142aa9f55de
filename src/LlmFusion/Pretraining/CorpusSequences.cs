using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Modalities;

namespace LlmFusion.Pretraining;

/// <summary>How an epoch spells the corpus: half of the molecules, drawn anew each time, as random equivalent SMILES.</summary>
/// <param name="config">A checked configuration.</param>
public sealed class CorpusSequences(PretrainConfig config)
{
    /// <summary>The sequences of an epoch, in the corpus's order; they depend on seed and epoch alone.</summary>
    /// <param name="items">The corpus.</param>
    /// <param name="epoch">Counted from 1; 0 is the canonical spelling, as encoders read in use.</param>
    /// <param name="use">What is made of each sequence, on all cores.</param>
    /// <param name="cancellation">Stops between molecules.</param>
    public IReadOnlyList<T> OfEpoch<T>(IReadOnlyList<CorpusItem> items, int epoch, Func<string, T> use, CancellationToken cancellation) =>
        [.. MoleculeBatch.Select(items.Select((item, i) => (item.Sequence, i)), row => use(Spell(row.Sequence, epoch, row.i)), ct: cancellation)];

    /// <summary>The symbols of a SELFIES with spaces between; null where the molecule has none.</summary>
    internal static string? SelfiesOf(string smiles)
    {
        try
        {
            return string.Join(' ', Selfies.Split(Selfies.Encode(smiles)));
        }
        catch (SelfiesException)
        {
            return null;
        }
    }

    private string Spell(string sequence, int epoch, int place)
    {
        Modality modality = config.Reads();
        if (modality == Modality.Text) return sequence;
        SeededShuffle random = new(SeedOf(config.Seed, epoch, place));
        string spelt = sequence;
        if (epoch > 0 && random.Next() < config.RandomShare * ulong.MaxValue)
        {
            using Molecule molecule = Molecule.Parse(sequence);
            spelt = molecule.RandomSmiles(random.Next());
        }

        return modality == Modality.Smiles ? spelt : SelfiesOf(spelt) ?? SelfiesOf(sequence)!;
    }

    /// <summary>The seed of one sequence's random numbers in one epoch.</summary>
    public static ulong SeedOf(int seed, int epoch, int place) =>
        unchecked(new SeededShuffle(((ulong)(uint)seed << 32) | (uint)epoch).Next() + (ulong)place * 0xD1342543DE82EF95UL);
}
