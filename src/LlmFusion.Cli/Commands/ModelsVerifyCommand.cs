using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Cli.Rendering;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Verification;

namespace LlmFusion.Cli.Commands;

/// <summary><c>models verify</c>: recorded outputs of checkpoints beside what this program computes.</summary>
internal static class ModelsVerifyCommand
{
    public static Command Create()
    {
        Argument<string[]> folders = new("FOLDER") { Arity = ArgumentArity.OneOrMore, Description = "Folders with config.json, weights, golden.safetensors and golden.json" };
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("verify", "Prove that checkpoints give here what was recorded elsewhere") { folders, json };
        HelpWithExamples.Set(
            command,
            ["./llmfusion models verify my-checkpoint", "./llmfusion models verify checkpoints/* --json"],
            [
                "golden.safetensors holds inputs and outputs that a reference (Hugging Face's transformers, say) recorded;",
                "golden.json lists them under \"tensors\": name, role (input or expected), atol, rtol, and where only some",
                "tokens count compare_only_where, the name of an (N, L) mask. Each output must satisfy",
                "|here - recorded| <= atol + rtol |recorded|. An output that is not known here fails; code 1 when any fails.",
            ]);
        command.SetRun((parse, screen, stop) =>
        {
            List<(string Folder, VerificationReport? Report, string? Error)> results = [];
            foreach (string folder in parse.GetValue(folders)!)
            {
                try
                {
                    results.Add((folder, CheckpointVerification.Run(folder), null));
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    // The other folders are looked at all the same.
                    results.Add((folder, null, e is CheckpointException ? e.Message : $"{folder}: {e.GetType().Name}: {e.Message.Split('\n')[0]}"));
                }
            }

            if (parse.GetValue(json)) screen.Data(ToJson(results));
            else Show(results, screen);
            foreach ((_, _, string? error) in results.Where(r => r.Error is not null)) screen.Note($"error: {error}");
            int failed = results.Count(r => r.Report?.Passed != true);
            screen.Note($"{results.Count - failed} of {results.Count} folders pass, {results.Sum(r => r.Report?.Checks.Count(c => c.Passed) ?? 0)} of "
                + $"{results.Sum(r => r.Report?.Checks.Count ?? 0)} tensors");
            return failed == 0 ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }

    private static void Show(IEnumerable<(string Folder, VerificationReport? Report, string? Error)> results, Screen screen)
    {
        DataTable table = new("folder", "model", "tensor", "largest deviation", "allowed", "result");
        foreach ((string folder, VerificationReport? report, string? error) in results)
        {
            string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
            if (report is null) table.Add(name, "", "", "", "", "fail: cannot be loaded");
            foreach (TensorCheck check in report?.Checks ?? [])
            {
                string allowed = string.Create(CultureInfo.InvariantCulture, $"{check.Atol:0.#E+0} + {check.Rtol:0.#E+0} |x|");
                string deviation = double.IsNaN(check.Deviation) ? "" : check.Deviation.ToString("0.00E+0", CultureInfo.InvariantCulture);
                table.Add(name, report!.ModelType, check.Name, deviation, allowed, check.Passed ? "pass" : $"fail: {check.Problem}");
            }
        }

        screen.Table(table);
    }

    private static string ToJson(IEnumerable<(string Folder, VerificationReport? Report, string? Error)> results) => new JsonArray([.. results.Select(r => new JsonObject
    {
        ["folder"] = r.Folder,
        ["model_type"] = r.Report?.ModelType,
        ["passed"] = r.Report?.Passed ?? false,
        ["error"] = r.Error,
        ["tensors"] = new JsonArray([.. (r.Report?.Checks ?? []).Select(c => new JsonObject
        {
            ["name"] = c.Name,
            ["shape"] = new JsonArray([.. c.Shape.Select(d => (JsonNode)d)]),
            ["deviation"] = double.IsFinite(c.Deviation) ? c.Deviation : null,
            ["atol"] = c.Atol,
            ["rtol"] = c.Rtol,
            ["passed"] = c.Passed,
            ["problem"] = c.Problem,
        })]),
    })]).ToJsonString(new JsonSerializerOptions { WriteIndented = true });
}
