using System.CommandLine;
using System.Globalization;
using LlmFusion.Cli.Rendering;
using LlmFusion.Experiments;
using LlmFusion.Training;

namespace LlmFusion.Cli.Commands;

/// <summary><c>demo</c>: the whole story in about two minutes, offline.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        Option<string> output = new("--output", "-o") { Description = "Folder for model, table and plots", DefaultValueFactory = _ => "llmfusion-demo", HelpName = "DIR" };
        Command command = new("demo", "Show the whole story in about two minutes, offline: data, baselines, fusion model, plots, predictions") { output };
        command.SetRun((parse, screen, stop) =>
        {
            screen.Note("""
                LLM-Fusion learns a property from several representations of a molecule at once. Here: 2,000 molecules that
                this program assembles itself; targets are RDKit's Crippen LogP and QED (0 to 1), so the model learns to
                imitate formulas. Each molecule is read as SMILES, SELFIES, Morgan fingerprint and text.

                """);
            using TrainingView view = new(screen);
            DemoResult demo = Demo.Run(parse.GetValue(output)!, view.Show, stop);
            view.Dispose();
            TrainingView.Summarise(demo.Training, screen);
            Show(demo, screen);
            return demo.Training.Reason == StopReason.Cancelled ? ExitCode.Stopped : ExitCode.Done;
        });
        return command;
    }

    private static void Show(DemoResult demo, Screen screen)
    {
        string[] targets = [.. demo.Training.Manifest.Targets.Select(t => t.Name)];
        DataTable table = new(["test molecule", .. targets.SelectMany(t => new[] { t, $"{t} predicted" })]) { Title = "Five test molecules, never seen in training" };
        foreach (DemoPrediction prediction in demo.Predictions)
            table.Add([prediction.Smiles, .. targets.SelectMany((_, t) => new object[] { Round(prediction.Truth[t]), Round(prediction.Predicted[t]) })]);
        screen.Table(table);
        screen.Data("fusion is this program's model, ridge a linear model on count fingerprints, constant the training mean.");
        screen.Data($"""
            Next:
              ./llmfusion predict --model {demo.Training.Folder} --smiles "CC(=O)Oc1ccccc1C(=O)O"
              ./llmfusion train YOUR.csv --targets YOUR_COLUMN -o my-model
            """);
    }

    private static string Round(float value) => value.ToString("F2", CultureInfo.InvariantCulture);
}
