using System.Globalization;
using Spectre.Console;

namespace LlmFusion.Cli.Rendering;

/// <summary>A table to show: a title, columns, rows of text. Columns of numbers are aligned to the right.</summary>
internal sealed class DataTable(params string[] columns)
{
    private readonly List<string[]> rows = [];

    /// <summary>A line over the table; null for none.</summary>
    public string? Title { get; init; }

    /// <summary>Adds a row of as many cells as there are columns; numbers are written in the invariant culture.</summary>
    public void Add(params object?[] cells)
    {
        if (cells.Length != columns.Length)
            throw new ArgumentException($"table row: got {cells.Length} cells, expected {columns.Length}", nameof(cells));
        rows.Add([.. cells.Select(c => Convert.ToString(c, CultureInfo.InvariantCulture) ?? "")]);
    }

    internal Table Drawn(bool boxed)
    {
        Table table = new Table().Border(boxed ? TableBorder.Rounded : TableBorder.Simple).BorderColor(Color.Grey);
        if (Title is not null) table.Title(Markup.Escape(Title));
        for (int i = 0; i < columns.Length; i++)
        {
            bool numbers = rows.Count > 0 && rows.All(r => r[i].Length == 0 || IsNumber(r[i]));
            var column = new TableColumn(new Text(columns[i], new Style(decoration: Decoration.Bold)));
            table.AddColumn(numbers ? column.RightAligned() : column);
        }

        foreach (string[] row in rows) table.AddRow(row.Select(c => new Text(c)));
        return table;
    }

    private static bool IsNumber(string text) =>
        double.TryParse(text.Replace(",", "", StringComparison.Ordinal).TrimEnd('%'), NumberStyles.Float, CultureInfo.InvariantCulture, out _);
}
