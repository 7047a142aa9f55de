using Xunit;

namespace LlmFusion.Tests.Setup;

/// <summary>test.sh believes the result files, and never calls a run good that was none.</summary>
public sealed class TestRunnerTests : IDisposable
{
    private const string Report = """
        cat >"$5/Some.Tests.xml" <<'XML'
        <assemblies><assembly name="a" errors="0" failed="FAILED" not-run="0" passed="PASSED" skipped="1" total="9"><test id="1" name="Good &lt;x&gt;" type="T" result="RESULT" /></assembly></assemblies>
        XML
        """;

    private readonly Sandbox sandbox = new();

    public void Dispose() => sandbox.Dispose();

    [Fact]
    public async Task Passed_and_skipped_tests_are_counted()
    {
        Ended ended = await Run(Reported(7, 0) + "\nexit 0");
        Assert.True(ended.ExitCode == 0, ended.ToString());
        Assert.EndsWith("\n7 passed, 0 failed, 1 skipped\n", ended.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_test_is_named_and_fails_the_run()
    {
        Ended ended = await Run(Reported(7, 1) + "\nexit 2");
        Assert.Equal(1, ended.ExitCode);
        Assert.EndsWith("\nFailed:\n  Good <x>\n7 passed, 1 failed, 1 skipped\n", ended.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, 134)] // a crash after the report was written
    [InlineData(false, 134)]
    [InlineData(false, 0)]
    [InlineData(false, 2)]
    [InlineData(false, 5)]
    public async Task A_test_program_that_crashed_or_left_no_report_fails_the_run(bool report, int code)
    {
        Ended ended = await Run((report ? Reported(7, 0) : "") + $"\nexit {code}");
        Assert.Equal(1, ended.ExitCode);
        Assert.EndsWith($"  Some.Tests ended with exit code {code}\n{(report ? 7 : 0)} passed, 1 failed, {(report ? 1 : 0)} skipped\n", ended.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_without_a_test_is_no_success()
    {
        Ended ended = await Run("exit 8");
        Assert.Equal(1, ended.ExitCode);
        Assert.EndsWith("error: no test ran\n0 passed, 0 failed, 0 skipped\n", ended.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_word_becomes_a_filter_and_options_are_handed_on()
    {
        const string Says = "echo \"$*\" >\"$TOP/arguments\"; exit 8";
        await Run(Says, "Selfies");
        string arguments = Path.Combine(sandbox.Elsewhere, "arguments");
        Assert.EndsWith(" --filter-method *Selfies*\n", File.ReadAllText(arguments), StringComparison.Ordinal);
        await Run(Says, "--filter-class", "*A");
        Assert.EndsWith(" --filter-class *A\n", File.ReadAllText(arguments), StringComparison.Ordinal);
    }

    private static string Reported(int passed, int failed) => Report.ReplaceLineEndings("\n")
        .Replace("PASSED", $"{passed}", StringComparison.Ordinal)
        .Replace("FAILED", $"{failed}", StringComparison.Ordinal)
        .Replace("RESULT", failed > 0 ? "Fail" : "Pass", StringComparison.Ordinal);

    private Task<Ended> Run(string host, params string[] arguments) => sandbox.StartAsync("test.sh", arguments, ("TEST_HOST", host));
}
