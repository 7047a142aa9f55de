using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Cli.Rendering;
using LlmFusion.Embedding;

namespace LlmFusion.Cli.Commands;

/// <summary><c>models store</c>: how large the store of embeddings is, and how it is cleared.</summary>
internal static class ModelsStoreCommand
{
    public static Command Create()
    {
        Option<bool> clear = new("--clear") { Description = "Forget all stored embeddings, or those of --encoder" };
        Option<string?> encoder = new("--encoder") { Description = "With --clear: an encoder's name, or the beginning of its identity", HelpName = "NAME" };
        Option<bool> json = new("--json") { Description = "Print JSON" };
        Command command = new("store", "Report on the stored embeddings of frozen encoders, or clear them") { clear, encoder, json };
        HelpWithExamples.Set(command, ["./llmfusion models store", "./llmfusion models store --clear --encoder chemberta"],
            [$"The store is one file, in the folder that {EmbeddingStore.FolderVariable} names or the user's cache. Everything in it can be computed again."]);
        command.SetRun((parse, screen, stop) =>
        {
            if (parse.GetValue(encoder) is not null && !parse.GetValue(clear)) throw new UsageException("--encoder goes with --clear");
            if (!File.Exists(EmbeddingStore.DefaultPath))
            {
                if (parse.GetValue(json)) screen.Data(ToJson([], 0));
                screen.Note($"nothing is stored: {EmbeddingStore.DefaultPath} is not there");
                return ExitCode.Done;
            }

            using EmbeddingStore store = EmbeddingStore.Open();
            if (parse.GetValue(clear))
            {
                long gone = store.Clear(parse.GetValue(encoder));
                screen.Note(string.Create(CultureInfo.InvariantCulture, $"{gone:N0} embeddings forgotten"));
                if (gone == 0 && parse.GetValue(encoder) is { } name && store.Report().Count > 0) screen.Note($"no encoder is named {name}; there are {string.Join(", ", store.Report().Select(e => e.Encoder).Distinct())}");
            }

            IReadOnlyList<StoredEncoder> encoders = store.Report();
            if (parse.GetValue(json))
            {
                screen.Data(ToJson(encoders, new FileInfo(store.Path).Length));
                return ExitCode.Done;
            }

            DataTable table = new("encoder", "identity", "width", "embeddings", "MB");
            foreach (StoredEncoder stored in encoders)
                table.Add(stored.Encoder, stored.Identity[..12], stored.Width, stored.Vectors.ToString("N0", CultureInfo.InvariantCulture), Megabytes(stored.Bytes));
            if (encoders.Count > 0) screen.Table(table);
            screen.Note($"{store.Path}: {Megabytes(new FileInfo(store.Path).Length)} MB");
            return ExitCode.Done;
        });
        return command;
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("N1", CultureInfo.InvariantCulture);

    private static string ToJson(IReadOnlyList<StoredEncoder> encoders, long bytes) => new JsonObject
    {
        ["file"] = EmbeddingStore.DefaultPath,
        ["bytes"] = bytes,
        ["encoders"] = new JsonArray([.. encoders.Select(e => new JsonObject
        {
            ["encoder"] = e.Encoder,
            ["identity"] = e.Identity,
            ["width"] = e.Width,
            ["embeddings"] = e.Vectors,
            ["bytes"] = e.Bytes,
        })]),
    }.ToJsonString(new JsonSerializerOptions { WriteIndented = true });
}
