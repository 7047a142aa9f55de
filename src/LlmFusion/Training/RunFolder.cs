using LlmFusion.Prediction;

namespace LlmFusion.Training;

/// <summary>A run was stopped before there was a model to write; what was computed is in its checkpoint.</summary>
public sealed class RunStoppedException(string message, StopReason reason = StopReason.Cancelled) : OperationCanceledException(message)
{
    /// <summary>Why: the user asked, or the time was over.</summary>
    public StopReason Reason => reason;
}

/// <summary>What a kind of run writes into its folder.</summary>
/// <param name="Command">The command that makes it.</param>
/// <param name="Manifest">The file that is written last.</param>
/// <param name="Config">The file that says how a run was begun before it has a checkpoint; null: only the checkpoint does.</param>
/// <param name="Others">Everything else but checkpoints.</param>
public sealed record RunFiles(string Command, string Manifest, string? Config, IReadOnlyList<string> Others)
{
    /// <summary>Of a training run.</summary>
    public static readonly RunFiles Training = new("train", TrainedModel.ManifestFile, TrainingRun.ConfigFile,
        ["model.safetensors", "encoders", "plots", "README.md", TrainingRun.ReportFile, RunLogs.CsvFile, RunLogs.EventsFile, RunLogs.TensorBoardFolder]);
}

/// <summary>The output folder of a run, for one run at a time.</summary>
public sealed class RunFolder : IDisposable
{
    private readonly RunFiles _files;
    private readonly FileStream _lock;
    private readonly bool _created, _overwrite;

    private RunFolder(string path, RunFiles files, TrainingCheckpoint checkpoint, FileStream held, bool created, bool overwrite)
    {
        FullName = path;
        Checkpoint = checkpoint;
        _files = files;
        (_lock, _created, _overwrite) = (held, created, overwrite);
    }

    /// <summary>The folder, as the user named it.</summary>
    public string FullName { get; }

    /// <summary>Its checkpoints.</summary>
    public TrainingCheckpoint Checkpoint { get; }

    /// <summary>Makes sure that a run can begin or go on here: writable, not another run's, not finished.</summary>
    /// <param name="path">The folder; created where it is missing.</param>
    /// <param name="resume">Whether a run is to go on.</param>
    /// <param name="overwrite">Whether an earlier run may be replaced.</param>
    /// <param name="files">What the run writes; null: a training run's.</param>
    /// <exception cref="InvalidDataException">The folder is not fit; the message says what to do.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static RunFolder Open(string path, bool resume, bool overwrite, RunFiles? files = null)
    {
        files ??= RunFiles.Training;
        TrainingCheckpoint checkpoint = new(path, files.Command);
        bool finished = File.Exists(Path.Combine(path, files.Manifest)), created = !Directory.Exists(path);
        if (resume && !checkpoint.Exists && finished)
            throw new InvalidDataException($"{path}: this run is finished and its checkpoints are removed, there is nothing to resume; train longer in a new run with --epochs, and --keep-checkpoints where it shall be extended later");
        if (resume && !checkpoint.Exists && (files.Config is null || !File.Exists(Path.Combine(path, files.Config))))
            throw new InvalidDataException($"{path}: holds no run to resume");
        if (!resume && !overwrite && (finished || checkpoint.Exists))
            throw new InvalidDataException($"{path}: already holds a {(finished ? "model" : "run")}; give another folder{(checkpoint.Exists ? ", --resume to go on with it" : "")}, or --overwrite to replace it");

        FileStream held = FolderLock.Take(path);
        if (resume)
        {
            checkpoint.RemoveUnfinished();
            foreach (string file in Directory.GetFiles(path, "*.tmp").Concat(Directory.GetFiles(path, "*.part"))) File.Delete(file);
        }

        return new RunFolder(path, files, checkpoint, held, created, overwrite && (finished || checkpoint.Exists));
    }

    /// <summary>Removes the run that is to be replaced; called when the new one is sure to begin.</summary>
    public void Clear()
    {
        if (!_overwrite) return;
        Checkpoint.Delete();
        // The manifest first, so that a folder half emptied is no model.
        foreach (string path in _files.Others.Append(_files.Config).OfType<string>().Prepend(_files.Manifest).Select(name => Path.Combine(FullName, name)))
        {
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
            else File.Delete(path);
        }
    }

    /// <summary>Lets another run in; a folder made for nothing is removed.</summary>
    public void Dispose()
    {
        _lock.Dispose();
        if (_created && Directory.Exists(FullName) && !Directory.EnumerateFileSystemEntries(FullName).Any()) Directory.Delete(FullName);
    }
}
