using System.CommandLine;
using System.Globalization;
using LlmFusion.Cli.Rendering;
using LlmFusion.DataSets;
using LlmFusion.Diagnostics;

namespace LlmFusion.Cli.Commands;

/// <summary><c>bench</c>: how fast this machine is.</summary>
internal static class BenchCommand
{
    public static Command Create() => new("bench", "Measure how fast this machine is") { Featurize() };

    private static Command Featurize()
    {
        Option<string> data = new("--data") { Description = "Named data set to take molecules from: demo, qm9 or chebi20", HelpName = "NAME", DefaultValueFactory = _ => DemoDataSet.Name };
        data.Validators.Add(result => OptionValues.CheckDataSet("--data", result, result.GetValueOrDefault<string>()));
        Option<int> molecules = OptionValues.WholeNumber("--molecules", "How many molecules; from the beginning again where the data set has fewer", 2000, 1);
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("featurize", "Molecules per second of everything that the featurize command computes, on one core and on all") { data, molecules, json };
        HelpWithExamples.Set(command, ["./llmfusion bench featurize", "./llmfusion bench featurize --data qm9 --molecules 10000 --json"]);
        command.SetRun((parse, screen, stop) =>
        {
            int count = parse.GetValue(molecules);
            // Begun by the first molecule, so that its rate does not count the making of the data set.
            ProgressLine? progress = null;
            FeaturizeBenchmarkResult result;
            try
            {
                result = FeaturizeBenchmark.Run(parse.GetValue(data)!, count, done => (progress ??= screen.Progress("molecules", 2L * count)).Report(done), stop);
            }
            finally
            {
                progress?.Dispose();
            }

            if (parse.GetValue(json)) screen.Data(result.ToJson());
            else Show(result, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Show(FeaturizeBenchmarkResult result, Screen screen)
    {
        DataTable table = new("data", "molecules", "cores", "molecules/s", "seconds");
        foreach (FeaturizeRate rate in new[] { result.OneCore, result.AllCores })
            table.Add(result.Data, result.Molecules, rate.Threads, rate.MoleculesPerSecond.ToString("N0", CultureInfo.InvariantCulture), rate.Seconds.ToString("F2", CultureInfo.InvariantCulture));
        screen.Table(table);
    }
}
