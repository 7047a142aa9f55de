using System.Diagnostics;

namespace LlmFusion.Tests.Setup;

/// <summary>How a program that was run ended.</summary>
internal sealed record Ended(int ExitCode, string Output, string Error)
{
    public override string ToString() => $"exit code {ExitCode}\n--- stdout\n{Output}\n--- stderr\n{Error}";
}

/// <summary>Runs programs for tests.</summary>
internal static class Shell
{
    /// <summary>Runs a program to its end, in a process group of its own, so that a test may let it kill that group.</summary>
    public static async Task<Ended> RunAsync(
        string program, IEnumerable<string> arguments, string folder, IReadOnlyDictionary<string, string?> environment, TimeSpan limit)
    {
        // A test run that a shell put into the background ignores Ctrl-C, and its children would inherit that.
        var start = new ProcessStartInfo("env", ["--default-signal=INT", "setsid", "--wait", program, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string? value) in environment) start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        using var late = new CancellationTokenSource(limit);
        Task<string> output = process.StandardOutput.ReadToEndAsync(late.Token), error = process.StandardError.ReadToEndAsync(late.Token);
        await process.WaitForExitAsync(late.Token);
        return new Ended(process.ExitCode, await output, await error);
    }
}
