using System.CommandLine;
using System.Globalization;
using LlmFusion.Baselines;
using LlmFusion.Cli.Rendering;
using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Cli.Commands;

/// <summary><c>baseline</c>: boosted trees on embeddings, what a fusion model is measured against.</summary>
internal static class BaselineCommand
{
    // The paper's fingerprint is binary (P16).
    private static readonly RunConfig Standard = new() { Modalities = [Modality.Fingerprint.Name], Fingerprint = new FingerprintOptions { Counts = false } };

    public static Command Create()
    {
        Command command = new("baseline", "Grow XGBoost's trees on one modality's embedding, or on the concatenation of several, with searched settings");
        Argument<FileInfo?> file = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "Table to be split (CSV, TSV, .gz, Parquet, .smi, SDF)" };
        Option<string> output = new("--output", "-o") { Description = "Model folder to write; an interrupted search in it goes on", Required = true, HelpName = "DIR" };
        Option<bool> overwrite = new("--overwrite") { Description = "Replace a finished baseline in the output folder" };
        Option<bool> json = new("--json") { Description = "Print the metrics as JSON" };
        Option<int> trials = new("--trials") { Description = "Random settings tried for each target, chosen on the validation split", DefaultValueFactory = _ => 12 };
        Option<int?> searchRows = new("--search-rows") { Description = "Training rows that the trials see, a random part (else all); the best grow their trees on all", HelpName = "ROWS" };
        Option<int> final = new("--final-trees") { Description = "With --search-rows: most trees of the best settings on all rows; early stopping decides how many", DefaultValueFactory = _ => 2000, HelpName = "N" };
        Option<string> metric = new("--metric") { Description = "What chooses: rmse or mae", DefaultValueFactory = _ => "rmse" };
        metric.AcceptOnlyFromAmong("rmse", "mae");
        Option<int> early = new("--early-stopping") { Description = "Trees without a better validation metric after which growing stops", DefaultValueFactory = _ => 50 };
        Option<int> bins = new("--max-bins") { Description = "Bins that the values of a feature are sorted into; fewer are faster where there are many numeric features", DefaultValueFactory = _ => 256 };
        Option<int> threads = new("--threads") { Description = "Threads, 0 for all", DefaultValueFactory = _ => 0 };
        command.Arguments.Add(file);
        foreach (Option option in new Option[] { output, overwrite, json, trials, searchRows, final, metric, early, bins, threads }) command.Options.Add(option);
        RunOptions options = new(command, Standard, frozenAlone: true);
        HelpWithExamples.Set(
            command,
            [
                "./llmfusion baseline molecules.csv --targets y -o my-baseline",
                "./llmfusion baseline --data qm9 --targets homo,gap --modalities smiles,fingerprint --encoder smiles=llmfusion-smiles --search-rows 20000 --max-bins 64 -o my-nc",
                "./llmfusion predict --model my-baseline molecules.csv -o predictions.csv",
            ],
            ["Without --modalities: the fingerprint. Sequence modalities need a frozen --encoder, whose embeddings the trees read."]);
        command.SetRun((parse, screen, stop) =>
        {
            RunConfig run = options.Apply(parse, Standard);
            if (parse.GetValue(file) is { } given) run = run with { File = given.ToString() };
            BaselineConfig config = new()
            {
                Run = run,
                Trials = parse.GetValue(trials),
                SearchRows = parse.GetValue(searchRows),
                FinalEstimators = parse.GetValue(final),
                Metric = parse.GetValue(metric)!,
                EarlyStopping = parse.GetValue(early),
                MaxBins = parse.GetValue(bins),
                Threads = parse.GetValue(threads),
            };
            using TrainingView view = new(screen);
            TrainingSummary summary = BaselineRun.Run(config, parse.GetValue(output)!, parse.GetValue(overwrite), view.Show, stop);
            view.Dispose();
            if (parse.GetValue(json))
            {
                screen.Data(summary.Manifest.Metrics.ToJson());
                return ExitCode.Done;
            }

            screen.Table(TrainingView.Metrics(summary.Manifest.Metrics));
            screen.Data(string.Create(CultureInfo.InvariantCulture, $"{config.Trials} settings for each target in {summary.Manifest.Training.Seconds / 60:F1} minutes."));
            screen.Data($"Model  {summary.Folder}");
            return ExitCode.Done;
        });
        return command;
    }
}
