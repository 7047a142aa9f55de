using System.Security.Cryptography;
using System.Text;

namespace LlmFusion.DataSets;

/// <summary>A data set in its three parts, in memory, each in file order; every row of a part has a sample.</summary>
/// <param name="Train">The rows to learn from.</param>
/// <param name="Valid">The rows that choices are made on.</param>
/// <param name="Test">The rows that are opened once.</param>
/// <param name="Name">The data set and how it was split, in words.</param>
/// <param name="Targets">The targets' names in the order of <see cref="Sample.Targets"/>.</param>
/// <param name="Sha256">A hash of each row's id, SMILES and part: two equal hashes are the same split.</param>
public sealed record DataSplits(
    IReadOnlyList<DataRow> Train,
    IReadOnlyList<DataRow> Valid,
    IReadOnlyList<DataRow> Test,
    string Name,
    IReadOnlyList<string> Targets,
    string Sha256)
{
    /// <summary>The rows that are in no part because they are no samples, with their errors, in file order.</summary>
    public IReadOnlyList<DataRow> Refused { get; init; } = [];

    /// <summary>Training rows that were left out of joint data, as their molecule stands in validation or test of one of the data sets.</summary>
    public IReadOnlyList<DataRow> HeldOut { get; init; } = [];

    /// <summary>Each target's unit in the order of <see cref="Targets"/>, empty where it has none or none is known.</summary>
    public IReadOnlyList<string> Units => [.. Targets.Select(KnownTargets.UnitOf)];

    /// <summary>The three parts with their names, in order.</summary>
    public IEnumerable<(string Name, IReadOnlyList<DataRow> Rows)> InOrder() =>
        [(Parts.Train, Train), (Parts.Valid, Valid), (Parts.Test, Test)];

    /// <summary>Puts rows together and takes their hash; refused rows are moved to <see cref="Refused"/>.</summary>
    public static DataSplits Of(
        string name, IReadOnlyList<string> targets, IEnumerable<DataRow> train, IEnumerable<DataRow> valid, IEnumerable<DataRow> test,
        IEnumerable<DataRow>? refused = null)
    {
        List<DataRow> bad = [.. refused ?? []];
        List<DataRow>[] parts = [[], [], []];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((int part, IEnumerable<DataRow> rows) in new[] { train, valid, test }.Index())
        {
            foreach (DataRow row in rows)
            {
                if (row.Sample is not { } sample)
                {
                    bad.Add(row);
                    continue;
                }

                sample = sample.Split == Parts.All[part] ? sample : sample with { Split = Parts.All[part] };
                parts[part].Add(ReferenceEquals(sample, row.Sample) ? row : row with { Sample = sample });
                hash.AppendData(Encoding.UTF8.GetBytes($"{sample.Id}\t{sample.Smiles}\t{sample.Split}\n"));
            }
        }

        return new DataSplits(parts[0], parts[1], parts[2], name, targets, Convert.ToHexStringLower(hash.GetHashAndReset())) { Refused = bad };
    }

    /// <summary>The same data set with other training and validation rows, and their hash.</summary>
    internal DataSplits With(string name, IEnumerable<DataRow> train, IEnumerable<DataRow> valid) => Of(name, Targets, train, valid, Test, Refused) with { HeldOut = HeldOut };

    /// <summary>Writes the three parts as train, valid and test, with the columns that the rows came with; all three or none.</summary>
    /// <param name="folder">The folder, made where it is missing.</param>
    /// <param name="extension">csv, tsv, csv.gz, tsv.gz or parquet; null for that of the rows' own file, csv where it cannot be written.</param>
    /// <returns>The three files' paths.</returns>
    /// <exception cref="ArgumentException">The rows come from files with different columns, or from one that would be replaced.</exception>
    public IReadOnlyList<string> Save(string folder, string? extension = null)
    {
        TableLayout[] layouts = [.. InOrder().SelectMany(p => p.Rows).Select(r => r.Layout).Distinct(ReferenceEqualityComparer.Instance).Cast<TableLayout>()];
        IReadOnlyList<string>[] columns = [.. layouts.Select(layout => layout.Columns)];
        if (columns.Length == 0)
            throw new ArgumentException("split: got no rows, expected some", nameof(folder));
        if (Array.Find(columns, c => !c.SequenceEqual(columns[0])) is { } other)
            throw new ArgumentException($"columns: got {string.Join(", ", other)}, expected those of the first file, {string.Join(", ", columns[0])}", nameof(folder));

        extension = (extension ?? TableFormats.Writable(layouts[0].File) ?? "csv").TrimStart('.');
        string[] paths = [.. Parts.All.Select(part => Path.Combine(folder, $"{part}.{extension}"))];
        if (Array.Find(layouts, layout => paths.Any(path => Path.GetFullPath(path) == Path.GetFullPath(layout.File))) is { } source)
            throw new ArgumentException($"output folder: got \"{folder}\", where {source.File} would be replaced by a part of itself, expected another one", nameof(folder));

        Directory.CreateDirectory(folder);
        List<TableWriter> writers = [];
        try
        {
            foreach ((string path, (_, IReadOnlyList<DataRow> rows)) in paths.Zip(InOrder()))
            {
                writers.Add(TableWriter.Open(path, columns[0]));
                foreach (DataRow row in rows)
                    writers[^1].Write(row.Fields);
            }

            writers.ForEach(writer => writer.Commit());
            return paths;
        }
        finally
        {
            writers.ForEach(writer => writer.Dispose());
        }
    }
}
