using System.Diagnostics;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary>The scripts of docs/clusters.md, as files and as the page shows them.</summary>
public sealed class ClusterScriptTests : IDisposable
{
    private static readonly string Docs = Path.Combine(Root(), "docs");

    private readonly CommandLine _cli = new();

    public static TheoryData<string> Scripts => [.. Directory.GetFiles(Path.Combine(Docs, "example", "cluster")).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    public void Dispose() => _cli.Dispose();

    [Theory]
    [MemberData(nameof(Scripts))]
    public void A_script_stands_on_the_page_as_it_is_and_bash_can_read_it(string name)
    {
        string file = Path.Combine(Docs, "example", "cluster", name);
        Assert.Contains($"```bash\n{File.ReadAllText(file)}```", File.ReadAllText(Path.Combine(Docs, "clusters.md")), StringComparison.Ordinal);
        using Process check = Process.Start("bash", ["-n", file]);
        check.WaitForExit();
        Assert.Equal(0, check.ExitCode);
    }

    [Fact]
    public void The_batch_script_begins_a_run_and_goes_on_with_one_that_has_a_checkpoint()
    {
        // srun and the program are stand-ins that write what they were given.
        Script("srun", "echo \"srun $*\"");
        string script = Path.Combine(Docs, "example", "cluster", "train.sbatch"), model = _cli["model"];
        Assert.Equal($"srun --mpi=pmix --cpus-per-task=4 --kill-on-bad-exit=1 /program train a table.csv -o {model} --targets y\n", Run(script, "a table.csv", model, "--targets", "y"));
        Directory.CreateDirectory(Path.Combine(model, "checkpoints"));
        Assert.Equal($"srun --mpi=pmix --cpus-per-task=4 --kill-on-bad-exit=1 /program train --resume {model}\n", Run(script, "a table.csv", model, "--targets", "y"));
        Directory.Delete(Path.Combine(model, "checkpoints"));
        File.WriteAllText(Path.Combine(model, "llmfusion.json"), "{}");
        Assert.Equal($"{model} is finished\n", Run(script, "a table.csv", model));
    }

    [Fact]
    public void The_script_without_a_batch_system_starts_processes_here_or_on_hosts()
    {
        Script("mpirun", "echo \"mpirun $*\"");
        string script = Path.Combine(Docs, "example", "cluster", "train-mpirun.sh"), model = _cli["model"];
        string here = Run(script, "3", "t.csv", model, "--epochs", "2");
        Assert.StartsWith("mpirun --bind-to none -n 3 ", here, StringComparison.Ordinal);
        Assert.EndsWith($"/program train t.csv -o {model} --epochs 2\n", here, StringComparison.Ordinal);
        Directory.CreateDirectory(Path.Combine(model, "checkpoints"));
        Assert.EndsWith($"/program train --resume {model}\n", Run(script, "3", "t.csv", model), StringComparison.Ordinal);
    }

    private void Script(string name, string body)
    {
        _cli.Write(name, "#!/bin/sh", body);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_cli[name], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private string Run(string script, params string[] arguments)
    {
        ProcessStartInfo start = new("bash", [script, .. arguments]) { RedirectStandardOutput = true };
        start.Environment["PATH"] = $"{Path.GetDirectoryName(_cli["srun"])}:{Environment.GetEnvironmentVariable("PATH")}";
        start.Environment["LLMFUSION"] = "/program";
        start.Environment["SLURM_CPUS_PER_TASK"] = "4";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output;
    }

    private static string Root()
    {
        DirectoryInfo folder = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "LlmFusion.slnx"))) folder = folder.Parent!;
        return folder.FullName;
    }
}
