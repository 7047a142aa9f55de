using Xunit;

namespace LlmFusion.Tests.Setup;

public sealed class LauncherTests : IDisposable
{
    private readonly Sandbox sandbox = new();

    public void Dispose() => sandbox.Dispose();

    [Fact]
    public async Task The_first_start_builds_what_is_missing_and_then_runs_the_program()
    {
        Ended ended = await sandbox.StartAsync("llmfusion", ["predict", "--smiles", "C C"], ("PROGRAM_CODE", "3"));
        Assert.Equal(3, ended.ExitCode);
        // stdout is the program's alone, and it runs where the user stands.
        Assert.Equal($"in {sandbox.Elsewhere}: predict --smiles C C\n", ended.Output);
        Assert.Collection(
            sandbox.Calls(),
            c => Assert.StartsWith("cmake -S ", c, StringComparison.Ordinal),
            c => Assert.StartsWith("cmake --build ", c, StringComparison.Ordinal),
            c => Assert.StartsWith("dotnet build src/LlmFusion.Cli/LlmFusion.Cli.csproj -c Release", c, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_second_start_builds_nothing_also_through_a_link()
    {
        await SetUp();
        string link = Path.Combine(sandbox.Elsewhere, "link");
        File.CreateSymbolicLink(link, Path.Combine(sandbox.Root, "llmfusion"));
        foreach (string script in new[] { "llmfusion", link })
        {
            Ended ended = await sandbox.StartAsync(script);
            Assert.Equal(0, ended.ExitCode);
            Assert.Empty(ended.Error);
            Assert.Empty(sandbox.Calls());
        }
    }

    [Fact]
    public async Task The_program_allocates_by_tcmalloc_unless_the_user_preloads_something()
    {
        await SetUp();
        Assert.Contains("preload /usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4\n", (await sandbox.StartAsync("llmfusion", null, ("SHOW_PRELOAD", "1"))).Output, StringComparison.Ordinal);
        Assert.Contains("preload libc.so.6\n", (await sandbox.StartAsync("llmfusion", null, ("SHOW_PRELOAD", "1"), ("LD_PRELOAD", "libc.so.6"))).Output, StringComparison.Ordinal);
    }

    public static TheoryData<string, Action<string>> Changes => new()
    {
        { "an edited source", root => File.AppendAllText(Path.Combine(root, "src/LlmFusion.Cli/Program.cs"), "//") },
        { "an older version of a source", root => File.SetLastWriteTimeUtc(Path.Combine(root, "src/LlmFusion.Cli/Program.cs"), new DateTime(2020, 1, 1)) },
        { "a new source", root => File.WriteAllText(Path.Combine(root, "src/LlmFusion.Cli/New.cs"), "") },
        { "a deleted source", root => File.Delete(Path.Combine(root, "src/LlmFusion.Cli/Program.cs")) },
        { "an edited property", root => File.AppendAllText(Path.Combine(root, "Directory.Build.props"), " ") },
        { "a deleted output", root => File.Delete(Path.Combine(root, "src/LlmFusion.Cli/bin/Release/net10.0/LlmFusion.dll")) },
        { "a truncated output", root => File.WriteAllText(Path.Combine(root, "src/LlmFusion.Cli/bin/Release/net10.0/LlmFusion.dll"), "") },
        { "no output at all", root => Directory.Delete(Path.Combine(root, "src/LlmFusion.Cli/bin"), recursive: true) },
        { "a lost RDKit library", root => Directory.Delete(Path.Combine(root, "native/rdkit/build"), recursive: true) },
        { "lost state", root => Directory.Delete(Path.Combine(root, ".setup"), recursive: true) },
    };

    [Theory]
    [MemberData(nameof(Changes), DisableDiscoveryEnumeration = true)]
    public async Task A_change_builds_again_once(string what, Action<string> change)
    {
        await SetUp();
        change(sandbox.Root);
        Assert.Equal(0, (await sandbox.StartAsync("llmfusion")).ExitCode);
        Assert.True(sandbox.Calls().Any(c => c.StartsWith("dotnet build", StringComparison.Ordinal)), what);
        Assert.Equal(0, (await sandbox.StartAsync("llmfusion")).ExitCode);
        Assert.Empty(sandbox.Calls());
    }

    [Fact]
    public async Task A_change_that_is_no_source_builds_nothing()
    {
        await SetUp();
        sandbox.Write("README.md", "changed");
        sandbox.Write("tests/Some.Tests/New.cs", "");
        await sandbox.StartAsync("llmfusion");
        Assert.Empty(sandbox.Calls());
    }

    [Theory]
    [InlineData("DOTNET_BUILD", "echo half >src/LlmFusion.Cli/obj/half; kill -9 0")]
    [InlineData("DOTNET_BUILD", "echo half >src/LlmFusion.Cli/obj/half; kill -INT 0; sleep 0.1; exit 1")]
    [InlineData("CMAKE_BUILD", "kill -9 0")]
    public async Task A_killed_set_up_heals(string step, string killed)
    {
        Ended ended = await sandbox.StartAsync("llmfusion", null, (step, killed));
        Assert.NotEqual(0, ended.ExitCode);
        Assert.Empty(ended.Output);
        string half = Path.Combine(sandbox.Root, "src/LlmFusion.Cli/obj/half");
        Assert.Equal(step == "DOTNET_BUILD", File.Exists(half));

        ended = await sandbox.StartAsync("llmfusion");
        Assert.True(ended.ExitCode == 0, ended.ToString());
        // What the killed build left looks newer than its sources: it must be gone.
        Assert.False(File.Exists(half));
        sandbox.Calls();
        Assert.Equal(0, (await sandbox.StartAsync("llmfusion")).ExitCode);
        Assert.Empty(sandbox.Calls());
    }

    [Fact]
    public async Task A_failed_build_shows_its_errors_once_and_the_next_start_tries_again()
    {
        const string Failure = "echo 'A.cs(1,2): error CS1: bad'; echo noise; echo 'A.cs(1,2): error CS1: bad'; exit 1";
        Ended ended = await sandbox.StartAsync("llmfusion", null, ("DOTNET_BUILD", Failure));
        Assert.Equal(1, ended.ExitCode);
        Assert.Equal(2, ended.Error.Split("error CS1: bad").Length);
        Assert.DoesNotContain("noise", ended.Error, StringComparison.Ordinal);
        Assert.Contains(".setup/build.log", ended.Error, StringComparison.Ordinal);
        Assert.Equal(0, (await sandbox.StartAsync("llmfusion")).ExitCode);
    }

    [Fact]
    public async Task A_source_edited_during_the_build_is_built_at_the_next_start()
    {
        await sandbox.StartAsync("llmfusion", null, ("DOTNET_BUILD", "echo edited >>src/LlmFusion.Cli/Program.cs"));
        sandbox.Calls();
        await sandbox.StartAsync("llmfusion");
        Assert.Single(sandbox.Calls());
    }

    [Fact]
    public async Task Two_first_starts_at_once_build_once()
    {
        Ended[] both = await Task.WhenAll(
            sandbox.StartAsync("llmfusion", null, ("DOTNET_BUILD", "sleep 0.5")),
            sandbox.StartAsync("llmfusion", null, ("DOTNET_BUILD", "sleep 0.5")));
        Assert.All(both, e => Assert.True(e.ExitCode == 0, e.ToString()));
        Assert.Single(both, e => e.Error.Contains("waiting", StringComparison.Ordinal));
        Assert.Single(sandbox.Calls(), c => c.StartsWith("dotnet build", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_moved_folder_is_built_afresh()
    {
        await SetUp();
        sandbox.Write("src/LlmFusion.Cli/obj/names-the-old-place", "");
        string moved = Path.Combine(sandbox.Elsewhere, "moved here");
        Directory.Move(sandbox.Root, moved);
        sandbox.Root = moved;
        Ended ended = await sandbox.StartAsync("llmfusion");
        Assert.True(ended.ExitCode == 0, ended.ToString());
        Assert.Equal(3, sandbox.Calls().Count);
        Assert.False(File.Exists(Path.Combine(moved, "src/LlmFusion.Cli/obj/names-the-old-place")));
    }

    [Fact]
    public async Task Root_gets_exactly_the_missing_packages_installed()
    {
        Ended ended = await sandbox.StartAsync("llmfusion", null, ("MISSING", "cmake librdkit-dev"));
        Assert.True(ended.ExitCode == 0, ended.ToString());
        string install = Assert.Single(sandbox.Calls(), c => c.StartsWith("apt-get", StringComparison.Ordinal) && c.Contains(" install ", StringComparison.Ordinal));
        Assert.EndsWith(" cmake librdkit-dev", install, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_root_and_sudo_what_only_makes_it_faster_stops_nothing()
    {
        Ended ended = await sandbox.StartAsync("llmfusion", null, ("MISSING", "libtcmalloc-minimal4"), ("USER_ID", "1000"));
        Assert.True(ended.ExitCode == 0, ended.ToString());
        Assert.Contains("works without: libtcmalloc-minimal4", ended.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("libtcmalloc-minimal4", 0, "works without them")]
    [InlineData("cmake libtcmalloc-minimal4", 1, "apt-get could not install cmake libtcmalloc-minimal4")]
    public async Task Without_a_network_only_what_is_needed_stops_the_set_up(string missing, int code, string says)
    {
        Ended ended = await sandbox.StartAsync("llmfusion", null, ("MISSING", missing), ("NO_NETWORK", "1"));
        Assert.True(ended.ExitCode == code, ended.ToString());
        Assert.Contains(says, ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_root_and_sudo_the_command_is_printed_and_nothing_is_done()
    {
        Ended ended = await sandbox.StartAsync("llmfusion", null, ("MISSING", "cmake librdkit-dev"), ("USER_ID", "1000"));
        Assert.Equal(1, ended.ExitCode);
        Assert.Contains(
            "\n    sudo apt-get update && sudo apt-get install -y --no-install-recommends cmake librdkit-dev\n", ended.Error, StringComparison.Ordinal);
        Assert.Empty(sandbox.Calls());
    }

    [Fact]
    public async Task A_missing_SDK_is_named_with_the_way_to_get_it()
    {
        Ended ended = await sandbox.StartAsync("llmfusion", null, ("NO_SDK", "1"));
        Assert.Equal(1, ended.ExitCode);
        Assert.Contains("SDK 10.0 is needed", ended.Error, StringComparison.Ordinal);
        Assert.Contains("too old or too new: 8.0.100", ended.Error, StringComparison.Ordinal);
        Assert.Contains("--channel 10.0", ended.Error, StringComparison.Ordinal);
    }

    private async Task SetUp()
    {
        Ended ended = await sandbox.StartAsync("llmfusion");
        Assert.True(ended.ExitCode == 0, ended.ToString());
        sandbox.Calls();
    }
}
