using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using LlmFusion.Chemistry;

namespace LlmFusion.DataSets;

/// <summary>One target over all valid molecules.</summary>
/// <param name="Name">The target.</param>
/// <param name="Unit">Its unit, empty where none is known.</param>
/// <param name="Count">How many values there are.</param>
/// <param name="Missing">How many are missing.</param>
/// <param name="Mean">Their mean; NaN of none.</param>
/// <param name="Variance">Their variance around it (divided by the count): what predicting the mean would cost; NaN of none.</param>
/// <param name="Minimum">The smallest; NaN of none.</param>
/// <param name="Maximum">The largest; NaN of none.</param>
public sealed record TargetDescription(
    string Name, string Unit, long Count, long Missing, double Mean, double Variance, double Minimum, double Maximum);

/// <summary>How large a part of a split is.</summary>
/// <param name="Part">train, valid or test.</param>
/// <param name="Rows">Its rows with a valid molecule.</param>
public sealed record PartDescription(string Part, long Rows);

/// <summary>What two parts of a split have in common.</summary>
/// <param name="First">One part.</param>
/// <param name="Second">The other part.</param>
/// <param name="Molecules">The distinct molecules that stand in both.</param>
/// <param name="RowsInFirst">The first part's rows whose molecule stands in the second.</param>
/// <param name="RowsInSecond">The second part's rows whose molecule stands in the first.</param>
public sealed record Overlap(string First, string Second, long Molecules, long RowsInFirst, long RowsInSecond);

/// <summary>What a data set holds, found in one pass; of each distinct molecule only two 64-bit hashes and counters are kept.</summary>
public sealed record DataDescription
{
    private const int ErrorsShown = 20;

    private DataDescription()
    {
    }

    /// <summary>All rows.</summary>
    public long Rows { get; private init; }

    /// <summary>Rows that are no samples: a number that is none, too few fields and the like.</summary>
    public long BadRows { get; private init; }

    /// <summary>Rows whose SMILES RDKit refuses.</summary>
    public long InvalidMolecules { get; private init; }

    /// <summary>The first of the errors of both kinds, at most twenty, in file order.</summary>
    public IReadOnlyList<RowError> Errors { get; private init; } = [];

    /// <summary>Valid molecules with a text.</summary>
    public long WithText { get; private init; }

    /// <summary>Valid molecules of each part; those of no part are only in <see cref="Rows"/>.</summary>
    public IReadOnlyList<PartDescription> Parts { get; private init; } = [];

    /// <summary>The targets in the order asked for.</summary>
    public IReadOnlyList<TargetDescription> Targets { get; private init; } = [];

    /// <summary>Rows whose molecule, by canonical SMILES, stands in an earlier row.</summary>
    public long Duplicates { get; private init; }

    /// <summary>The same, ignoring stereochemistry.</summary>
    public long DuplicatesIgnoringStereo { get; private init; }

    /// <summary>Molecules that stand in two parts, by canonical SMILES, for each two parts that have rows.</summary>
    public IReadOnlyList<Overlap> Overlaps { get; private init; } = [];

    /// <summary>The same, ignoring stereochemistry.</summary>
    public IReadOnlyList<Overlap> OverlapsIgnoringStereo { get; private init; } = [];

    /// <summary>This description as JSON text, names in snake_case; a number that does not exist is null.</summary>
    public string ToJson() => System.Text.Json.JsonSerializer.Serialize(this, DescriptionJson.Default.DataDescription);

    /// <summary>Describes rows as they stream by.</summary>
    /// <param name="rows">The rows of one file or of several, one after the other, all with the same targets.</param>
    /// <param name="progress">Told the number of rows done, every thousand and at the end.</param>
    /// <param name="cancellation">Ends the pass with an <see cref="OperationCanceledException"/>.</param>
    public static DataDescription Describe(IEnumerable<DataRow> rows, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        var exact = new MoleculeCounts();
        var withoutStereo = new MoleculeCounts();
        List<RowError> errors = [];
        Moments[] moments = [];
        IReadOnlyList<string> targets = [];
        long count = 0, bad = 0, invalid = 0, withText = 0;
        long[] parts = new long[3];
        foreach ((DataRow row, bool isInvalid, ulong molecule, ulong flat) in MoleculeBatch.Select(rows, Identify, ct: cancellation))
        {
            if (count++ == 0)
            {
                targets = row.Layout.Targets;
                moments = [.. targets.Select(_ => new Moments())];
            }

            if (count % 1000 == 0)
                progress?.Invoke(count);
            if (row.Error is { } error)
            {
                if (isInvalid)
                    invalid++;
                else
                    bad++;
                if (errors.Count < ErrorsShown)
                    errors.Add(error);
                continue;
            }

            Sample sample = row.Sample!;
            int part = sample.Split is { } name ? IndexOf(name) : -1;
            if (part >= 0)
                parts[part]++;
            exact.Add(molecule, part);
            withoutStereo.Add(flat, part);
            if (sample.Text is not null)
                withText++;
            for (int t = 0; t < moments.Length; t++)
                moments[t].Add(sample.Targets[t]);
        }

        progress?.Invoke(count);
        return new DataDescription
        {
            Rows = count,
            BadRows = bad,
            InvalidMolecules = invalid,
            Errors = errors,
            WithText = withText,
            Parts = [.. DataSets.Parts.All.Zip(parts, (name, n) => new PartDescription(name, n)).Where(p => p.Rows > 0)],
            Targets = [.. moments.Zip(targets, (m, target) => m.Describe(target))],
            Duplicates = exact.Duplicates,
            DuplicatesIgnoringStereo = withoutStereo.Duplicates,
            Overlaps = exact.Overlaps(parts),
            OverlapsIgnoringStereo = withoutStereo.Overlaps(parts),
        };
    }

    private static int IndexOf(string part) => part switch
    {
        DataSets.Parts.Train => 0,
        DataSets.Parts.Valid => 1,
        DataSets.Parts.Test => 2,
        _ => -1,
    };

    private static (DataRow Row, bool Invalid, ulong Molecule, ulong WithoutStereo) Identify(DataRow row)
    {
        if (row.Sample is null)
            return (row, false, 0, 0);
        if (!Molecule.TryParse(row.Smiles, out Molecule? molecule, out string reason))
            return (row.RefuseMolecule(reason), true, 0, 0);
        using (molecule)
            return (row, false, Hash(molecule.CanonicalSmiles), Hash(molecule.CanonicalSmilesWithoutStereo));
    }

    // Among 10 million molecules two meet in a 64-bit hash with a chance of 3 in a million.
    private static ulong Hash(string smiles)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(smiles), hash);
        return BinaryPrimitives.ReadUInt64LittleEndian(hash);
    }

    /// <summary>How often each molecule stands in each part.</summary>
    private sealed class MoleculeCounts
    {
        private readonly Dictionary<ulong, Counts> _counts = [];

        public long Duplicates { get; private set; }

        public void Add(ulong molecule, int part)
        {
            ref Counts counts = ref CollectionsMarshal.GetValueRefOrAddDefault(_counts, molecule, out bool known);
            if (known)
                Duplicates++;
            if (part >= 0)
                counts[part]++;
        }

        public IReadOnlyList<Overlap> Overlaps(long[] rows)
        {
            (int First, int Second)[] pairs = [.. new[] { (0, 1), (0, 2), (1, 2) }.Where(p => rows[p.Item1] > 0 && rows[p.Item2] > 0)];
            return [.. pairs.Select(p =>
            {
                long molecules = 0, inFirst = 0, inSecond = 0;
                foreach (Counts counts in _counts.Values)
                {
                    if (counts[p.First] == 0 || counts[p.Second] == 0)
                        continue;
                    molecules++;
                    inFirst += counts[p.First];
                    inSecond += counts[p.Second];
                }

                return new Overlap(DataSets.Parts.All[p.First], DataSets.Parts.All[p.Second], molecules, inFirst, inSecond);
            })];
        }

        [System.Runtime.CompilerServices.InlineArray(3)]
        private struct Counts
        {
            private int _first;
        }
    }

    /// <summary>Mean and variance of a stream of numbers (Welford).</summary>
    private sealed class Moments
    {
        private long _count;
        private long _missing;
        private double _mean;
        private double _squares;
        private double _minimum = double.NaN;
        private double _maximum = double.NaN;

        public void Add(float value)
        {
            if (float.IsNaN(value))
            {
                _missing++;
                return;
            }

            double difference = value - _mean;
            _mean += difference / ++_count;
            _squares += difference * (value - _mean);
            _minimum = _count == 1 ? value : Math.Min(_minimum, value);
            _maximum = _count == 1 ? value : Math.Max(_maximum, value);
        }

        public TargetDescription Describe(string target) => new(
            target, KnownTargets.UnitOf(target), _count, _missing,
            _count == 0 ? double.NaN : _mean, _count == 0 ? double.NaN : _squares / _count, _minimum, _maximum);
    }
}
