using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary><c>reproduce</c>: its plan; what runs is tested where it runs.</summary>
public sealed class ReproduceCommandTests : IDisposable
{
    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task A_dry_run_lists_the_cells_and_their_time()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("reproduce", "fusion", "--seeds", "2", "--only", "gr.,mfp.", "--dry-run", "-o", cli["study"]));
        Assert.Contains("gr.qm9.seed0", cli.Output);
        Assert.Contains("mfp.qm9.seed1", cli.Output);
        Assert.DoesNotContain("all.qm9", cli.Output, StringComparison.Ordinal);
        Assert.Contains("cells are left", cli.Output);
        Assert.False(Directory.Exists(cli["study"]));
    }

    [Fact]
    public async Task Cells_of_both_precisions_are_not_mixed()
    {
        // The repository's were run with --bf16.
        string folder = Path.Combine(ReadmeTests.Root(), "docs/results/fusion");
        Assert.Equal(ExitCode.WrongUse, await cli.Run("reproduce", "fusion", "--only", "gr.qm9.seed0", "--dry-run", "-o", folder));
        Assert.Contains("gr.qm9.seed0, sm.qm9.seed0", cli.Error);
        Assert.Contains("were run with --bf16", cli.Error);
        // Also where another cell is asked for.
        Assert.Equal(ExitCode.WrongUse, await cli.Run("reproduce", "fusion", "--only", "all-atoms", "--dry-run", "-o", folder));
        Assert.Equal(ExitCode.Done, await cli.Run("reproduce", "fusion", "--only", "gr.qm9.seed0", "--dry-run", "--bf16", "-o", folder));
        Assert.Contains("0 of 1 cells are left", cli.Output);
    }

    [Theory]
    [InlineData("--control", "reproduce", "pretraining", "-o", "out")]
    [InlineData("at least 1", "reproduce", "fusion", "--seeds", "0", "-o", "out")]
    [InlineData("-o", "reproduce", "fusion")]
    public async Task Wrong_use_is_told(string problem, params string[] arguments)
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run(arguments));
        Assert.Contains(problem, cli.Error);
    }
}
