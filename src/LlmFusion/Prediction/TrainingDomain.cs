using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Modalities;

namespace LlmFusion.Prediction;

/// <summary>
/// What a data set's training molecules are like: elements, size, and the fingerprints of some of them, so that a molecule unlike
/// all of them is told apart. A model has one for each data set, as each has targets of its own.
/// </summary>
public sealed class TrainingDomain
{
    /// <summary>Name of the file of fingerprints in a model folder: 128 bytes a molecule, little endian.</summary>
    public const string File = "domain.bin";

    /// <summary>Most fingerprints of a model, over all its data sets: half a mebibyte.</summary>
    public const int MostFingerprints = 4096;

    /// <summary>An element counts as known if it stands in at least this share of the training molecules.</summary>
    private const double LeastElementShare = 0.0005;

    /// <summary>The share of training molecules that may be smaller, and that may be larger, than the range.</summary>
    private const double SizeTail = 0.001;

    /// <summary>The share of calibration molecules that may be less similar than the least similarity.</summary>
    private const double SimilarityTail = 0.01;

    private readonly ulong[] _words;
    private readonly int[] _bits;

    private TrainingDomain(DomainEntry entry, ulong[] words)
    {
        Entry = entry;
        _words = words;
        _bits = [.. words.Chunk(MoleculeFacts.Words).Select(Count)];
    }

    /// <summary>Elements, sizes, and the least similarity.</summary>
    public DomainEntry Entry { get; }

    /// <summary>Learns what molecules are like. Which fingerprints are kept depends on the molecules alone, not on their order.</summary>
    /// <param name="data">Name of the data set.</param>
    /// <param name="targets">The targets that it has values of.</param>
    /// <param name="train">Its training molecules; what is no molecule is passed over.</param>
    /// <param name="calibration">Molecules of the same kind that were not trained on: the least similarity is theirs.</param>
    /// <param name="most">Most fingerprints to keep.</param>
    /// <exception cref="InvalidDataException">There is no training molecule.</exception>
    public static TrainingDomain Fit(string data, IReadOnlyList<string> targets, IReadOnlyList<DataRow> train, IReadOnlyList<DataRow> calibration, int most = MostFingerprints)
    {
        (MoleculeFacts Facts, double Place)[] known = [.. MoleculeBatch.Select(train, FactsOf).OfType<(MoleculeFacts, double)>()];
        if (known.Length == 0) throw new InvalidDataException($"{data}: no training molecule, expected at least one");
        int[] sizes = [.. known.Select(k => k.Facts.HeavyAtoms).Order()];
        string[] elements = [.. known.SelectMany(k => k.Facts.Elements).GroupBy(e => e).Where(g => g.Count() >= LeastElementShare * known.Length).Select(g => g.Key).Order(StringComparer.Ordinal)];
        ulong[][] kept = [.. known.OrderBy(k => k.Place).DistinctBy(k => k.Place).Take(most).Select(k => k.Facts.Fingerprint)];
        int tail = (int)(SizeTail * sizes.Length);
        TrainingDomain domain = new(new DomainEntry(data, targets, elements, sizes[tail], sizes[^(1 + tail)], kept.Length, 0), [.. kept.SelectMany(k => k)]);
        double[] similarities = [.. MoleculeBatch.Select(calibration, row => FactsOf(row) is { } molecule ? domain.Similarity(molecule.Facts.Fingerprint) : double.NaN).Where(double.IsFinite).Order()];
        double least = similarities.Length == 0 ? 0 : similarities[(int)(SimilarityTail * similarities.Length)];
        return new TrainingDomain(domain.Entry with { LeastSimilarity = least }, domain._words);
    }

    /// <summary>Writes the fingerprints of several domains, one after the other.</summary>
    /// <param name="path">The file; replaced in one step.</param>
    /// <param name="domains">Whose entries stand in the manifest in this order.</param>
    public static void Save(string path, IReadOnlyList<TrainingDomain> domains)
    {
        string part = path + ".part";
        using (FileStream stream = new(part, FileMode.Create, FileAccess.Write))
        {
            foreach (TrainingDomain domain in domains) stream.Write(MemoryMarshal.AsBytes<ulong>(domain._words));
            stream.Flush(flushToDisk: true);
        }

        System.IO.File.Move(part, path, overwrite: true);
    }

    /// <summary>Reads what <see cref="Save"/> wrote; its hash is checked by the caller.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entries">As they stand in the manifest.</param>
    /// <exception cref="InvalidDataException">The file is not as long as the entries say.</exception>
    public static IReadOnlyList<TrainingDomain> Load(string path, IReadOnlyList<DomainEntry> entries)
    {
        long count = entries.Sum(e => e.Fingerprints >= 0 ? (long)e.Fingerprints : throw new InvalidDataException($"{path}: got {e.Fingerprints} fingerprints of {e.Data}, expected 0 or more"));
        long length = new FileInfo(path).Length;
        if (count > MostFingerprints || length != count * MoleculeFacts.Bits / 8)
            throw new InvalidDataException($"{path}: {length} bytes for {count} fingerprints, expected {MoleculeFacts.Bits / 8} each and at most {MostFingerprints} of them");
        ulong[] all = [.. MemoryMarshal.Cast<byte, ulong>(System.IO.File.ReadAllBytes(path))];
        List<TrainingDomain> domains = [];
        int from = 0;
        foreach (DomainEntry entry in entries)
        {
            domains.Add(new TrainingDomain(entry, all[from..(from += entry.Fingerprints * MoleculeFacts.Words)]));
        }

        return domains;
    }

    /// <summary>Tanimoto similarity to the nearest fingerprint: bits in common by bits in either; 0 where there is none.</summary>
    /// <param name="fingerprint">Of <see cref="MoleculeFacts.Words"/> words.</param>
    public double Similarity(ReadOnlySpan<ulong> fingerprint)
    {
        int own = Count(fingerprint);
        double best = 0;
        for (int k = 0; k < _bits.Length; k++)
        {
            // No more bits in common than the smaller set has: most fingerprints need not be looked at.
            if (Math.Min(own, _bits[k]) <= best * Math.Max(own, _bits[k])) continue;
            ReadOnlySpan<ulong> other = _words.AsSpan(k * MoleculeFacts.Words, MoleculeFacts.Words);
            int common = 0;
            for (int w = 0; w < MoleculeFacts.Words; w++) common += BitOperations.PopCount(fingerprint[w] & other[w]);
            best = Math.Max(best, (double)common / (own + _bits[k] - common));
        }

        return best;
    }

    /// <summary>Why a molecule is unlike the training molecules; null where it is like them.</summary>
    /// <param name="facts">The molecule.</param>
    /// <param name="similarity">As <see cref="Similarity"/> gives it.</param>
    public string? Outside(MoleculeFacts facts, double similarity)
    {
        List<string> reasons = [];
        if (facts.Elements.Where(e => !Entry.Elements.Contains(e)).ToArray() is { Length: > 0 } unknown) reasons.Add($"holds {string.Join(", ", unknown)} (known: {string.Join(", ", Entry.Elements)})");
        if (facts.HeavyAtoms < Entry.FewestAtoms || facts.HeavyAtoms > Entry.MostAtoms) reasons.Add($"{facts.HeavyAtoms} heavy atom{(facts.HeavyAtoms == 1 ? "" : "s")} (known: {Entry.FewestAtoms} to {Entry.MostAtoms})");
        if (similarity < Entry.LeastSimilarity)
            reasons.Add(string.Create(CultureInfo.InvariantCulture, $"similarity {similarity:F2} to the nearest training molecule (known: from {Entry.LeastSimilarity:F2} on)"));
        return reasons.Count == 0 ? null : string.Join("; ", reasons);
    }

    private static (MoleculeFacts Facts, double Place)? FactsOf(DataRow row)
    {
        if (!Molecule.TryParse(row.Smiles, out Molecule? molecule, out _)) return null;
        using (molecule) return (MoleculeFacts.Of(molecule, row.Smiles), CalibrationSplit.Place("domain", molecule.CanonicalSmilesWithoutStereo));
    }

    private static int Count(ReadOnlySpan<ulong> words)
    {
        int bits = 0;
        foreach (ulong word in words) bits += BitOperations.PopCount(word);
        return bits;
    }

    private static int Count(ulong[] words) => Count(words.AsSpan());
}
