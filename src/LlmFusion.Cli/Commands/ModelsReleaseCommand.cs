using System.CommandLine;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;
using LlmFusion.Prediction;
using LlmFusion.Pretraining;

namespace LlmFusion.Cli.Commands;

/// <summary><c>models release</c>: a trained model made ready to be handed on.</summary>
internal static class ModelsReleaseCommand
{
    public static Command Create()
    {
        Argument<string> model = new("DIR") { Description = "Output folder of a training run, or of pretrain" };
        Option<string> output = new("--output", "-o") { Description = "Folder to write; its name becomes the model's", Required = true, HelpName = "MODEL" };
        Option<string?> data = new("--data") { Description = "Built-in data sets that the model was trained on, separated by commas (else the data of its configuration)", HelpName = "NAMES" };
        data.Validators.Add(result =>
        {
            foreach (string name in OptionValues.List(result.GetValueOrDefault<string?>()) ?? []) OptionValues.CheckDataSet("--data", result, name);
        });
        Option<string> device = new("--device") { Description = "auto, cpu or cuda", DefaultValueFactory = _ => "auto" };
        Option<string?> notes = Notes();
        Command command = new("release", "Round a trained model to float16, calibrate its intervals, and measure what it then is; or round a pretrained encoder") { model, output, data, device, notes };
        HelpWithExamples.Set(
            command,
            ["./llmfusion models release my-model -o models/my-model", "./llmfusion models release my-encoder -o models/my-smiles", "./llmfusion models release my-model -o models/my-model --data qm9,chebi20"],
            [
                "Train with --calibration-fraction 0.5: the intervals are then calibrated on molecules that training has not seen.",
                "Where a model has no text for a molecule, the intervals are those of predictions without a text, and so for --modalities.",
            ]);
        command.SetRun((parse, screen, stop) =>
        {
            string folder = parse.GetValue(output)!;
            if (EncoderRelease.IsEncoder(parse.GetValue(model)!))
            {
                if (parse.GetResult(data) is not null || parse.GetResult(notes) is not null || parse.GetResult(device) is { Implicit: false }) throw new UsageException("an encoder is rounded and nothing else: it takes neither --data, --device nor --notes");
                EncoderRelease.Write(parse.GetValue(model)!, folder);
                NoteSize(folder, screen);
                return ExitCode.Done;
            }

            using DownloadView view = new(screen);
            ReleaseOptions options = new()
            {
                Data = OptionValues.List(parse.GetValue(data)) ?? [],
                Name = NameOf(folder),
                Notes = TextOf(parse.GetValue(notes)),
                Device = parse.GetValue(device)!,
                Sources = new ModelSources { Progress = view.Show, Cancellation = stop },
            };
            ModelManifest manifest = ModelRelease.Write(parse.GetValue(model)!, folder, options, screen.Note, stop);
            DataTable table = new("data", "molecules", "from", "target", "n", "MAE", "R2", "unit", "coverage", "mean width");
            foreach (ReleaseMetrics row in manifest.Release!.Test)
                table.Add(row.Data, row.Part, string.Join("+", row.Modalities), row.Target, row.Metrics.N, row.Metrics.Mae.ToString("G4"), row.Metrics.R2.ToString("F3"), manifest.Targets.First(t => t.Name == row.Target).Unit,
                    row.Metrics.Coverage is { } coverage ? $"{100 * coverage.Share:F1}%" : "", row.Metrics.Coverage?.MeanWidth.ToString("G4") ?? "");
            screen.Table(table);
            NoteSize(folder, screen);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary><c>models card</c>: the card alone, from what was measured when the model was released.</summary>
    public static Command CreateCard()
    {
        Argument<string> model = new("MODEL") { Description = "Released model" };
        Option<string?> notes = Notes();
        Command command = new("card", "Write the README.md of a released model anew, for instance with other notes; nothing is measured again") { model, notes };
        HelpWithExamples.Set(command, ["./llmfusion models card my-released-model --notes notes.md"]);
        command.SetRun((parse, screen, _) =>
        {
            string folder = parse.GetValue(model)!;
            ReleaseCard.Rewrite(folder, NameOf(folder), TextOf(parse.GetValue(notes)));
            screen.Note(Path.Combine(folder, ReleaseCard.FileName));
            return ExitCode.Done;
        });
        return command;
    }

    private static Option<string?> Notes() => new("--notes") { Description = "Markdown that is put into the model's card, behind its training: where it must not be used, its licence, ..", HelpName = "FILE" };

    private static string TextOf(string? notes) => notes is null ? "" : File.ReadAllText(notes);

    private static string NameOf(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));

    private static void NoteSize(string folder, Screen screen) =>
        screen.Note($"{folder}: {Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length) / 1e6:F1} MB");
}
