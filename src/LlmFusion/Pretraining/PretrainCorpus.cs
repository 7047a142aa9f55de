using System.Security.Cryptography;
using System.Text;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Pretraining;

/// <summary>What became of the rows of one source.</summary>
/// <param name="Name">Data set or file.</param>
/// <param name="Rows">Rows read.</param>
/// <param name="Refused">Rows that are no molecule.</param>
/// <param name="Without">Molecules without what the encoder reads: no text, or no SELFIES.</param>
/// <param name="Reserved">Left out because they are reserved, or their text is.</param>
/// <param name="Duplicates">Left out because they were there already.</param>
/// <param name="Kept">In the corpus.</param>
public sealed record CorpusSource(string Name, int Rows, int Refused, int Without, int Reserved, int Duplicates, int Kept);

/// <summary>One molecule or text of the corpus.</summary>
/// <param name="Sequence">Canonical SMILES (also for SELFIES), or the text.</param>
/// <param name="Descriptors">(D) <see cref="StructureDescriptors"/>; empty where they are not learned.</param>
public sealed record CorpusItem(string Sequence, float[] Descriptors);

/// <summary>What an encoder is pretrained on, and the proof that nothing reserved is in it.</summary>
/// <param name="Train">Read in every epoch.</param>
/// <param name="HeldOut">For the validation loss.</param>
/// <param name="Sources">Where they come from.</param>
/// <param name="Reserved">What was kept out.</param>
public sealed record PretrainCorpus(IReadOnlyList<CorpusItem> Train, IReadOnlyList<CorpusItem> HeldOut, IReadOnlyList<CorpusSource> Sources, ReservedMolecules Reserved)
{
    private const string PlainText = ".txt";

    /// <summary>A hash of every sequence in its place.</summary>
    public string Sha256 { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', Train.Concat(HeldOut).Select(item => item.Sequence)))));

    /// <summary>Reads, checks and divides the corpus.</summary>
    /// <param name="config">A checked configuration.</param>
    /// <param name="observe">Receives progress.</param>
    /// <param name="cancellation">Stops between rows.</param>
    /// <exception cref="InvalidDataException">Too little is left to train on.</exception>
    /// <exception cref="DataSetMissingException">A data set is not here.</exception>
    public static PretrainCorpus Read(PretrainConfig config, Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        ReservedMolecules reserved = ReservedMolecules.Read(config.Exclude, observe, cancellation);
        HashSet<string> seen = new(StringComparer.Ordinal);
        List<CorpusItem> items = [];
        List<CorpusSource> sources = [];
        foreach ((string name, IEnumerable<Candidate> candidates) in Open(config, cancellation))
        {
            CorpusSource source = new(name, 0, 0, 0, 0, 0, 0);
            foreach (Candidate candidate in candidates)
            {
                source = source with { Rows = source.Rows + 1 };
                if (candidate.IsRefused) source = source with { Refused = source.Refused + 1 };
                else if (candidate.Item is not { } item) source = source with { Without = source.Without + 1 };
                else if (candidate.Key is { } key && reserved.Holds(key) || config.Reads() == Modality.Text && reserved.HoldsText(item.Sequence)) source = source with { Reserved = source.Reserved + 1 };
                else if (!seen.Add(item.Sequence)) source = source with { Duplicates = source.Duplicates + 1 };
                else
                {
                    items.Add(item);
                    source = source with { Kept = source.Kept + 1 };
                }

                if (source.Rows % 1000 == 0) observe(new CorpusProgress(name, source.Rows));
            }

            sources.Add(source);
        }

        int heldOut = (int)Math.Min(PretrainConfig.MostHeldOut, Math.Ceiling(items.Count * config.HeldOut));
        if (items.Count < 10 || heldOut >= items.Count)
            throw new InvalidDataException($"corpus of {string.Join(", ", sources.Select(s => s.Name))}: {items.Count} different sequences, expected at least 10");
        new SeededShuffle((ulong)config.Seed).Shuffle(items);
        return new PretrainCorpus([.. items.Skip(heldOut)], [.. items.Take(heldOut)], sources, reserved);
    }

    /// <summary>A row of a source as it comes: its stereo-free key (null for a text without molecule), and what would be read of it.</summary>
    private sealed record Candidate(string? Key, CorpusItem? Item, bool IsRefused = false);

    private static IEnumerable<(string Name, IEnumerable<Candidate> Candidates)> Open(PretrainConfig config, CancellationToken cancellation)
    {
        foreach (string name in config.Data)
        {
            CatalogOptions options = new() { TemplatedTrainText = config.Reads() == Modality.Text && Catalog.Find(name).Name == "chebi20" };
            yield return ($"{name} (train)", Of(Catalog.Rows(name, options).Where(row => row.Sample is null || row.Sample.Split == Parts.Train), config, cancellation));
        }

        foreach (string file in config.Files)
        {
            if (config.Reads() == Modality.Text && file.Replace(".gz", "", StringComparison.OrdinalIgnoreCase).EndsWith(PlainText, StringComparison.OrdinalIgnoreCase)) yield return (file, Lines(file));
            else yield return (file, Of(DataFile.Read([(file, null)], new DataFileOptions()), config, cancellation));
        }
    }

    private static IEnumerable<Candidate> Lines(string file)
    {
        using StreamReader reader = TextFile.Open(file);
        while (reader.ReadLine() is { } line)
            if (!string.IsNullOrWhiteSpace(line)) yield return new Candidate(null, new CorpusItem(line.Trim(), []));
    }

    private static IEnumerable<Candidate> Of(IEnumerable<DataRow> rows, PretrainConfig config, CancellationToken cancellation) =>
        MoleculeBatch.Select(rows, row => Of(row, config), ct: cancellation);

    private static Candidate Of(DataRow row, PretrainConfig config)
    {
        if (row.Sample is not { } sample || !Molecule.TryParse(sample.Smiles, out Molecule? molecule, out _)) return new Candidate(null, null, IsRefused: true);
        using (molecule)
        {
            string key = molecule.CanonicalSmilesWithoutStereo;
            if (config.Reads() == Modality.Text) return new Candidate(key, string.IsNullOrWhiteSpace(sample.Text) ? null : new CorpusItem(sample.Text.Trim(), []));
            string canonical = molecule.CanonicalSmiles;
            if (config.Reads() == Modality.Selfies && CorpusSequences.SelfiesOf(canonical) is null) return new Candidate(key, null);
            return new Candidate(key, new CorpusItem(canonical, config.LearnsDescriptors ? molecule.StructureDescriptors() : []));
        }
    }
}
