using System.Diagnostics;
using Xunit;

namespace LlmFusion.Cli.Tests;

/// <summary>The program, as several processes that train together (mpirun) or as one.</summary>
internal sealed class MpiRun : IDisposable
{
    /// <summary>The test machine's one node stands for several; root is what containers run as.</summary>
    private static readonly string[] Options =
        ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none", "--mca", "btl", "self,vader", "--mca", "mpi_yield_when_idle", "1"];

    private readonly StringWriter _output = new(), _error = new();
    private readonly TaskCompletionSource _epoch = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Why several processes cannot be started; null if they can.</summary>
    public static string? Missing { get; } =
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(p => File.Exists(Path.Combine(p, "mpirun"))) ? null : "mpirun is not installed (Debian: openmpi-bin)";

    /// <summary>Starts the command line.</summary>
    /// <param name="processes">How many; 1 starts no launcher.</param>
    /// <param name="arguments">Its arguments.</param>
    public MpiRun(int processes, params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "LlmFusion.Cli");
        ProcessStartInfo start = processes == 1 ? new(program, arguments) : new("mpirun", [.. Options, "-n", $"{processes}", program, .. arguments]);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["OMP_WAIT_POLICY"] = "PASSIVE";
        Process = Process.Start(start)!;
        Process.OutputDataReceived += (_, line) => Write(_output, line.Data);
        Process.ErrorDataReceived += (_, line) =>
        {
            Write(_error, line.Data);
            if (line.Data?.Contains("epoch 1: loss", StringComparison.Ordinal) == true) _epoch.TrySetResult();
        };
        Process.BeginOutputReadLine();
        Process.BeginErrorReadLine();
    }

    /// <summary>The program, or the launcher.</summary>
    public Process Process { get; }

    /// <summary>Ends when the first epoch and its checkpoint are done.</summary>
    public Task FirstEpoch => _epoch.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

    /// <summary>What was written to stdout so far.</summary>
    public string Output => Text(_output);

    /// <summary>What was written to stderr so far.</summary>
    public string Error => Text(_error);

    /// <summary>The processes that the launcher started.</summary>
    public int[] Ranks() => [.. Process.GetProcessesByName("LlmFusion.Cli").Where(p => ParentOf(p.Id) == Process.Id).Select(p => p.Id).Order()];

    /// <summary>Waits for the end.</summary>
    public async Task<int> End()
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        late.CancelAfter(TimeSpan.FromSeconds(90));
        await Process.WaitForExitAsync(late.Token);
        return Process.ExitCode;
    }

    /// <summary>Runs to the end, which must be a good one.</summary>
    public static async Task<MpiRun> Done(int processes, params string[] arguments)
    {
        MpiRun run = new(processes, arguments);
        Assert.True(await run.End() == 0, $"{processes} processes ended with {run.Process.ExitCode}\n{run.Output}\n{run.Error}");
        return run;
    }

    public void Dispose()
    {
        if (!Process.HasExited) Process.Kill(entireProcessTree: true);
        Process.Dispose();
    }

    private static int ParentOf(int process)
    {
        try
        {
            // pid (name) state parent ..
            return int.Parse(File.ReadAllText($"/proc/{process}/stat").Split(") ")[^1].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static void Write(StringWriter writer, string? line)
    {
        if (line is null) return;
        lock (writer) writer.WriteLine(line);
    }

    private static string Text(StringWriter writer)
    {
        lock (writer) return writer.ToString();
    }
}
