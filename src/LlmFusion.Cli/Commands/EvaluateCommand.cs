using System.CommandLine;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Experiments;
using LlmFusion.Prediction;

namespace LlmFusion.Cli.Commands;

/// <summary><c>evaluate</c>: how good a model is on molecules whose properties are known.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        Argument<string?> input = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "Table with SMILES and targets of the model" };
        Option<string?> data = new("--data") { Description = "Built-in data set instead of a file: demo, qm9, chebi20 or chebi20-captioned" };
        Option<string> part = new("--split") { Description = "Split of the built-in data set: train, valid or test", DefaultValueFactory = _ => Parts.Test };
        Option<bool> noTwins = new("--without-stereo-twins") { Description = "Leave out molecules that stand in the data set's training split if stereochemistry is ignored" };
        Option<string?> smilesColumn = new("--smiles-column") { Description = "SMILES column (else the one named smiles)" };
        Option<string?> idColumn = new("--id-column") { Description = "Column that identifies a row (else id, cid, gdb_id or name), for vectors found by identifier", HelpName = "NAME" };
        Option<string?> textColumn = new("--text-column") { Description = "Column with descriptions (else text, description or caption)" };
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Option<FileInfo?> record = new("--record") { Description = "With --data: write a result file with metrics (also without stereo twins), command, seed, versions and machine", HelpName = "FILE" };
        Command command = new("evaluate", "Measure a trained model on molecules whose properties are known") { input, data, part, noTwins, smilesColumn, idColumn, textColumn, json, record };
        TrainedModelOptions model = new(command);
        command.SetRun((parse, screen, stop) =>
        {
            string? path = parse.GetValue(input), name = parse.GetValue(data);
            if (path is null == name is null) throw new UsageException("give either a FILE or --data");
            if (name is null && (parse.GetValue(noTwins) || parse.GetValue(record) is not null)) throw new UsageException("--without-stereo-twins and --record need --data");
            using OpenModel open = model.Open(parse, screen, path is null ? null : DataFile.ColumnsOf(path), stop);
            using ProgressLine progress = screen.Progress("molecules");
            EvaluationReport report;
            if (path is not null)
            {
                report = Evaluator.OnFile(open.Predictor, path, parse.GetValue(smilesColumn), parse.GetValue(idColumn), parse.GetValue(textColumn), done => progress.Report(done), stop);
            }
            else
            {
                DataSetEvaluation evaluation = Evaluator.OnDataSet(open.Predictor, name!, parse.GetValue(part)!, done => progress.Report(done), stop);
                if (parse.GetValue(record) is { } file) ResultRecord.Write(file.FullName, evaluation, model.Folders(parse));
                report = parse.GetValue(noTwins) ? evaluation.WithoutStereoTwins : evaluation.All;
            }

            progress.Dispose();
            open.NoteTruncation(screen);
            if (parse.GetValue(json)) screen.Data(report.ToJson());
            else Show(report, open.Predictor.Targets, screen);
            return report.Refused > 0 ? ExitCode.SomeRowsRefused : ExitCode.Done;
        });
        return command;
    }

    private static void Show(EvaluationReport report, IReadOnlyList<TargetEntry> targets, Screen screen)
    {
        bool coverage = report.Targets.Values.Any(m => m.Coverage is not null);
        DataTable table = new(["target", "n", "MAE", "RMSE", "MSE", "R2", "unit", "95 % interval of the MAE", .. coverage ? new[] { "in 90 % interval", "its mean width" } : []]);
        foreach ((string name, TargetMetrics m) in report.Targets)
            table.Add([name, m.N, m.Mae.ToString("G4"), m.Rmse.ToString("G4"), m.Mse.ToString("G4"), m.R2.ToString("F3"), targets.First(t => t.Name == name).Unit,
                m.Intervals is { } interval ? $"{interval.Mae.Low:G4} to {interval.Mae.High:G4}" : "",
                .. !coverage ? [] : m.Coverage is { } c ? new[] { $"{100 * c.Share:F1}%", c.MeanWidth.ToString("G4") } : ["", ""]]);

        screen.Table(table);
        screen.Note($"{report.Rows} rows, {report.Refused} refused");
    }
}
