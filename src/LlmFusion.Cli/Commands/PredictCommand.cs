using System.CommandLine;
using System.Text.Json;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;
using LlmFusion.Prediction;

namespace LlmFusion.Cli.Commands;

/// <summary><c>predict</c>: properties of molecules that were never measured.</summary>
internal static class PredictCommand
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static Command Create()
    {
        Argument<string?> file = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "Table of molecules (CSV, TSV, .gz, Parquet, .smi, SDF)" };
        Option<string[]> smiles = new("--smiles") { Description = "A molecule, instead of a file; may be repeated", HelpName = "SMILES" };
        Option<string> output = new("--output", "-o") { Description = "Table to write (CSV, TSV, .gz, Parquet); - is CSV on stdout", DefaultValueFactory = _ => "-", HelpName = "OUT" };
        Option<string?> smilesColumn = new("--smiles-column") { Description = "SMILES column (else the one named smiles)" };
        Option<string?> idColumn = new("--id-column") { Description = "Column that identifies a row (else id, cid, gdb_id or name), for vectors found by identifier", HelpName = "NAME" };
        Option<string?> textColumn = new("--text-column") { Description = "Column with descriptions (else text, description or caption)" };
        Option<bool> json = new("--json") { Description = "With --smiles: print JSON" };
        Command command = new("predict", "Predict properties of molecules with the model that came with the program, or one of your own") { file, smiles, output, smilesColumn, idColumn, textColumn, json };
        TrainedModelOptions model = new(command);
        HelpWithExamples.Set(command,
            ["./llmfusion predict --smiles \"CC(=O)Oc1ccccc1C(=O)O\"", "./llmfusion predict molecules.csv -o predictions.csv", "./llmfusion predict --model my-model molecules.csv --modalities fingerprint -o predictions.csv"],
            ["A model with intervals (see models release) gives NAME_lower and NAME_upper beside each property, and a column domain: ok,", "or in what a molecule is unlike those that the properties were learned from. Several models give the mean of their", "predictions and NAME_deviation, how far they differ; intervals are calibrated for one model alone."]);
        command.SetRun((parse, screen, stop) =>
        {
            string? path = parse.GetValue(file);
            string[] molecules = parse.GetValue(smiles) ?? [];
            if (path is null == (molecules.Length == 0)) throw new UsageException("give either a FILE or --smiles");
            if (path is null && parse.GetResult(output) is { Implicit: false }) throw new UsageException("-o goes with a FILE; with --smiles there is --json");
            if (path is null) return Molecules(molecules);
            using DataFile data = DataFile.Open(path, new DataFileOptions { SmilesColumn = parse.GetValue(smilesColumn), IdColumn = parse.GetValue(idColumn), TextColumn = parse.GetValue(textColumn) });
            return Rows(data);

            int Molecules(string[] given)
            {
                using OpenModel open = model.Open(parse, screen, columns: null, stop);
                RowPrediction[] predictions = [.. open.Predictor.Predict(DataRow.OfSmiles(given), stop)];
                Show(predictions, open.Predictor.Targets, open.Models is [{ Manifest.Release: { } release }] ? release : null, parse.GetValue(json), screen);
                open.NoteTruncation(screen);
                foreach (RowPrediction refused in predictions.Where(p => p.Error is not null)) screen.Note($"error: {refused.Error!.Message}");
                return predictions.Any(p => p.Error is not null) ? ExitCode.SomeRowsRefused : ExitCode.Done;
            }

            int Rows(DataFile data)
            {
                using OpenModel open = model.Open(parse, screen, data.Columns, stop);
                using ProgressLine progress = screen.Progress("molecules");
                PredictionSummary summary = open.Predictor.PredictFile(data, parse.GetValue(output)!, done => progress.Report(done), stop);
                progress.Dispose();
                screen.Note($"{summary.Rows} rows, {summary.Refused} refused"
                    + (parse.GetValue(output) == "-" ? "" : $": {parse.GetValue(output)}"));
                open.NoteTruncation(screen);
                return summary.Refused > 0 ? ExitCode.SomeRowsRefused : ExitCode.Done;
            }
        });
        return command;
    }

    private static void Show(IReadOnlyList<RowPrediction> predictions, IReadOnlyList<TargetEntry> targets, ReleaseEntry? release, bool json, Screen screen)
    {
        if (json)
        {
            screen.Data(ToJson(predictions, targets));
            return;
        }

        bool intervals = predictions.Any(p => p.Intervals is not null), deviations = predictions.Any(p => p.Deviations is not null);
        DataTable table = new(["smiles", "property", "value", .. intervals ? new[] { $"{release!.Coverage:P0} interval" } : [], .. deviations ? new[] { "models differ by" } : [], "unit"]);
        foreach (RowPrediction prediction in predictions.Where(p => p.Values is not null))
            for (int t = 0; t < targets.Count; t++)
                table.Add([t == 0 ? prediction.Row.Smiles : "", targets[t].Name, prediction.Values![t].ToString("G5"),
                    .. intervals ? new[] { prediction.Intervals?[t] is { } i ? $"{i.Lower:G5} to {i.Upper:G5}" : "" } : [],
                    .. deviations ? new[] { prediction.Deviations?[t].ToString("G3") ?? "" } : [], targets[t].Unit]);
        if (predictions.Any(p => p.Values is not null)) screen.Table(table);
        foreach (RowPrediction prediction in predictions)
            foreach (OutsideDomain outside in prediction.Outside ?? [])
                screen.Data($"! {prediction.Row.Smiles} is unlike the molecules that {string.Join(", ", outside.Targets)} were learned from ({outside.Data}): {outside.Reason}");
        if (release is not null && !intervals && predictions.Any(p => p.Values is not null)) screen.Note("no intervals: the model has none for these modalities");
    }

    private static string ToJson(IReadOnlyList<RowPrediction> predictions, IReadOnlyList<TargetEntry> targets) => JsonSerializer.Serialize(predictions.Select(p => new
    {
        smiles = p.Row.Smiles,
        predictions = p.Values?.Select((v, t) => (targets[t].Name, v)).ToDictionary(v => v.Name, v => v.v),
        units = targets.ToDictionary(t => t.Name, t => t.Unit),
        intervals = p.Intervals?.Index().Where(i => i.Item is not null).ToDictionary(i => targets[i.Index].Name, i => new { lower = i.Item!.Value.Lower, upper = i.Item.Value.Upper }),
        deviations = p.Deviations?.Select((v, t) => (targets[t].Name, v)).ToDictionary(v => v.Name, v => v.v),
        outside = p.Outside?.Select(o => new { data = o.Data, targets = o.Targets, reason = o.Reason }),
        error = p.Error?.Message,
    }), Indented);
}
