using System.CommandLine;
using System.Globalization;
using LlmFusion.Cli.Rendering;
using LlmFusion.Diagnostics;

namespace LlmFusion.Cli.Commands;

/// <summary><c>doctor</c>: what is installed, found and missing.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("doctor", "Show what is installed, found and missing") { json };
        command.SetRun((parse, screen, _) =>
        {
            DoctorReport report = Doctor.Examine();
            if (parse.GetValue(json)) screen.Data(report.ToJson());
            else Show(report, screen);
            return report.Complete ? ExitCode.Done : ExitCode.Failed;
        }, withLibtorch: false);
        return command;
    }

    private static void Show(DoctorReport report, Screen screen)
    {
        var parts = new DataTable("part", "version", "where");
        foreach (Part part in report.Parts)
            parts.Add(part.Name, part.Version ?? "missing", part.Path);
        screen.Table(parts);

        Machine machine = report.Machine;
        var about = new DataTable("machine", "");
        about.Add("system", machine.System);
        about.Add("processor", $"{machine.Processor}, {machine.Vectors}");
        about.Add("cores", $"{machine.Cores}, libtorch computes with {machine.Threads?.ToString(CultureInfo.InvariantCulture) ?? "none"}");
        about.Add("memory", machine.FreeMemoryBytes is { } free
            ? $"{Gigabytes(machine.MemoryBytes)}, {Gigabytes(free)} free"
            : Gigabytes(machine.MemoryBytes));
        about.Add("device", machine.DeviceNote is { } note ? $"{machine.Device} ({note})" : machine.Device);
        foreach (KnownFolder folder in report.Folders)
        {
            string contents = !folder.Exists ? "not there yet" : folder.Contents.Count == 0 ? "empty" : string.Join(", ", folder.Contents);
            about.Add($"{folder.Name} folder", $"{folder.Path} ({contents}; moved by {folder.SetBy})");
        }

        screen.Table(about);
        foreach (Part part in report.Parts.Where(p => p.Problem is not null))
            screen.Data($"{part.Name} is missing: {part.Problem}\n  mend it with: {part.Remedy}");
        if (report.Complete) screen.Data("Nothing is missing.");
    }

    private static string Gigabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F1} GB");
}
