using System.CommandLine;
using System.Text.Json;
using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Cli.Tests;

public sealed class ApplicationTests : IDisposable
{
    private readonly StringWriter output = new(), error = new();

    [Fact]
    public async Task Version_is_one_number()
    {
        Assert.Equal(ExitCode.Done, await Run("--version"));
        Assert.Matches(@"^\d+\.\d+\.\d+\s*$", output.ToString());
    }

    [Theory]
    [InlineData]
    [InlineData("--help")]
    public async Task Help_is_data_and_names_the_commands(params string[] args)
    {
        Assert.Equal(ExitCode.Done, await Run(args));
        Assert.Contains("llmfusion [command]", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("doctor", output.ToString(), StringComparison.Ordinal);
        Assert.Empty(error.ToString());
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("doctor", "--nonsense")]
    [InlineData("doctor", "--json=perhaps")]
    public async Task Wrong_use_ends_with_2_and_leads_to_the_help(params string[] args)
    {
        Assert.Equal(ExitCode.WrongUse, await Run(args));
        Assert.StartsWith("error: ", error.ToString(), StringComparison.Ordinal);
        Assert.Contains(args[0] == "doctor" ? "./llmfusion doctor --help" : "./llmfusion --help", error.ToString(), StringComparison.Ordinal);
        Assert.Empty(output.ToString());
    }

    [Fact]
    public async Task Options_that_do_not_go_together_are_wrong_use()
    {
        Assert.Equal(ExitCode.WrongUse, await RunThrowing(new UsageException("--a goes without --b")));
        Assert.StartsWith("error: --a goes without --b" + Environment.NewLine, error.ToString(), StringComparison.Ordinal);
    }

    public static TheoryData<Exception, string> Failures => new()
    {
        { new FileNotFoundException("no file x.csv"), "error: no file x.csv" },
        { new ArgumentException("data set: got \"x\", expected qm9", "name"), "error: data set: got \"x\", expected qm9" },
        { new TypeInitializationException("T", new DllNotFoundException("no libx.so")), "error: no libx.so" },
        { new AggregateException(new InvalidDataException("line 3 is no number")), "error: line 3 is no number" },
        { new InvalidOperationException("odd"), "error: InvalidOperationException: odd" },
    };

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public async Task A_failure_is_a_message_without_a_stack_trace(Exception failure, string expected)
    {
        Assert.Equal(ExitCode.Failed, await RunThrowing(failure));
        Assert.StartsWith(expected + Environment.NewLine, error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Debug_shows_the_stack_trace_of_a_failure()
    {
        Assert.Equal(ExitCode.Failed, await RunThrowing(new IOException("disk full"), "--debug"));
        Assert.Contains("System.IO.IOException: disk full", error.ToString(), StringComparison.Ordinal);
        Assert.Contains("   at ", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_finds_every_part_and_says_where()
    {
        Assert.Equal(ExitCode.Done, await Run("doctor", "--json"));
        using JsonDocument report = JsonDocument.Parse(output.ToString());
        JsonElement[] parts = [.. report.RootElement.GetProperty("parts").EnumerateArray()];
        Assert.Equal(
            ["LlmFusion", ".NET runtime", ".NET SDK", "libtorch", "RDKit", "XGBoost", "OpenBLAS", "tcmalloc", "CUDA", "Open MPI"],
            parts.Select(p => p.GetProperty("name").GetString()));
        // Few machines have a GPU, not all need an MPI, and the launcher that preloads tcmalloc did not start this.
        parts = [.. parts.Where(p => p.GetProperty("name").GetString() is not ("CUDA" or "Open MPI" or "tcmalloc"))];
        Assert.All(parts, p => Assert.True(Path.Exists(p.GetProperty("path").GetString()), p.ToString()));
        Assert.All(parts, p => Assert.Matches(@"^\d+\.\d+\.\d+", p.GetProperty("version").GetString()!));
        Assert.True(report.RootElement.GetProperty("machine").GetProperty("threads").GetInt32() > 0);
        string[] folders = [.. report.RootElement.GetProperty("folders").EnumerateArray().Select(f => f.GetProperty("path").GetString()!)];
        Assert.Contains(Path.GetFullPath(Catalog.Folder), folders);
    }

    [Fact]
    public async Task Doctor_shows_a_table_that_a_pipe_can_read()
    {
        Assert.Equal(ExitCode.Done, await Run("doctor"));
        Assert.Contains("RDKit", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("Nothing is missing.", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", output.ToString(), StringComparison.Ordinal);
        Assert.Empty(error.ToString());
    }

    public void Dispose()
    {
        output.Dispose();
        error.Dispose();
    }

    private Task<int> Run(params string[] args) => Application.RunAsync(args, output, error);

    private Task<int> RunThrowing(Exception failure, params string[] options)
    {
        Command root = Application.Commands();
        var fail = new Command("fail");
        fail.SetRun((_, _, _) => throw failure);
        root.Add(fail);
        return Application.RunAsync(root, ["fail", .. options], output, error);
    }
}
