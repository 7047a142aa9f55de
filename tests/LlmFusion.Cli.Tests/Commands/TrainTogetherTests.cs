using System.Globalization;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary>Several processes train one model: mpirun -n K ./llmfusion train.</summary>
public sealed class TrainTogetherTests : IDisposable
{
    private readonly CommandLine _cli = new();
    private readonly string[] _train;

    public TrainTogetherTests()
    {
        // 22 rows in batches of 7: the last has one row, so that a rank gets none; targets and texts are missing here and there.
        string[] smiles = ["CCO", "CCCO", "CCN", "c1ccccc1", "c1ccccc1O", "CC(=O)O", "CC(=O)OC", "CCCl", "C1CCCCC1", "CC#N", "CCS"];
        string[] rows = [.. Enumerable.Range(0, 22).Select(i => string.Create(CultureInfo.InvariantCulture,
            $"{new string('C', i / 11 * 2)}{smiles[i % 11]},{(i % 5 == 0 ? "an example" : "")},{Math.Sin(i):F3},{(i % 3 == 0 ? "" : (i % 7).ToString(CultureInfo.InvariantCulture))}"))];
        string data = _cli.Write("data.csv", ["smiles,text,a,b", .. rows]);
        _train = ["train", "--train", data, "--valid", data, "--targets", "a,b", "--modalities", "smiles,text,fingerprint", "--fingerprint-size", "128", "--batch-size", "7", "--warmup-steps", "2", "--device", "cpu"];
    }

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task Two_and_three_processes_have_the_loss_curve_of_one()
    {
        Assert.SkipWhen(MpiRun.Missing is not null, MpiRun.Missing ?? "");
        string[] options = ["--epochs", "2", "--dropout", "0", "--plateau-patience", "0", "--learning-rate", "0.003"];
        using MpiRun one = await MpiRun.Done(1, [.. _train, "--size", "tiny", .. options, "-o", _cli["1"]]);
        double[][] expected = Curve("1");
        foreach (int processes in new[] { 2, 3 })
        {
            using MpiRun several = await MpiRun.Done(processes, [.. _train, "--size", "tiny", .. options, "-o", _cli[$"{processes}"]]);
            double[][] actual = Curve($"{processes}");
            Assert.Equal(expected.Length, actual.Length);
            for (int epoch = 0; epoch < expected.Length; epoch++)
                for (int i = 0; i < expected[epoch].Length; i++)
                    Assert.True(Math.Abs(expected[epoch][i] - actual[epoch][i]) <= 1e-5 * Math.Abs(expected[epoch][i]),
                        $"{processes} processes, epoch {epoch + 1}, column {i}: {actual[epoch][i]}, expected {expected[epoch][i]}");
            Assert.Contains($"{processes} processes: ", several.Error, StringComparison.Ordinal);
            // One process talks.
            Assert.Equal(1, several.Error.Split("epoch 2: loss").Length - 1);
            Assert.Equal(1, several.Output.Split("Best epoch").Length - 1);
        }

        // Also a parameter that few batches give a gradient (the text encoder's) ends the same.
        Assert.True(Difference("1", "3", Path.Combine("encoders", "text", "model.safetensors")) < 1e-4);
        Assert.True(Difference("1", "3", "model.safetensors") < 1e-4);
        Assert.DoesNotContain("processes", one.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_process_that_dies_ends_the_job_and_the_run_resumes_from_its_checkpoint()
    {
        Assert.SkipWhen(MpiRun.Missing is not null, MpiRun.Missing ?? "");
        using (MpiRun killed = new(2, [.. _train, "--size", "tiny", "--epochs", "100000", "--early-stopping", "100000", "-o", _cli["run"]]))
        {
            await killed.FirstEpoch;
            using System.Diagnostics.Process second = System.Diagnostics.Process.GetProcessById(killed.Ranks()[^1]);
            second.Kill();
            Assert.NotEqual(0, await killed.End());
            Assert.Empty(killed.Ranks());
        }

        Assert.False(File.Exists(Path.Combine(_cli["run"], "llmfusion.json")));
        int done = File.ReadAllLines(Path.Combine(_cli["run"], "training-log.csv")).Length - 1;
        using MpiRun resumed = await MpiRun.Done(2, "train", "--resume", _cli["run"], "--epochs", $"{done + 2}");
        Assert.Contains("going on with epoch", resumed.Error, StringComparison.Ordinal);
        Assert.Equal(done + 2, Curve("run").Length);
    }

    [Fact]
    public async Task Processes_have_dropout_masks_of_their_own_and_take_the_same_decisions()
    {
        Assert.SkipWhen(MpiRun.Missing is not null, MpiRun.Missing ?? "");
        string[] options = ["--dropout", "0.3", "--early-stopping", "2", "--learning-rate", "0.02"];
        using MpiRun one = await MpiRun.Done(1, [.. _train, "--size", "tiny", .. options, "--epochs", "1", "-o", _cli["1"]]);
        using MpiRun two = await MpiRun.Done(2, [.. _train, "--size", "tiny", .. options, "--epochs", "60", "-o", _cli["2"]]);
        Assert.NotEqual(Curve("1")[0][0], Curve("2")[0][0]);
        Assert.Contains("stopped early", two.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_all_processes_find_wrong_is_told_once()
    {
        Assert.SkipWhen(MpiRun.Missing is not null, MpiRun.Missing ?? "");
        using MpiRun wrong = new(2, [.. _train, "--size", "nothing", "-o", _cli["run"]]);
        Assert.Equal(1, await wrong.End());
        Assert.Equal(1, wrong.Error.Split("error: ").Length - 1);
        Assert.Contains("nothing", wrong.Error, StringComparison.Ordinal);
        using MpiRun misspelt = new(2, "train", "--epochs", "many");
        Assert.Equal(2, await misspelt.End());
        Assert.Equal(1, misspelt.Error.Split("'many'").Length - 1);
    }

    /// <summary>Per epoch: training loss, validation loss, learning rate, and the MAE of each target.</summary>
    private double[][] Curve(string run) =>
        [.. File.ReadAllLines(Path.Combine(_cli[run], "training-log.csv")).Skip(1).Select(line => line.Split(',').Select(v => double.Parse(v, CultureInfo.InvariantCulture)).ToArray())
            .Select(v => new[] { v[1], v[2], v[3], v[^2], v[^1] })];

    private double Difference(string left, string right, string file)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> a = Safetensors.Read(Path.Combine(_cli[left], file)), b = Safetensors.Read(Path.Combine(_cli[right], file));
        Assert.Equal(a.Keys.Order(), b.Keys.Order());
        return a.Max(t => (t.Value - b[t.Key]).abs().max().item<float>());
    }
}
