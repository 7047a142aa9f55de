using LlmFusion.Chemistry;

namespace LlmFusion.DataSets;

/// <summary>
/// Several data sets as one, to learn all their targets together: the rows of all in each part, and for each row the targets
/// that its data set lacks missing.
/// </summary>
public static class JointData
{
    /// <summary>Reads named data sets, each in its predefined split, and joins them.</summary>
    /// <param name="names">At least two.</param>
    /// <param name="options">Targets of any of them, null for the default ones of each; templated texts are for ChEBI-20 alone.</param>
    /// <param name="excludeHeldOut">See <see cref="Join"/>.</param>
    /// <param name="repeats">How often the training rows of a data set are drawn in an epoch; 1 where its name is not among them.</param>
    /// <exception cref="ArgumentException">No such data set or target, one given twice, or none of its targets asked for.</exception>
    /// <exception cref="DataSetMissingException">The files of one are not here; the message says how to get them.</exception>
    /// <exception cref="DataFileException">One of the files is damaged.</exception>
    public static DataSplits Open(IReadOnlyList<string> names, CatalogOptions options, bool excludeHeldOut = true, IReadOnlyDictionary<string, int>? repeats = null)
    {
        CatalogEntry[] entries = [.. names.Select(Catalog.Find)];
        if (entries.GroupBy(e => e.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"data: got {twice.Key} twice, expected each data set once", nameof(names));
        if (options.Targets?.FirstOrDefault(t => !entries.Any(e => e.Targets.Contains(t))) is { } unknown)
            throw new ArgumentException($"target: got {unknown}, expected {string.Join("; ", entries.Select(e => $"of {e.Name} {string.Join(", ", e.Targets)}"))}", nameof(options));
        if (options.TemplatedTrainText && !entries.Any(e => e.HasTemplatedTexts))
            throw new ArgumentException($"templated texts: got the data sets {string.Join(", ", entries.Select(e => e.Name))}, expected chebi20 among them", nameof(options));
        if (repeats?.Keys.FirstOrDefault(name => !entries.Any(e => e.Name == name)) is { } stranger)
            throw new ArgumentException($"repeats: got {stranger}, expected one of {string.Join(", ", entries.Select(e => e.Name))}", nameof(repeats));

        return Join([.. entries.Select(entry =>
        {
            IReadOnlyList<string> targets = [.. options.Targets?.Where(entry.Targets.Contains) ?? entry.DefaultTargets];
            if (targets.Count == 0)
                throw new ArgumentException($"data set {entry.Name}: got none of its targets, expected at least one of {string.Join(", ", entry.Targets)}", nameof(options));
            DataSplits one = Catalog.Open(entry.Name, options with { Targets = targets, TemplatedTrainText = options.TemplatedTrainText && entry.HasTemplatedTexts });
            return repeats?.GetValueOrDefault(entry.Name, 1) is > 1 and var times ? one with { Train = [.. one.Train.Select(row => row with { Sample = row.Sample! with { Repeats = times } })] } : one;
        })], options.Targets, excludeHeldOut);
    }

    /// <summary>Joins data sets.</summary>
    /// <param name="sets">The data sets.</param>
    /// <param name="targets">The order of the targets, null for that of their first appearance.</param>
    /// <param name="excludeHeldOut">
    /// Leave out of training what stands in validation or test of any of them: one data set's training split may hold another's test
    /// molecules. Molecules are the same where their canonical SMILES without stereochemistry are.
    /// </param>
    public static DataSplits Join(IReadOnlyList<DataSplits> sets, IReadOnlyList<string>? targets = null, bool excludeHeldOut = true)
    {
        targets ??= [.. sets.SelectMany(s => s.Targets).Distinct()];
        DataSplits[] widened = [.. sets.Select(set => Widen(set, targets))];
        if (excludeHeldOut) widened = WithoutHeldOut(widened);
        return DataSplits.Of(string.Join(" + ", sets.Select(s => s.Name)), targets, widened.SelectMany(s => s.Train), widened.SelectMany(s => s.Valid), widened.SelectMany(s => s.Test), widened.SelectMany(s => s.Refused)) with
        {
            HeldOut = [.. widened.SelectMany(s => s.HeldOut)],
        };
    }

    /// <summary>The same sets, without the training molecules that stand in validation or test of any of them.</summary>
    public static DataSplits[] WithoutHeldOut(IReadOnlyList<DataSplits> sets)
    {
        HashSet<string> heldOut = [.. Keys([.. sets.SelectMany(s => s.Valid.Concat(s.Test))]).OfType<string>()];
        return [.. sets.Select(set =>
        {
            bool[] isHeldOut = [.. Keys(set.Train).Select(key => key is not null && heldOut.Contains(key))];
            return set.With(set.Name, set.Train.Where((_, n) => !isHeldOut[n]), set.Valid) with { HeldOut = [.. set.HeldOut, .. set.Train.Where((_, n) => isHeldOut[n])] };
        })];
    }

    /// <summary>The same rows with a value for each of <paramref name="targets"/>, NaN for those that the data set does not have.</summary>
    private static DataSplits Widen(DataSplits set, IReadOnlyList<string> targets)
    {
        int[] places = [.. targets.Select(t => set.Targets.ToList().IndexOf(t))];
        Dictionary<TableLayout, TableLayout> layouts = new(ReferenceEqualityComparer.Instance);
        return set with { Train = Rows(set.Train), Valid = Rows(set.Valid), Test = Rows(set.Test) };

        DataRow[] Rows(IReadOnlyList<DataRow> rows) => [.. rows.Select(row => row with
        {
            Layout = LayoutOf(row.Layout),
            Sample = row.Sample! with { Targets = [.. places.Select(place => place < 0 ? float.NaN : row.Sample.Targets[place])] },
        })];

        TableLayout LayoutOf(TableLayout layout)
        {
            if (!layouts.TryGetValue(layout, out TableLayout? wider))
                layouts[layout] = wider = layout with { Targets = targets, TargetColumns = [.. places.Select(place => place >= 0 && place < layout.TargetColumns.Count ? layout.TargetColumns[place] : -1)] };
            return wider;
        }
    }

    /// <summary>Canonical SMILES without stereochemistry, on all cores; null where RDKit refuses the molecule, which is reported when it is represented.</summary>
    private static IEnumerable<string?> Keys(IReadOnlyList<DataRow> rows) => MoleculeBatch.Select(rows, row => Molecule.WithoutStereo(row.Smiles));
}
