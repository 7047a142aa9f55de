using LlmFusion.Cli.Rendering;
using Xunit;

namespace LlmFusion.Cli.Tests;

public class RenderingTests
{
    [Fact]
    public void A_piped_table_is_plain_text_with_numbers_to_the_right()
    {
        var output = new StringWriter();
        var table = new DataTable("target", "mae") { Title = "test [split]" };
        table.Add("logp", 0.5);
        table.Add("[x]", 12.25);
        new Screen(output, TextWriter.Null).Table(table);
        string[] lines = [.. output.ToString().Split('\n').Select(l => l.TrimEnd())];
        Assert.Contains(lines, l => l.Contains("test [split]", StringComparison.Ordinal));
        Assert.Contains("  logp       0.5", lines);
        Assert.Contains("  [x]      12.25", lines);
    }

    [Fact]
    public void A_row_of_another_width_is_refused()
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => new DataTable("a", "b").Add(1));
        Assert.Contains("got 1 cells, expected 2", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0L, 100L, 1.0, "0 of 100 molecules (0 %)")]
    [InlineData(12000L, 24000L, 4.0, "12,000 of 24,000 molecules (50 %), 3,000/s, 4 s left")]
    [InlineData(5L, null, 2.0, "5 molecules, 2.5/s")]
    [InlineData(100L, 1000000L, 100.0, "100 of 1,000,000 molecules (0 %), 1.0/s, 277 h 45 min left")]
    public void Progress_tells_rate_and_time_left(long done, long? total, double seconds, string expected) =>
        Assert.Equal(expected, ProgressLine.Text(done, total, "molecules", TimeSpan.FromSeconds(seconds), beside: null));

    [Theory]
    [InlineData(0L, 548_100_000L, 0L, "0 B of 548.1 MB (0 %)")]
    [InlineData(274_050_000L, 548_100_000L, 0L, "274.1 MB of 548.1 MB (50 %), 27.4 MB/s, 10 s left")]
    [InlineData(500_000_000L, 548_100_000L, 499_995_000L, "500.0 MB of 548.1 MB (91 %), 500 B/s, 26 h 43 min left")]
    [InlineData(5_123L, null, 0L, "5.1 kB, 512 B/s")]
    public void Progress_of_bytes_counts_what_came_since(long done, long? total, long before, string expected) =>
        Assert.Equal(expected, ProgressLine.Text(done, total, "bytes", TimeSpan.FromSeconds(10), beside: null, before));

    [Fact]
    public void Without_a_terminal_short_work_prints_no_progress()
    {
        var error = new StringWriter();
        using (var progress = new ProgressLine(error, interactive: false, "rows", total: 2))
        {
            progress.Report(1);
            progress.Report(2);
        }

        Assert.Empty(error.ToString());
    }
}
