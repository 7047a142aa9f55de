using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary>Training as a process of its own: what signals, limits and missing rights do to it.</summary>
public sealed partial class TrainProcessTests : IDisposable
{
    private const int Interrupt = 2, Kill = 9, Terminate = 15;

    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task A_run_killed_at_random_moments_ends_with_the_bytes_of_one_that_was_not()
    {
        bool slow = Environment.GetEnvironmentVariable("LLMFUSION_SLOW_TESTS") == "1";
        string[] data = slow ? ["--data", "demo", "--epochs", "4"] : [Molecules(96), "--targets", "a", "--epochs", "8", "--batch-size", "16"];
        string[] options = [.. data, "--size", "tiny", "--modalities", "smiles,fingerprint", "--dropout", "0.2", "--checkpoint-minutes", "0.001", "--seed", "5"];
        Ended whole = await Run(["train", .. options, "-o", cli["whole"]]);
        Assert.True(whole.Code == ExitCode.Done, whole.Error);

        // A moment is a count of lines in the log, so that slow machines are killed in training as well.
        Random random = new(20);
        string events = Path.Combine(cli["killed"], "events.jsonl");
        string[] arguments = ["train", .. options, "-o", cli["killed"]];
        int kills = 0;
        for (int attempt = 0; attempt < (slow ? 20 : 4); attempt++)
        {
            using Process process = Start(arguments);
            int lines = Count(events) + random.Next(1, slow ? 12 : 14), delay = random.Next(0, 40);
            while (!process.HasExited && Count(events) < lines) await Task.Delay(5, TestContext.Current.CancellationToken);
            await Task.Delay(delay, TestContext.Current.CancellationToken);
            if (!process.HasExited) Signal(process.Id, Kill);
            Ended ended = await End(process);
            if (ended.Code == ExitCode.Done) break;
            Assert.True(ended.Code == 128 + Kill, $"{ended.Code}: {ended.Error}");
            kills++;
            arguments = ["train", "--resume", cli["killed"]];
        }

        Assert.True(kills >= 2, $"{kills} kills");
        if (!File.Exists(Path.Combine(cli["killed"], "llmfusion.json")) || Directory.Exists(Path.Combine(cli["killed"], "checkpoints")))
        {
            Ended last = await Run(arguments);
            Assert.True(last.Code == ExitCode.Done, last.Error);
        }

        AssertSame("killed");
    }

    [Fact]
    public async Task A_stopped_run_says_how_it_goes_on_and_loses_nothing()
    {
        // So many epochs that the run is not over before the signal is there.
        string[] options = [Molecules(96), "--targets", "a", "--epochs", "30", "--early-stopping", "30", "--batch-size", "16", "--size", "tiny", "--modalities", "smiles,fingerprint"];
        Assert.Equal(ExitCode.Done, (await Run(["train", .. options, "-o", cli["whole"]])).Code);
        string events = Path.Combine(cli["stopped"], "events.jsonl");
        string[] arguments = ["train", .. options, "-o", cli["stopped"]];
        foreach ((int signal, int code, int lines) in new[] { (Interrupt, ExitCode.Stopped, 2), (Terminate, ExitCode.Terminated, 9) })
        {
            using Process process = Start(arguments);
            while (!process.HasExited && Count(events) < lines) await Task.Delay(5, TestContext.Current.CancellationToken);
            Signal(process.Id, signal);
            Ended stopped = await End(process);
            Assert.True(stopped.Code == code, $"{stopped.Code}: {stopped.Error}");
            Assert.Contains($"./llmfusion train --resume {cli["stopped"]}", stopped.Output + stopped.Error);
            arguments = ["train", "--resume", cli["stopped"]];
        }

        Ended resumed = await Run(arguments);
        Assert.True(resumed.Code == ExitCode.Done, resumed.Error);
        AssertSame("stopped");
    }

    [Fact]
    public async Task A_full_disk_is_said_and_the_run_goes_on_when_there_is_room()
    {
        string[] options = [Molecules(64), "--targets", "a", "--epochs", "3", "--batch-size", "16", "--size", "tiny", "--modalities", "smiles,fingerprint", "--checkpoint-minutes", "0"];
        Assert.Equal(ExitCode.Done, (await Run(["train", .. options, "-o", cli["whole"]])).Code);
        // No file may grow beyond 2 MiB: the first checkpoint, without the optimiser's moments, has room; the second has not.
        Ended full = await Run(Limited(["train", .. options, "-o", cli["full"]]));
        Assert.Equal(ExitCode.Failed, full.Code);
        Assert.Contains("last.safetensors: cannot be written", full.Error);
        Assert.Contains("is intact", full.Error);
        Assert.DoesNotContain("   at ", full.Error);
        Assert.Single(Directory.GetFiles(Path.Combine(cli["full"], "checkpoints")));
        Ended resumed = await Run("train", "--resume", cli["full"]);
        Assert.True(resumed.Code == ExitCode.Done, resumed.Error);
        AssertSame("full");
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_said_before_any_work_is_done()
    {
        // Root may write anywhere but here.
        Assert.Equal(ExitCode.Failed, await cli.Run("train", Molecules(16), "--targets", "a", "-o", "/proc/self/model"));
        Assert.Contains("/proc/self/model: cannot be written", cli.Error);
        Assert.DoesNotContain("training", cli.Error);
        cli.Write("file", "text");
        Assert.Equal(ExitCode.Failed, await cli.Run("train", Molecules(16), "--targets", "a", "-o", Path.Combine(cli["file"], "model")));
        Assert.Contains("cannot be written", cli.Error);
        Assert.Equal(ExitCode.Failed, await cli.Run("train", cli["nowhere.csv"], "--targets", "a", "-o", cli["model"]));
        Assert.Contains("nowhere.csv", cli.Error);
        Assert.False(Directory.Exists(cli["model"]));
    }

    [Fact]
    public async Task Options_of_resuming_that_do_not_go_together_are_wrong_use()
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run("train", "--resume", cli["x"], "--overwrite"));
        Assert.Equal(ExitCode.WrongUse, await cli.Run("train", "--resume", cli["x"], "-o", cli["y"]));
        Assert.Equal(ExitCode.WrongUse, await cli.Run("train", Molecules(16), "--targets", "a", "-o", cli["y"], "--accept-changes"));
        Assert.Equal(ExitCode.WrongUse, await cli.Run("train", "--resume", cli["x"]));
        Assert.Contains("config.yaml", cli.Error);
    }

    [Fact]
    public async Task The_commands_of_the_page_on_runs_work_as_written()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "LlmFusion.slnx"))) root = Path.GetDirectoryName(root)!;
        // Two go on with a run that a reader has interrupted.
        string[] commands = [.. File.ReadLines(Path.Combine(root, "docs", "training-runs.md")).Where(l => l.StartsWith("    ./llmfusion train ", StringComparison.Ordinal)).Where(l => !l.Contains("--resume my-run"))];
        Assert.Equal(3, commands.Length);
        foreach (string command in commands)
        {
            string[] words = [.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(w => w.StartsWith("docs/", StringComparison.Ordinal) ? Path.Combine(root, w) : w.StartsWith("my-", StringComparison.Ordinal) ? cli[w] : w)];
            Assert.True(await cli.Run(words) == ExitCode.Done, $"{command}\n{cli.Error}");
        }

        Assert.Contains("Best epoch", cli.Output);
        Assert.Contains("of 8,", cli.Output);
    }

    private sealed record Ended(int Code, string Output, string Error);

    private static string Program => Path.Combine(AppContext.BaseDirectory, "LlmFusion.Cli");

    private static int Count(string file)
    {
        if (!File.Exists(file)) return 0;
        using StreamReader reader = new(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        int lines = 0;
        while (reader.ReadLine() is not null) lines++;
        return lines;
    }

    private static async Task<Ended> Run(params string[] arguments)
    {
        using Process process = Start(arguments);
        return await End(process);
    }

    private static async Task<Ended> End(Process process)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return new Ended(process.ExitCode, await output, await error);
    }

    private static Process Start(params string[] arguments)
    {
        string[] command = arguments[0] == "bash" ? arguments : [Program, .. arguments];
        // Tests that a script has put in the background ignore Ctrl-C, and what they start would too.
        ProcessStartInfo start = new("env", ["--default-signal=INT", .. command]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["OMP_WAIT_POLICY"] = "PASSIVE";
        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0"; // .NET maps its code by a large file, which a limit on files would forbid
        return Process.Start(start)!;
    }

    /// <summary>A shell that lets no file grow beyond 2 MiB, and hands the error over instead of its signal.</summary>
    private static string[] Limited(params string[] arguments) => ["bash", "-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "bash", Program, .. arguments];

    private static void Signal(int process, int signal)
    {
        if (SendSignal(process, signal) != 0) throw new Win32Exception();
    }

    private string Molecules(int count)
    {
        string[] parts = ["C", "CC", "O", "N", "C(=O)", "c1ccccc1", "C(F)", "S"];
        return cli.Write("molecules.csv", ["smiles,a", .. Enumerable.Range(0, count).Select(i => $"C{parts[i % 8]}{parts[i / 8 % 8]}{parts[i / 64 % 8]}C,{Math.Sin(i):F4}")]);
    }

    private void AssertSame(string folder)
    {
        foreach (string file in new[] { "model.safetensors", "encoders/smiles/model.safetensors" })
            Assert.Equal(Sha256(Path.Combine(cli["whole"], file)), Sha256(Path.Combine(cli[folder], file)));
        // Each epoch once in the log, none lost.
        Assert.Equal(Epochs("whole"), Epochs(folder));
    }

    private string[] Epochs(string folder) => [.. File.ReadLines(Path.Combine(cli[folder], "training-log.csv")).Select(l => string.Join(',', l.Split(',')[..4]))];

    private static string Sha256(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}
