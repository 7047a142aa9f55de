using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace LlmFusion.Experiments;

/// <summary>Runs a study's cells in several processes at once, each with its share of the cores: small networks leave cores idle.</summary>
/// <param name="run">The study's run.</param>
/// <param name="jobs">Processes at once.</param>
/// <param name="start">The command that runs one cell and writes no report; its file name and arguments.</param>
/// <param name="output">The study's folder, where each process's output is kept in <c>runs/CELL.log</c> until its cell is done.</param>
public sealed partial class StudyJobs(StudyRun run, int jobs, Func<StudyCell, ProcessStartInfo> start, string output)
{
    private const int Terminate = 15; // SIGTERM

    /// <summary>Runs what is not done.</summary>
    /// <param name="observe">Receives what happens, one thing at a time.</param>
    /// <param name="cancellation">Stops the processes; their cells go on in the next call.</param>
    /// <returns>Whether all cells are done.</returns>
    /// <exception cref="InvalidOperationException">Processes failed; the message names them and the log of the first. The others were run all the same.</exception>
    public bool Run(Action<StudyEvent> observe, CancellationToken cancellation)
    {
        StudyCell[] left = [.. run.Cells.Where(cell => run.ResultOf(cell) is null)];
        Directory.CreateDirectory(Path.Combine(output, "runs"));
        Lock one = new();
        Exception? failure = null;
        List<StudyCell> failed = [];
        int next = 0;
        Thread[] workers = [.. Enumerable.Range(0, Math.Min(jobs, left.Length)).Select(_ => new Thread(Work))];
        foreach (Thread worker in workers) worker.Start();
        foreach (Thread worker in workers) worker.Join();
        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
        if (failed.Count > 0) throw new InvalidOperationException($"{failed.Count} of {left.Length} cells failed: {string.Join(", ", failed.Select(c => c.Name))}; what the first said is in {LogOf(failed[0])}");
        return left.All(cell => run.ResultOf(cell) is not null);

        void Work()
        {
            try
            {
                while (Next() is { } cell)
                {
                    string log = LogOf(cell);
                    int code = RunOne(cell, log, cancellation);
                    lock (one)
                    {
                        if (cancellation.IsCancellationRequested) return;
                        if (code != 0 || run.ResultOf(cell) is not { } result)
                        {
                            failed.Add(cell);
                            observe(new StudyEvent.Failed(cell, $"its process ended with code {code}; what it said is in {log}"));
                            continue;
                        }

                        File.Delete(log);
                        observe(new StudyEvent.Done(cell, result));
                    }
                }
            }
            catch (Exception e)
            {
                // It is thrown again where the caller waits, when the other processes have ended.
                lock (one) failure ??= e;
            }
        }

        StudyCell? Next()
        {
            lock (one)
            {
                if (next >= left.Length || failure is not null || cancellation.IsCancellationRequested) return null;
                StudyCell cell = left[next++];
                observe(new StudyEvent.Begun(cell, next, left.Length, run.MinutesOf(left.Skip(next - 1)) / jobs));
                return cell;
            }
        }
    }

    private string LogOf(StudyCell cell) => Path.Combine(output, "runs", cell.Name + ".log");

    private int RunOne(StudyCell cell, string log, CancellationToken cancellation)
    {
        ProcessStartInfo asked = start(cell);
        // In a session of its own: Ctrl-C in a terminal reaches this process alone, which passes it on once. Twice would end a run at once.
        ProcessStartInfo info = new("setsid", [asked.FileName, .. asked.ArgumentList]) { RedirectStandardError = true, RedirectStandardOutput = true };
        int cores = Math.Max(1, Environment.ProcessorCount / jobs);
        info.Environment["OMP_NUM_THREADS"] = cores.ToString(CultureInfo.InvariantCulture);
        info.Environment["DOTNET_PROCESSOR_COUNT"] = cores.ToString("X", CultureInfo.InvariantCulture); // hexadecimal
        using StreamWriter file = new(log) { AutoFlush = true }; // for whoever follows it
        using Process process = Process.Start(info) ?? throw new InvalidOperationException($"{asked.FileName} did not start");
        process.OutputDataReceived += (_, line) => Write(line.Data);
        process.ErrorDataReceived += (_, line) => Write(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using CancellationTokenRegistration stop = cancellation.Register(() => _ = Signal(process.Id, Terminate));
        process.WaitForExit();
        return process.ExitCode;

        void Write(string? line)
        {
            lock (file)
                if (line is not null) file.WriteLine(line);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int process, int signal);
}
