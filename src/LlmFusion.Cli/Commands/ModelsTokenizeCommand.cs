using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Cli.Rendering;
using LlmFusion.Prediction;
using LlmFusion.Transformers.Hub;
using LlmFusion.Transformers.Tokenizers;

namespace LlmFusion.Cli.Commands;

/// <summary><c>models tokenize</c>: the token ids of texts, as a model reads them.</summary>
internal static class ModelsTokenizeCommand
{
    // Tokens are for reading: SMILES full of \u002B are not. Output is JSON, never HTML.
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        Argument<string> folder = new("FOLDER") { Description = "Folder with the model's tokenizer files, or a preset or repository id of the model hub" };
        Argument<string[]> texts = new("TEXT") { Description = "Texts", Arity = ArgumentArity.ZeroOrMore };
        Option<string?> file = new("--file") { Description = "File with one text a line instead of TEXT; - is stdin", HelpName = "FILE" };
        Option<string?> jsonLines = new("--jsonl")
        {
            Description = "File with one JSON object a line, whose text field is taken, instead of TEXT; - is stdin",
            HelpName = "FILE",
        };
        Option<int?> maximum = OptionValues.WholeNumber("--max-length", "Most tokens of a text, special tokens included; what is too much is cut off", 1);
        Command command = new("tokenize", "Print the token ids of texts, one JSON line for each") { folder, texts, file, jsonLines, maximum };
        HelpWithExamples.Set(
            command,
            [
                "./llmfusion models tokenize models/gpt2 \"Hello world\" \"CC(=O)O\"",
                "./llmfusion models tokenize models/chemberta --file smiles.txt --max-length 512 > ids.jsonl",
                "zcat descriptions.jsonl.gz | ./llmfusion models tokenize models/gpt2 --jsonl -",
            ],
            [
                "A line has ids and tokens, special tokens included, and with --max-length also dropped, the number of",
                "tokens that were cut off. How many texts were cut is said on stderr.",
            ]);
        command.SetRun((parse, screen, stop) =>
        {
            string[] given = parse.GetValue(texts) ?? [];
            string? lines = parse.GetValue(file), objects = parse.GetValue(jsonLines);
            if ((given.Length > 0 ? 1 : 0) + (lines is null ? 0 : 1) + (objects is null ? 0 : 1) != 1)
                throw new UsageException("give one of TEXT, --file and --jsonl");
            string model = parse.GetValue(folder)!;
            using DownloadView view = new(screen);
            Tokenizer tokenizer = Tokenizer.Load(ShippedModels.ResolveEncoder(model) is var local && Directory.Exists(local) ? local : new ModelHub().Get(model, progress: view.Show, cancellation: stop).Path);
            view.Dispose();
            int? limit = parse.GetValue(maximum);
            if (limit < tokenizer.SpecialTokens)
                throw new UsageException($"--max-length: got {limit}, expected at least the {tokenizer.SpecialTokens} special tokens of the model");

            long count = 0, cut = 0, dropped = 0;
            foreach (string text in lines is not null ? Lines(lines) : objects is not null ? Texts(objects) : given)
            {
                stop.ThrowIfCancellationRequested();
                TokenizedText tokenized = tokenizer.Encode(text, limit);
                JsonObject line = new()
                {
                    ["ids"] = new JsonArray([.. tokenized.Ids]),
                    ["tokens"] = new JsonArray([.. tokenized.Ids.Select(id => JsonValue.Create(tokenizer.TokenOf(id)))]),
                };
                if (limit is not null) line["dropped"] = tokenized.Dropped;
                screen.Data(line.ToJsonString(Json));
                count++;
                cut += tokenized.Dropped > 0 ? 1 : 0;
                dropped += tokenized.Dropped;
            }

            if (cut > 0)
                screen.Note(string.Create(CultureInfo.InvariantCulture, $"{cut} of {count} texts were cut at {limit} tokens, {dropped} tokens were dropped"));
            return ExitCode.Done;
        });
        return command;
    }

    private static IEnumerable<string> Lines(string path)
    {
        using TextReader reader = path == "-" ? Console.In : new StreamReader(path, Encoding.UTF8);
        while (reader.ReadLine() is { } line)
            yield return line;
    }

    private static IEnumerable<string> Texts(string path)
    {
        foreach ((int number, string line) in Lines(path).Index())
        {
            if (string.IsNullOrWhiteSpace(line)) continue;
            yield return TextOf(line) ?? throw new InvalidDataException(
                $"{path} line {number + 1}: expected a JSON object with a text field, got {(line.Length <= 60 ? line : line[..60] + "...")}");
        }
    }

    private static string? TextOf(string line)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String
                ? text.GetString()
                : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
