using LlmFusion.DataSets;

namespace LlmFusion.Training;

/// <summary>Opens the data that a configuration names, in its three parts.</summary>
public static class RunData
{
    /// <summary>Reads the rows; molecules are not parsed yet, except where the split asks for their scaffolds.</summary>
    /// <exception cref="DataFileException">A file cannot be read as a table of molecules.</exception>
    public static DataSplits Open(RunConfig config)
    {
        DataSplits splits = Fewer(CalibrationSplit.HoldOut(OpenSplits(config), config.CalibrationFraction), config);
        ScalingKind[] kinds = [.. splits.Targets.Select(config.ScalingOf)];
        return !kinds.Contains(ScalingKind.Log) ? splits
            : splits.With(splits.Name, TargetScaler.Positive(splits.Train, splits.Targets, kinds), TargetScaler.Positive(splits.Valid, splits.Targets, kinds));
    }

    private static DataSplits OpenSplits(RunConfig config)
    {
        if (config.DataNames() is { Count: > 0 } names)
        {
            CatalogOptions choice = new() { Targets = config.Targets.Count > 0 ? config.Targets : null, TemplatedTrainText = config.TemplatedTrainText };
            return names.Count == 1 ? Catalog.Open(names[0], choice) : JointData.Open(names, choice, config.ExcludeHeldOut, config.DataRepeats);
        }

        DataFileOptions options = new()
        {
            SmilesColumn = config.SmilesColumn,
            IdColumn = config.IdColumn,
            TextColumn = config.TextColumn,
            SplitColumn = config.TrainFile is null && config.Split == "column" ? config.SplitColumn ?? "split" : null,
            WeightColumn = config.WeightColumn,
            Targets = config.Targets,
        };
        if (config.TrainFile is { } train)
        {
            return DataSplits.Of(string.Join(", ", new[] { train, config.ValidFile!, config.TestFile }.OfType<string>().Select(Path.GetFileName)),
                config.Targets, Read(train, options), Read(config.ValidFile!, options), config.TestFile is { } test ? Read(test, options with { WeightColumn = null }) : []);
        }

        List<DataRow> rows = Read(config.File!, options);
        SplitFractions fractions = new(config.SplitFractions[0], config.SplitFractions[1], config.SplitFractions[2]);
        ulong seed = (ulong)config.SplitSeed;
        return config.Split switch
        {
            "column" => Splitter.Predefined(rows),
            { } method when Splitter.Methods.Contains(method) => Splitter.By(method, rows, fractions, seed),
            _ => throw new ArgumentException($"split: got {config.Split}, expected random, scaffold, grouped or column"),
        };
    }

    /// <summary>The same with a random part of the training rows, in their order: the seed of the split decides which.</summary>
    private static DataSplits Fewer(DataSplits splits, RunConfig config)
    {
        if (config.TrainRows is not { } count || count >= splits.Train.Count) return splits;
        int[] order = [.. Enumerable.Range(0, splits.Train.Count)];
        new SeededShuffle((ulong)config.SplitSeed).Shuffle(order);
        return splits.With($"{splits.Name}, {count} training rows", order.Take(count).Order().Select(i => splits.Train[i]), splits.Valid);
    }

    private static List<DataRow> Read(string path, DataFileOptions options)
    {
        using DataFile file = DataFile.Open(path, options);
        return [.. file.Rows()];
    }
}
