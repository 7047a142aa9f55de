using LlmFusion.DataSets;
using LlmFusion.Modalities;

namespace LlmFusion.Training;

/// <summary>Opens the data that a configuration names, in its three parts.</summary>
public static class RunData
{
    /// <summary>Reads the rows; molecules are not parsed yet, except where the split asks for their scaffolds.</summary>
    /// <exception cref="DataFileException">A file cannot be read as a table of molecules.</exception>
    public static DataSplits Open(RunConfig config)
    {
        if (config.Data == DemoDataSet.Name) return DemoDataSet.Open(config.Targets.Count > 0 ? config.Targets : null);
        if (config.Data is { } name) return Catalog.Open(name, new CatalogOptions { Targets = config.Targets.Count > 0 ? config.Targets : null });
        DataFileOptions options = new()
        {
            SmilesColumn = config.SmilesColumn,
            IdColumn = config.IdColumn,
            TextColumn = config.TextColumn,
            WantText = config.StackOrder().Contains(Modality.Text),
            SplitColumn = config.TrainFile is null && config.Split == "column" ? config.SplitColumn ?? "split" : null,
            Targets = config.Targets,
        };
        if (config.TrainFile is { } train)
        {
            return DataSplits.Of(string.Join(", ", new[] { train, config.ValidFile!, config.TestFile }.OfType<string>().Select(Path.GetFileName)),
                config.Targets, Read(train, options), Read(config.ValidFile!, options), config.TestFile is { } test ? Read(test, options) : []);
        }

        IReadOnlyList<DataRow> rows = Read(config.File!, options);
        double[] fractions = [.. config.SplitFractions];
        return Splitter.Split(config.Split, Path.GetFileName(config.File!), config.Targets, rows, new SplitFractions(fractions[0], fractions[1], fractions[2]), config.SplitSeed);
    }

    private static List<DataRow> Read(string path, DataFileOptions options)
    {
        using DataFile file = DataFile.Open(path, options);
        return [.. file.Rows()];
    }
}
