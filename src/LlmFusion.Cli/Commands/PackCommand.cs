using System.CommandLine;
using System.Globalization;
using LlmFusion.Cli.Rendering;
using LlmFusion.Packaging;

namespace LlmFusion.Cli.Commands;

/// <summary><c>pack</c>: this program as a folder that runs where nothing is installed.</summary>
internal static class PackCommand
{
    public static Command Create()
    {
        Command command = new("pack", "Write a folder with this program and all that it needs, to run on a cluster's nodes");
        Argument<string> folder = new("DIR") { Description = "New folder to write" };
        command.Arguments.Add(folder);
        command.SetRun((result, screen, cancellation) =>
        {
            PackSummary pack;
            using (ProgressLine line = screen.Progress("bytes", null))
                pack = ProgramPack.Write(result.GetValue(folder)!, (done, _) => line.Report(done, "copy"), cancellation);
            screen.Data(string.Create(CultureInfo.InvariantCulture, $"Pack   {pack.Folder} ({pack.Files} files, {pack.Bytes / 1e9:F1} GB)"));
            foreach (string library in pack.Without) screen.Note($"not in it, as it is not installed here: {library}");
            screen.Data($"Start  {pack.Folder}/llmfusion");
            return ExitCode.Done;
        });
        return command;
    }
}
