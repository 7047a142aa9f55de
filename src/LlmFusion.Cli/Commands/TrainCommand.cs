using System.CommandLine;
using System.Globalization;
using LlmFusion.Cli.Rendering;
using LlmFusion.Distributed;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Cli.Commands;

/// <summary><c>train</c>: from a table of molecules, or a built-in data set, to a model folder.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        Command command = new("train", "Train a fusion model on a table of molecules, or on a built-in data set");
        Argument<FileInfo?> file = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "Table to be split (CSV, TSV, .gz, Parquet, .smi, SDF)" };
        Option<string?> output = new("--output", "-o") { Description = "Model folder to write" };
        Option<string?> resume = new("--resume") { Description = "Go on with the run in this folder from its last checkpoint", HelpName = "DIR" };
        Option<FileInfo?> configFile = new("--config") { Description = "YAML or JSON file with the whole configuration; options given here override it" };
        Option<bool> overwrite = new("--overwrite") { Description = "Replace an earlier run in the output folder" };
        Option<bool> acceptChanges = new("--accept-changes") { Description = "With --resume: go on though settings of the optimisation differ from those the run was begun with" };
        Option<bool> json = new("--json") { Description = "Print the metrics as JSON" };
        command.Arguments.Add(file);
        command.Options.Add(output);
        command.Options.Add(resume);
        command.Options.Add(configFile);
        command.Options.Add(overwrite);
        command.Options.Add(acceptChanges);
        command.Options.Add(json);
        RunOptions options = new(command);
        options.AddNetwork();
        command.SetRun(Run);
        return command;

        int Run(ParseResult result, Screen screen, CancellationToken cancellation)
        {
            string? resumed = result.GetValue(resume);
            if (resumed is not null && (result.GetValue(overwrite) || result.GetValue(output) is not null)) throw new UsageException("--resume goes on in its own folder: it takes neither -o nor --overwrite");
            if (resumed is null && result.GetValue(acceptChanges)) throw new UsageException("--accept-changes needs --resume");
            string folder = resumed ?? result.GetValue(output) ?? throw new UsageException("no folder to write the model to: give -o DIR");
            string? path = result.GetValue(configFile)?.FullName ?? (resumed is null ? null : Path.Combine(resumed, TrainingRun.ConfigFile));
            if (resumed is not null && !File.Exists(path)) throw new UsageException($"{resumed}: holds no {TrainingRun.ConfigFile}; expected the folder of a training run");
            RunConfig config = options.Apply(result, path is null ? new RunConfig() : RunConfig.Load(path));
            if (config.InitModel is { } initial && RunOptions.OfArchitecture.FirstOrDefault(o => result.GetResult(o) is not null) is { } contradictory)
                throw new UsageException($"{contradictory}: the run begins from {initial}, whose architecture it has; leave the option out");
            if (result.GetValue(file) is { } given) config = config with { File = given.ToString() };
            ProcessGroup group = ProcessGroup.Join();
            using TrainingView view = new(screen);
            TrainingSummary? summary;
            try
            {
                summary = TrainingRun.RunTogether(config, folder, resumed is not null, group, view.Show, cancellation,
                    overwrite: result.GetValue(overwrite), acceptChanges: result.GetValue(acceptChanges));
            }
            catch (RunStoppedException e) when (e.Reason == StopReason.TimeOver)
            {
                // The time was over within the first epoch: as asked for, though there is no model to show.
                view.Dispose();
                screen.Note(e.Message);
                summary = null;
            }

            view.Dispose();
            group.Leave();
            if (summary is null) return ExitCode.Done;
            if (result.GetValue(json)) screen.Data(summary.Manifest.Metrics.ToJson());
            else TrainingView.Summarise(summary, screen);
            return summary.Reason == StopReason.Cancelled ? ExitCode.Stopped : ExitCode.Done;
        }
    }
}
