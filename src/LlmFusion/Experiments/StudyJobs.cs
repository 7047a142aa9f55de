using System.Diagnostics;
using System.Globalization;

namespace LlmFusion.Experiments;

/// <summary>Runs a study's cells in several processes at once, each with its share of the cores: small networks leave cores idle.</summary>
/// <param name="run">The study's run.</param>
/// <param name="jobs">Processes at once.</param>
/// <param name="start">The command that runs one cell and writes no report; its file name and arguments.</param>
/// <param name="output">The study's folder, where each process's output is kept in <c>runs/CELL.log</c> until its cell is done.</param>
public sealed class StudyJobs(StudyRun run, int jobs, Func<StudyCell, ProcessStartInfo> start, string output)
{
    /// <summary>Runs what is not done.</summary>
    /// <param name="observe">Receives what happens, one thing at a time.</param>
    /// <param name="cancellation">Stops the processes as Ctrl-C does; their cells go on in the next call.</param>
    /// <returns>Whether all cells are done.</returns>
    /// <exception cref="InvalidOperationException">A process failed; the message names its log. Those that run end first, no other begins.</exception>
    public bool Run(Action<StudyEvent> observe, CancellationToken cancellation)
    {
        StudyCell[] left = [.. run.Cells.Where(cell => run.ResultOf(cell) is null)];
        Directory.CreateDirectory(Path.Combine(output, "runs"));
        Lock one = new();
        string? failure = null;
        int next = 0;
        Thread[] workers = [.. Enumerable.Range(0, Math.Min(jobs, left.Length)).Select(_ => new Thread(Work))];
        foreach (Thread worker in workers) worker.Start();
        foreach (Thread worker in workers) worker.Join();
        if (failure is not null) throw new InvalidOperationException(failure);
        return left.All(cell => run.ResultOf(cell) is not null);

        void Work()
        {
            while (true)
            {
                StudyCell cell;
                lock (one)
                {
                    if (next >= left.Length || failure is not null || cancellation.IsCancellationRequested) return;
                    cell = left[next++];
                    observe(new StudyEvent.Begun(cell, next, left.Length, left.Skip(next - 1).Sum(run.MinutesOf) / jobs));
                }

                string log = Path.Combine(output, "runs", cell.Name + ".log");
                int code = RunOne(cell, log, cancellation);
                lock (one)
                {
                    if (cancellation.IsCancellationRequested) return;
                    if (code == 0 && run.ResultOf(cell) is { } result)
                    {
                        File.Delete(log);
                        observe(new StudyEvent.Done(cell, result));
                    }
                    else
                    {
                        failure ??= $"{cell.Name}: its process ended with code {code}; what it said is in {log}";
                    }
                }
            }
        }
    }

    private int RunOne(StudyCell cell, string log, CancellationToken cancellation)
    {
        ProcessStartInfo info = start(cell);
        info.RedirectStandardError = info.RedirectStandardOutput = true;
        info.Environment["OMP_NUM_THREADS"] = Math.Max(1, Environment.ProcessorCount / jobs).ToString(CultureInfo.InvariantCulture);
        using StreamWriter file = new(log);
        using Process process = Process.Start(info) ?? throw new InvalidOperationException($"{info.FileName} did not start");
        process.OutputDataReceived += (_, line) => Write(line.Data);
        process.ErrorDataReceived += (_, line) => Write(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        // The terminal sends Ctrl-C to all; SIGTERM reaches them where only this process was told.
        using CancellationTokenRegistration stop = cancellation.Register(() =>
        {
            using Process? kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
            kill?.WaitForExit();
        });
        process.WaitForExit();
        return process.ExitCode;

        void Write(string? line)
        {
            lock (file)
                if (line is not null) file.WriteLine(line);
        }
    }
}
