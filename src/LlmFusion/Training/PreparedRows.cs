using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Modalities;

namespace LlmFusion.Training;

/// <summary>Rows that cannot be used stand in the data and were not asked to be skipped.</summary>
public sealed class BadRowsException(IReadOnlyList<RowError> errors) : Exception(Describe(errors))
{
    private const int Shown = 10;

    /// <summary>All errors, in file order.</summary>
    public IReadOnlyList<RowError> Errors => errors;

    private static string Describe(IReadOnlyList<RowError> errors) =>
        string.Join(Environment.NewLine, errors.Take(Shown).Select(e => e.Message))
        + (errors.Count > Shown ? $"{Environment.NewLine}.. and {errors.Count - Shown} more" : "")
        + $"{Environment.NewLine}{errors.Count} bad row{(errors.Count == 1 ? "" : "s")}: mend the file, or leave such rows out with --skip-bad-rows";
}

/// <summary>The rows of one split whose molecules could be parsed, with their representations.</summary>
/// <param name="Rows">Valid rows, in file order.</param>
/// <param name="Representations">Their representations.</param>
/// <param name="Refused">Rows that could not be parsed.</param>
public sealed record PreparedRows(IReadOnlyList<DataRow> Rows, IReadOnlyList<Representations> Representations, IReadOnlyList<RowError> Refused)
{
    /// <summary>Parses and represents every row, on all cores, in order.</summary>
    /// <param name="rows">Rows that have a sample.</param>
    /// <param name="options">What to compute.</param>
    /// <param name="progress">Called with the number of rows done.</param>
    /// <param name="cancellation">Stops between rows.</param>
    public static PreparedRows Of(IReadOnlyList<DataRow> rows, RepresentationOptions options, Action<int>? progress, CancellationToken cancellation)
    {
        List<DataRow> valid = new(rows.Count);
        List<Representations> representations = new(rows.Count);
        List<RowError> refused = [];
        int done = 0;
        foreach ((DataRow row, Representations? of, RowError? error) in MoleculeBatch.Select(rows, row => Modalities.Representations.OfRow(row, options), ct: cancellation))
        {
            if (of is null)
            {
                refused.Add(error!);
            }
            else
            {
                valid.Add(row);
                representations.Add(of);
            }

            if (++done % 1000 == 0 || done == rows.Count) progress?.Invoke(done);
        }

        return new PreparedRows(valid, representations, refused);
    }
}
