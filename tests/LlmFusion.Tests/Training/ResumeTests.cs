using System.Text.Json.Nodes;
using LlmFusion.DataSets;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

/// <summary>A run that is stopped anywhere and goes on ends with the model of a run that was not.</summary>
public sealed class ResumeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly RunConfig _config;

    public ResumeTests()
    {
        File.WriteAllLines(_folder["molecules.csv"],
        [
            "smiles,a", .. DemoSmiles.Select((smiles, i) => $"{smiles},{(i * 7 % 11) / 3.0:F3}"),
        ]);
        _config = new RunConfig
        {
            TrainFile = _folder["molecules.csv"],
            ValidFile = _folder["molecules.csv"],
            Targets = ["a"],
            Modalities = ["smiles", "fingerprint"],
            Fingerprint = new() { Size = 64 },
            Size = "tiny",
            Epochs = 3,
            BatchSize = 4,
            Dropout = 0.2,
            WarmupSteps = 2,
            LearningRate = 3e-3,
            PlateauPatience = 0,
            Device = "cpu",
        };
    }

    private static string[] DemoSmiles => ["CCO", "CCCO", "CCN", "c1ccccc1", "c1ccccc1O", "CC(=O)O", "CC(=O)OC", "CCCl", "C1CCCCC1", "CC#N", "CCS", "OCC(O)CO", "CCCCCC", "CNC", "CCOCC", "CC(C)C"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_run_stopped_after_any_step_resumes_to_the_same_bytes()
    {
        byte[] whole = Weights(Run(_config, "whole").Folder);
        foreach ((int epoch, int step) in new[] { (1, 1), (1, 4), (2, 2), (3, 3) })
        {
            string cut = Stop($"cut-{epoch}-{step}", epoch, step);
            Assert.Equal(whole, Weights(Resume(_config, cut).Folder));
            Assert.False(Directory.Exists(Path.Combine(cut, "checkpoints")));
        }
    }

    [Fact]
    public void Modalities_left_out_by_lot_and_one_cycle_are_the_same_wherever_a_run_is_resumed()
    {
        RunConfig config = _config with { ModalityDropout = 0.3, SingleModality = 0.3, Schedule = ScheduleKind.OneCycle };
        byte[] whole = Weights(Run(config, "whole").Folder);
        Assert.NotEqual(whole, Weights(Run(config with { ModalityDropout = 0, SingleModality = 0 }, "all").Folder));
        foreach ((int epoch, int step) in new[] { (1, 2), (2, 3) }) Assert.Equal(whole, Weights(Resume(config, Stop($"cut-{epoch}", epoch, step, config)).Folder));
    }

    [Fact]
    public void A_run_whose_time_is_over_goes_on_to_the_same_bytes_and_opens_the_test_split_only_at_its_end()
    {
        RunConfig config = _config with { TestFile = _folder["molecules.csv"] }, brief = config with { Minutes = 1e-9 };
        RunStoppedException over = Assert.Throws<RunStoppedException>(() => Run(brief, "early"));
        Assert.Equal(StopReason.TimeOver, over.Reason);
        Assert.Contains("--resume", over.Message);
        string folder = Stop("legs", 2, 2, config);
        TrainingSummary leg = Resume(brief, folder);
        Assert.Equal((StopReason.TimeOver, 1), (leg.Reason, leg.Manifest.Training.Epochs));
        Assert.DoesNotContain(leg.Manifest.Metrics.Rows, r => r.Split == Parts.Test);
        Assert.Equal("time_over", Lines(folder).Last()["reason"]!.GetValue<string>());
        TrainingSummary end = Resume(config, folder);
        Assert.Contains(end.Manifest.Metrics.Rows, r => r.Split == Parts.Test);
        Assert.Equal(Weights(Run(_config, "whole").Folder), Weights(folder));
    }

    [Fact]
    public void A_run_killed_after_any_checkpoint_resumes_to_the_same_bytes_and_log()
    {
        RunConfig config = _config with { CheckpointMinutes = 0, EvaluateTest = false };
        // A copy at the moment of a checkpoint is what a killed process leaves; logs are further, as they are written at once.
        List<string> copies = [];
        string whole = _folder["whole"];
        TrainingRun.Run(config, whole, resume: false, e =>
        {
            if (e is not CheckpointWritten { Step: var step, Epoch: var epoch } || (epoch + step) % 3 != 0) return;
            copies.Add(_folder[$"copy-{epoch}-{step}"]);
            Copy(whole, copies[^1]);
            File.AppendAllText(Path.Combine(copies[^1], RunLogs.EventsFile), "{\"event\":\"step\",\"epoch\":9,\"step\":1}\n{\"event\":\"st");
            File.WriteAllText(Path.Combine(copies[^1], "checkpoints", "last.safetensors.1.tmp"), "half");
        }, TestContext.Current.CancellationToken);
        Assert.True(copies.Count >= 2, $"{copies.Count} copies");
        foreach (string copy in copies)
        {
            Resume(config, copy);
            Assert.Equal(Weights(whole), Weights(copy));
            Assert.Equal(Steps(whole), Steps(copy));
            Assert.Equal(["epoch", "1", "2", "3"], File.ReadLines(Path.Combine(copy, RunLogs.CsvFile)).Select(l => l.Split(',')[0]));
            Assert.Single(Directory.GetFiles(Path.Combine(copy, RunLogs.TensorBoardFolder)));
        }
    }

    [Fact]
    public void A_run_killed_before_its_first_checkpoint_begins_again()
    {
        byte[] whole = Weights(Run(_config, "whole").Folder);
        Directory.CreateDirectory(_folder["early"]);
        File.WriteAllText(Path.Combine(_folder["early"], "config.yaml"), _config.ToYaml());
        Assert.Equal(whole, Weights(Resume(_config, _folder["early"]).Folder));
        Assert.Contains("holds no run", Assert.Throws<InvalidDataException>(() => Resume(_config, _folder["nothing"])).Message);
    }

    [Fact]
    public void A_setting_that_changes_the_mathematics_is_refused_by_name()
    {
        string cut = Stop("cut", 2, 1);
        (string Key, RunConfig Changed)[] all =
        [
            ("learning_rate", _config with { LearningRate = 1e-4 }), ("dropout", _config with { Dropout = 0.3 }), ("batch_size", _config with { BatchSize = 8 }),
            ("seed", _config with { Seed = 5 }), ("modalities", _config with { Modalities = ["smiles"] }),
        ];
        foreach ((string key, RunConfig changed) in all)
        {
            string said = Assert.Throws<InvalidDataException>(() => Resume(changed, cut)).Message;
            Assert.Contains($"{key}: got ", said);
            Assert.Equal(key is "learning_rate" or "dropout", said.Contains("--accept-changes"));
        }

        Resume(_config with { EvaluateTest = false, CheckpointMinutes = 3, Device = "auto" }, cut); // these change nothing of it
    }

    [Fact]
    public void A_changed_learning_rate_is_taken_up_where_that_is_asked_for_and_other_data_never()
    {
        string cut = Stop("cut", 2, 1), other = Stop("other", 2, 1);
        List<string> notes = [];
        TrainingRun.Run(_config with { LearningRate = 1e-4 }, cut, resume: true, e =>
        {
            if (e is RunNote note) notes.Add(note.Text);
        }, TestContext.Current.CancellationToken, acceptChanges: true);
        Assert.Contains("learning_rate is 0.0001 from here on (before: 0.003)", notes);
        // One target value of one molecule, which the hash of the split does not see.
        File.WriteAllText(_folder["molecules.csv"], File.ReadAllText(_folder["molecules.csv"]).Replace("CCO,0.000", "CCO,0.001"));
        Assert.Contains("other data", Assert.Throws<InvalidDataException>(() => TrainingRun.Run(_config, other, true, _ => { }, TestContext.Current.CancellationToken, acceptChanges: true)).Message);
        File.Delete(_folder["molecules.csv"]);
        Exception missing = Assert.ThrowsAny<Exception>(() => Resume(_config, other));
        Assert.Contains("molecules.csv", missing.Message);
        Assert.True(new TrainingCheckpoint(other).Exists);
    }

    [Fact]
    public void A_finished_run_is_extended_where_its_checkpoints_were_kept()
    {
        RunConfig longer = _config with { Epochs = 5, KeepCheckpoints = true };
        byte[] whole = Weights(Run(longer, "whole").Folder);
        string shorter = Run(longer with { Epochs = 2 }, "shorter").Folder;
        Assert.Equal(whole, Weights(Resume(longer, shorter).Folder));
        string cosine = Run(longer with { Epochs = 2, Schedule = ScheduleKind.Cosine }, "cosine").Folder;
        Assert.Contains("epochs: got 5", Assert.Throws<InvalidDataException>(() => Resume(longer with { Schedule = ScheduleKind.Cosine }, cosine)).Message);
    }

    [Fact]
    public void A_checkpoint_that_cannot_be_written_ends_the_run_and_leaves_the_one_before()
    {
        string folder = _folder["full"], checkpoints = Path.Combine(folder, "checkpoints");
        byte[] before = [];
        // A folder in the place of the temporary file's target is refused to root as well.
        IOException failed = Assert.Throws<IOException>(() => TrainingRun.Run(_config with { CheckpointMinutes = 0 }, folder, resume: false, e =>
        {
            if (e is not CheckpointWritten { Epoch: 2, Step: 2 }) return;
            before = File.ReadAllBytes(Path.Combine(checkpoints, "last.safetensors"));
            Directory.Move(checkpoints, checkpoints + ".away");
            File.WriteAllText(checkpoints, "in the way");
        }, TestContext.Current.CancellationToken));
        Assert.Contains("last.safetensors: cannot be written", failed.Message);
        Assert.Contains("--resume", failed.Message);
        File.Delete(checkpoints);
        Directory.Move(checkpoints + ".away", checkpoints);
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(checkpoints, "last.safetensors")));
        Assert.Equal(Weights(Run(_config, "whole").Folder), Weights(Resume(_config, folder).Folder));
    }

    [Fact]
    public void A_folder_belongs_to_one_run_at_a_time_and_is_replaced_only_when_asked()
    {
        string folder = _folder["run"];
        TrainingRun.Run(_config with { Epochs = 1 }, folder, resume: false, e =>
        {
            if (e is EpochDone) Assert.Contains("another process", Assert.Throws<InvalidDataException>(() => Run(_config, "run")).Message);
        }, TestContext.Current.CancellationToken);
        byte[] first = Weights(folder);
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "mine");
        Assert.Contains("--overwrite", Assert.Throws<InvalidDataException>(() => Run(_config, "run")).Message);
        // What cannot begin replaces nothing.
        Assert.ThrowsAny<Exception>(() => TrainingRun.Run(_config with { Targets = ["none"] }, folder, false, _ => { }, TestContext.Current.CancellationToken, overwrite: true));
        Assert.Equal(first, Weights(folder));
        TrainingRun.Run(_config with { Seed = 1 }, folder, false, _ => { }, TestContext.Current.CancellationToken, overwrite: true);
        Assert.NotEqual(first, Weights(folder));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(folder, "notes.txt")));
        Assert.False(File.Exists(Path.Combine(folder, "run.lock")));
    }

    [Fact]
    public void A_run_that_diverges_names_step_and_rows_and_keeps_a_checkpoint_it_can_go_on_from()
    {
        string folder = _folder["poisoned"];
        RunConfig config = _config with { CheckpointMinutes = 0, ClipNorm = 0 };
        TrainingDivergedException diverged = Assert.Throws<TrainingDivergedException>(() => TrainingRun.Run(config with { LearningRate = 1e30, WarmupSteps = 0 }, folder, resume: false, _ => { }, TestContext.Current.CancellationToken));
        Assert.Equal(1, diverged.Epoch);
        JsonNode line = Lines(folder).Single(l => l["event"]!.GetValue<string>() == "diverged");
        Assert.Equal(diverged.Rows, line["rows"]!.AsArray().Select(r => r!.GetValue<string>()));
        Assert.NotEmpty(diverged.Rows);
        Assert.All(diverged.Rows, row => Assert.InRange(int.Parse(row), 1, 16));
        TrainingSummary summary = TrainingRun.Run(config with { LearningRate = 1e-3, WarmupSteps = 0, ClipNorm = 1 }, folder, resume: true, _ => { }, TestContext.Current.CancellationToken, acceptChanges: true);
        Assert.Equal(StopReason.Completed, summary.Reason);
        Assert.True(double.IsFinite(summary.Manifest.Training.ValidLoss));
    }

    [Fact]
    public void An_infinite_gradient_stops_the_run_before_it_reaches_the_weights()
    {
        string folder = _folder["infinite"];
        // A target far out makes the gradient overflow in its norm, though the loss is finite.
        File.WriteAllText(_folder["huge.csv"], "smiles,a\nCCO,0\nCCC,1\nCCN,2\n");
        RunConfig config = _config with { TrainFile = _folder["huge.csv"], ValidFile = _folder["huge.csv"], Loss = LossKind.Mae, CheckpointMinutes = 0, BatchSize = 1, Dropout = 0 };
        TrainingDivergedException diverged = Assert.Throws<TrainingDivergedException>(() => TrainingRun.Run(config with { LearningRate = 1e22, WarmupSteps = 0, WeightDecay = 0 }, folder, resume: false, _ => { }, TestContext.Current.CancellationToken));
        Assert.Contains("step", diverged.Message);
        using DisposeScope scope = NewDisposeScope();
        foreach ((string name, Tensor value) in Transformers.Safetensors.Read(Path.Combine(folder, "checkpoints", "last.safetensors")))
            if (value.is_floating_point()) Assert.True(value.isfinite().all().item<bool>(), name);
    }

    [Fact]
    public void The_manifest_records_all_that_a_repeat_needs_and_an_earlier_one_still_loads()
    {
        string folder = Run(_config with { Epochs = 1 }, "model").Folder;
        ModelManifest manifest = TrainedModel.ReadManifest(folder);
        Assert.Equal(get_num_threads(), manifest.Environment!.Threads);
        Assert.Equal(__version__, manifest.Environment.Libtorch);
        Assert.Equal("cpu", manifest.Environment.Device);
        Assert.Matches("^[0-9a-f]{64}$", manifest.Data.Sha256!);
        Assert.NotNull(manifest.Metrics.Rows[0].Metrics.Intervals);
        string path = Path.Combine(folder, "llmfusion.json");
        JsonNode json = JsonNode.Parse(File.ReadAllText(path))!;
        json.AsObject().Remove("environment");
        json["data"]!.AsObject().Remove("sha256");
        foreach (JsonNode? row in json["metrics"]!["rows"]!.AsArray()) row!["metrics"]!.AsObject().Remove("interval95");
        File.WriteAllText(path, json.ToJsonString());
        using TrainedModel model = TrainedModel.Load(folder);
        Assert.Null(model.Manifest!.Environment);
    }

    private TrainingSummary Run(RunConfig config, string name) => TrainingRun.Run(config, _folder[name], resume: false, _ => { }, TestContext.Current.CancellationToken);

    private static TrainingSummary Resume(RunConfig config, string folder) => TrainingRun.Run(config, folder, resume: true, _ => { }, TestContext.Current.CancellationToken);

    /// <summary>Stops as Ctrl-C does, after the given step.</summary>
    private string Stop(string name, int epoch, int step, RunConfig? config = null)
    {
        using CancellationTokenSource stop = new();
        try
        {
            Assert.Equal(StopReason.Cancelled, TrainingRun.Run(config ?? _config, _folder[name], resume: false, e =>
            {
                if (e is StepDone done && done.Epoch == epoch && done.Step == step) stop.Cancel();
            }, stop.Token).Reason);
        }
        catch (RunStoppedException e)
        {
            Assert.Equal(1, epoch);
            Assert.Contains("--resume", e.Message);
        }

        return _folder[name];
    }

    private static byte[] Weights(string folder) =>
        [.. File.ReadAllBytes(Path.Combine(folder, "model.safetensors")), .. File.ReadAllBytes(Path.Combine(folder, "encoders", "smiles", "model.safetensors"))];

    private static IEnumerable<JsonNode> Lines(string folder) => File.ReadLines(Path.Combine(folder, RunLogs.EventsFile)).Select(l => JsonNode.Parse(l)!);

    /// <summary>Every step and epoch that the log names, with its loss: each once, in order.</summary>
    private static string[] Steps(string folder) =>
        [.. Lines(folder).Where(l => l["event"]!.GetValue<string>() is "step" or "epoch").Select(l => $"{l["event"]} {l["epoch"]} {l["step"]} {l["batch_loss"] ?? l["train_loss"]}")];

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("run.lock", StringComparison.Ordinal)))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }
}
