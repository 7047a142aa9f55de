using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Experiments;

namespace LlmFusion.Cli.Commands;

/// <summary><c>reproduce</c>: a table, cell by cell.</summary>
internal static class ReproduceCommand
{
    public static Command Create()
    {
        Argument<string> name = new("STUDY") { Description = "table1, table2 or table3 of the paper; fusion (does fusion help?) or pretraining (does pretraining help?)" };
        name.AcceptOnlyFromAmong("table1", "table2", "table3", "fusion", "pretraining");
        Option<string> scale = new("--scale") { Description = "Of the paper's tables: paper (its encoders and language models, days), mini (those of the program, hours) or smoke (demo data, minutes)", DefaultValueFactory = _ => StudyScale.Mini.Name };
        scale.AcceptOnlyFromAmong([.. StudyScale.All.Select(s => s.Name)]);
        Option<string> output = new("--output", "-o") { Description = "Folder for results and report", Required = true, HelpName = "FOLDER" };
        Option<int> seeds = new("--seeds") { Description = "How often each cell is run, with other seeds; of the paper's tables one row of networks at least three times, one of trees five", DefaultValueFactory = _ => 1 };
        Option<string?> only = new("--only") { Description = "Only cells whose name has one of these parts, separated by commas", HelpName = "PARTS" };
        Option<bool> dryRun = new("--dry-run") { Description = "List the cells, what is done, and about how long the rest takes one after the other; run nothing" };
        Option<bool> json = new("--json") { Description = "With --dry-run: print JSON" };
        Option<int> jobs = new("--jobs") { Description = "Cells that run at once, each in a process with its share of the cores", DefaultValueFactory = _ => 1 };
        Option<bool> noReport = new("--no-report") { Description = "Write results alone, no report" };
        Option<string?> control = new("--control") { Description = "For pretraining: the encoder of pretrain smiles --objective mlm", HelpName = "FOLDER" };
        Option<bool> bf16 = new("--bf16") { Description = "Train networks with products in bfloat16, as train --bf16 does: 1.3 (graph) to 1.8 times (sequences) as fast on processors with AVX512-BF16, slower than float32 elsewhere" };
        Command command = new("reproduce", "Run the cells of a table and write its report; what is done is not run again") { name, output, scale, seeds, only, dryRun, json, jobs, noReport, control, bf16 };
        HelpWithExamples.Set(command, ["./llmfusion reproduce table1 --scale smoke -o my-table1", "./llmfusion reproduce table2 --seeds 3 -o my-table2", "./llmfusion reproduce fusion --seeds 3 -o my-fusion", "./llmfusion reproduce fusion -o my-fusion --only gr,mfp", "./llmfusion reproduce pretraining --control my-mlm-encoder -o my-pretraining --dry-run"],
            ["Cells run one after the other, or --jobs at once. Ctrl-C keeps what is done and where the cell under way is: the same command goes on."]);
        command.SetRun((parse, screen, stop) =>
        {
            if (parse.GetValue(json) && !parse.GetValue(dryRun)) throw new UsageException("--json: goes with --dry-run; the numbers of a study are in cells/ of its folder");
            if (parse.GetValue(seeds) < 1) throw new UsageException($"--seeds: got {parse.GetValue(seeds)}, expected at least 1");
            StudyScale size = StudyScale.Named(parse.GetValue(scale)!);
            Study study = parse.GetValue(name) switch
            {
                "table1" => PaperTables.Table1(size),
                "table2" => PaperTables.Table2(size),
                "table3" => PaperTables.Table3(size),
                "fusion" => FusionStudy.Create(),
                _ => PretrainingStudy.Create(parse.GetValue(control) ?? throw new UsageException("pretraining needs its control: --control FOLDER, from ./llmfusion pretrain smiles --objective mlm")),
            };
            if (parse.GetValue(jobs) < 1) throw new UsageException($"--jobs: got {parse.GetValue(jobs)}, expected at least 1");
            string folder = parse.GetValue(output)!;
            Study bfloat16 = study.InBFloat16();
            (study, Study other) = parse.GetValue(bf16) ? (bfloat16, study) : (study, bfloat16);
            StudyRun run = new(study, folder, parse.GetValue(seeds), OptionValues.List(parse.GetValue(only)));
            RefuseOthers(folder, parse.GetValue(bf16), new StudyRun(study, folder, parse.GetValue(seeds)), new StudyRun(other, folder, parse.GetValue(seeds)));
            if (parse.GetValue(dryRun))
            {
                Plan(run, screen, parse.GetValue(json));
                return ExitCode.Done;
            }

            using TrainingView view = new(screen);
            void Report()
            {
                if (!parse.GetValue(noReport)) StudyReport.Write(run, folder, parse.GetValue(seeds));
            }

            void Tell(StudyEvent happened) => Show(happened, view, screen, Report);
            bool done = parse.GetValue(jobs) == 1 ? run.Run(Tell, stop) : new StudyJobs(run, parse.GetValue(jobs), cell => OneCell(parse, cell), folder).Run(Tell, stop);
            view.Dispose();
            Report();
            if (!parse.GetValue(noReport)) screen.Data($"Report {Path.Combine(folder, StudyReport.FileName)}");
            return done ? ExitCode.Done : ExitCode.Stopped;
        });
        return command;

        ProcessStartInfo OneCell(ParseResult parse, StudyCell cell) => new(Environment.ProcessPath!,
        [
            "reproduce", parse.GetValue(name)!, "--scale", parse.GetValue(scale)!, "--seeds", parse.GetValue(seeds).ToString(CultureInfo.InvariantCulture), "--only", cell.Name, "--no-report", "-o", parse.GetValue(output)!,
            .. parse.GetValue(bf16) ? ["--bf16"] : Array.Empty<string>(),
            .. parse.GetValue(control) is { } encoder ? ["--control", encoder] : Array.Empty<string>(),
        ]);
    }

    /// <summary>Cells of both precisions have files of the same names, and must not stand in one table.</summary>
    private static void RefuseOthers(string folder, bool bf16, StudyRun run, StudyRun other)
    {
        string[] others = [.. run.Cells.Zip(other.Cells).Where(c => run.ResultOf(c.First) is null && other.ResultOf(c.Second) is not null).Select(c => c.First.Name)];
        if (others.Length == 0) return;
        throw new UsageException($"{folder}: {string.Join(", ", others.Take(5))}{(others.Length > 5 ? $" and {others.Length - 5} more" : "")} in cells/ were run {(bf16 ? "without" : "with")} --bf16; "
            + $"give the command {(bf16 ? "without" : "with")} that option, another folder with -o, or remove these files");
    }

    private static void Show(StudyEvent happened, TrainingView view, Screen screen, Action report)
    {
        switch (happened)
        {
            case StudyEvent.Begun b:
                screen.Note(string.Create(CultureInfo.InvariantCulture, $"\n{b.Number} of {b.Count}: {b.Cell.Name} (about {b.Minutes:F0} min left for all)"));
                break;
            case StudyEvent.Within w:
                view.Show(w.Of);
                break;
            case StudyEvent.Failed f:
                view.Dispose();
                screen.Note($"{f.Cell.Name} failed: {f.Why}");
                break;
            case StudyEvent.Done d:
                view.Dispose();
                try
                {
                    report();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
                {
                    // What was computed is kept; the last report is written once more at the end, and fails there.
                    screen.Note($"report: {e.Message}");
                }

                screen.Note($"{d.Cell.Name}: " + string.Join(", ", d.Result.Metrics.Rows.Where(r => r.Split == Parts.Test && r.Predictor == d.Result.Predictor)
                    .Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Target}: MAE {r.Metrics.Mae:G3}, MSE {r.Metrics.Mse:G3}"))));
                break;
        }
    }

    private static void Plan(StudyRun run, Screen screen, bool json)
    {
        (string Name, bool Done, double Minutes)[] cells = [.. run.Cells.Select(cell => (cell.Name, run.ResultOf(cell) is not null, run.MinutesOf([cell])))];
        double left = cells.Where(c => !c.Done).Sum(c => c.Minutes);
        if (json)
        {
            screen.Data(new JsonObject
            {
                ["cells"] = new JsonArray([.. cells.Select(c => new JsonObject { ["name"] = c.Name, ["done"] = c.Done, ["minutes"] = Math.Round(c.Minutes, 1) })]),
                ["minutes_left"] = Math.Round(left, 1),
            }.ToJsonString(new() { WriteIndented = true }));
            return;
        }

        DataTable table = new("cell", "done", "minutes") { Title = run.Study.Title };
        foreach ((string name, bool done, double minutes) in cells) table.Add(name, done ? "yes" : "no", minutes.ToString("F0", CultureInfo.InvariantCulture));
        screen.Table(table);
        screen.Data(string.Create(CultureInfo.InvariantCulture, $"{cells.Count(c => !c.Done)} of {cells.Length} cells are left, about {left:F0} minutes one after the other: as long as another seed took, else as on two cores."));
    }
}
