using LlmFusion.Chemistry;

namespace LlmFusion.DataSets;

/// <summary>
/// Divides rows into train, valid and test. The same rows, fractions and seed give the same split everywhere;
/// every part keeps the file's order. Rows that are no samples end in <see cref="DataSplits.Refused"/>.
/// </summary>
public static class Splitter
{
    /// <summary>The parts that the rows themselves name, by a split column or by the file they stand in.</summary>
    /// <exception cref="ArgumentException">A row names no part.</exception>
    public static DataSplits Predefined(IEnumerable<DataRow> rows, string? name = null) => Predefined(rows, null, name);

    internal static DataSplits Predefined(IEnumerable<DataRow> rows, IReadOnlyList<string>? targets, string? name)
    {
        List<DataRow> all = [.. rows];
        if (all.Find(r => r.Sample is { Split: null }) is { } without)
            throw new ArgumentException($"{without.Layout.File}, line {without.Line}: found a row without a part, expected train, valid or test", nameof(rows));
        return DataSplits.Of(
            name ?? $"{NameOf(all)}, predefined",
            targets ?? TargetsOf(all),
            all.Where(r => r.Sample?.Split == Parts.Train),
            all.Where(r => r.Sample?.Split == Parts.Valid),
            all.Where(r => r.Sample?.Split == Parts.Test),
            all.Where(r => r.Sample is null));
    }

    /// <summary>Every row by lot.</summary>
    public static DataSplits Random(IEnumerable<DataRow> rows, SplitFractions? fractions = null, ulong seed = 0, string? name = null) =>
        ByGroup(rows, "random", samples => samples.Select((row, index) => (row, (string?)index.ToString())), balanced: false, fractions, seed, name);

    /// <summary>
    /// By Bemis-Murcko scaffold: no scaffold stands in two parts. Scaffolds with more rows than half of valid or test are placed first,
    /// so that they end in train; then the others, both in random order (chemprop's "scaffold_balanced"). All acyclic molecules are one group.
    /// </summary>
    public static DataSplits ScaffoldBalanced(IEnumerable<DataRow> rows, SplitFractions? fractions = null, ulong seed = 0, string? name = null) =>
        ByGroup(rows, "scaffold-balanced", samples => ByMolecule(samples, m => m.MurckoScaffold), balanced: true, fractions, seed, name);

    /// <summary>
    /// By canonical SMILES without stereochemistry: neither a molecule nor its stereoisomers stand in two parts, in random order else.
    /// </summary>
    public static DataSplits Grouped(IEnumerable<DataRow> rows, SplitFractions? fractions = null, ulong seed = 0, string? name = null) =>
        ByGroup(rows, "grouped", samples => ByMolecule(samples, m => m.CanonicalSmilesWithoutStereo), balanced: false, fractions, seed, name);

    private static IEnumerable<(DataRow Row, string? Key)> ByMolecule(IEnumerable<DataRow> rows, Func<Molecule, string> key) =>
        MoleculeBatch.Select<DataRow, (DataRow, string?)>(rows, row =>
        {
            if (!Molecule.TryParse(row.Smiles, out Molecule? molecule, out string reason))
                return (row.RefuseMolecule(reason), null);
            using (molecule)
                return (row, key(molecule));
        });

    private static DataSplits ByGroup(
        IEnumerable<DataRow> rows, string method, Func<IEnumerable<DataRow>, IEnumerable<(DataRow Row, string? Key)>> keyed,
        bool balanced, SplitFractions? fractions, ulong seed, string? name)
    {
        fractions ??= SplitFractions.Default;
        List<DataRow> all = [.. rows];
        List<DataRow> refused = [.. all.Where(r => r.Sample is null)];
        List<DataRow> samples = [];
        List<List<int>> groups = [];
        Dictionary<string, List<int>> byKey = [];
        foreach ((DataRow row, string? key) in keyed(all.Where(r => r.Sample is not null)))
        {
            if (key is null)
            {
                refused.Add(row);
                continue;
            }

            if (!byKey.TryGetValue(key, out List<int>? group))
                groups.Add(byKey[key] = group = []);
            group.Add(samples.Count);
            samples.Add(row);
        }

        int[] sizes = fractions.Sizes(samples.Count);
        var random = new SeededShuffle(seed);
        random.Shuffle(groups);
        if (balanced)
            groups = [.. groups.OrderByDescending(g => 2 * g.Count > Math.Min(sizes[1], sizes[2]))];

        var parts = new int[samples.Count];
        int[] room = [.. sizes];
        foreach (List<int> group in groups)
        {
            // The first part with room for the whole group, else the one with most room left.
            int part = Array.FindIndex(room, r => r >= group.Count);
            if (part < 0)
                part = Array.IndexOf(room, room.Max());
            room[part] -= group.Count;
            group.ForEach(index => parts[index] = part);
        }

        return DataSplits.Of(
            name ?? $"{NameOf(all)}, {method} {fractions}, seed {seed}", TargetsOf(all), Part(0), Part(1), Part(2),
            refused.OrderBy(r => r.Number));

        IEnumerable<DataRow> Part(int part) => samples.Where((_, index) => parts[index] == part);
    }

    private static string NameOf(List<DataRow> rows) => rows.Count == 0 ? "no rows" : Path.GetFileName(rows[0].Layout.File);

    private static IReadOnlyList<string> TargetsOf(List<DataRow> rows) => rows.Count == 0 ? [] : rows[0].Layout.Targets;
}
