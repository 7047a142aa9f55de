using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmFusion.Cli.Rendering;
using LlmFusion.Prediction;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.Cli.Commands;

/// <summary><c>models</c>: pretrained models from the hub, and what is in the cache.</summary>
internal static class ModelsCommand
{
    // A further subcommand is a file of its own, ModelsNAMECommand.cs, and one entry here.
    public static Command Create() => new("models", "Pretrained models: get them from the Hugging Face hub, and see which are here")
    {
        Pull(),
        List(),
        Info(),
        ModelsTokenizeCommand.Create(),
        ModelsStoreCommand.Create(),
        ModelsVerifyCommand.Create(),
        ModelsReleaseCommand.Create(),
        ModelsReleaseCommand.CreateCard(),
    };

    private static Command Pull()
    {
        Argument<string[]> models = new("ID") { Arity = ArgumentArity.OneOrMore, Description = $"Preset ({Presets()}) or repository id on the hub, such as org/name" };
        Option<string?> revision = Revision();
        Command command = new("pull", "Download models into the Hugging Face cache, and print their folders") { models, revision };
        HelpWithExamples.Set(
            command,
            [
                "./llmfusion models pull chemberta selfbart gpt2",
                "./llmfusion models pull HuggingFaceTB/SmolLM2-135M --revision main",
                "HF_HUB_CACHE=/data/hub HF_TOKEN=hf_... ./llmfusion models pull org/gated-model",
            ],
            [
                "Files go where Hugging Face's Python library has them, and files that it has fetched are used: HF_HOME,",
                "HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE mean here what they mean there. safetensors are",
                "preferred. A download that was broken off goes on where it was; length and hash are checked.",
            ]);
        command.SetRun((parse, screen, stop) =>
        {
            ModelHub hub = new();
            using DownloadView view = new(screen);
            foreach (string model in parse.GetValue(models)!)
            {
                ModelFolder folder = hub.Get(model, parse.GetValue(revision), view.Show, stop);
                view.Dispose();
                screen.Data(folder.Path);
            }

            return ExitCode.Done;
        });
        return command;
    }

    private static Command List()
    {
        Option<bool> json = Json();
        Command command = new("list", "Show the models with short names, and those in the cache") { json };
        HelpWithExamples.Set(command, ["./llmfusion models list", "./llmfusion models list --json"]);
        command.SetRun((parse, screen, _) =>
        {
            ModelHub hub = new();
            IReadOnlyList<CachedModel> cached = hub.Cached();
            if (parse.GetValue(json)) screen.Data(ToJson(hub, cached));
            else Show(hub, cached, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Info()
    {
        Argument<string> model = new("ID") { Description = $"Preset ({Presets()}), repository id, or a local folder" };
        Option<string?> revision = Revision();
        Option<bool> json = Json();
        Command command = new("info", "Show a model's architecture, size and files, without asking the hub") { model, revision, json };
        HelpWithExamples.Set(command, ["./llmfusion models info gpt2", "./llmfusion models info ./my-model --json"]);
        command.SetRun((parse, screen, _) =>
        {
            ModelHub hub = new();
            string name = parse.GetValue(model)!;
            ModelFolder? folder = hub.Find(name, parse.GetValue(revision));
            ModelPreset? preset = ModelPresets.Find(name);
            if (folder is null && preset is null)
                throw new HubException($"{name} is not in the cache {hub.Options.Cache}; get it with: ./llmfusion models pull {name}");
            // A preset's architecture is known without its files.
            ModelSummary summary = folder is null ? ModelSummary.Of(preset!.Config()) : ModelSummary.Of(folder.Path);
            if (parse.GetValue(json)) screen.Data(ToJson(name, preset, folder, summary));
            else Show(name, preset, folder, summary, screen);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Show(ModelHub hub, IReadOnlyList<CachedModel> cached, Screen screen)
    {
        DataTable presets = new("preset", "here", "type", "repository", "what it is") { Title = "Short names" };
        foreach (ModelPreset preset in ModelPresets.All)
            presets.Add(preset.Name, hub.Find(preset.Name) is null ? "no" : "yes", preset.ModelType, preset.Id, preset.About);
        screen.Table(presets);
        if (ShippedModels.Names.Count + ShippedModels.Encoders.Count > 0)
        {
            DataTable shipped = new("name", "what it is") { Title = "With the program" };
            foreach (string model in ShippedModels.Names) shipped.Add(model, "trained model, for predict --model and train --init");
            foreach (string encoder in ShippedModels.Encoders) shipped.Add(encoder, "pretrained encoder, for train --encoder and embed --encoder");
            screen.Table(shipped);
        }

        if (cached.Count == 0)
        {
            screen.Data($"No models in the cache {hub.Options.Cache}.");
            return;
        }

        DataTable models = new("model", "commit", "revisions", "complete", "size") { Title = $"In the cache {hub.Options.Cache}" };
        foreach (CachedModel model in cached)
        {
            string size = ProgressLine.Bytes(model.Bytes);
            foreach (CachedCommit commit in model.Commits)
            {
                models.Add(model.Id, commit.Commit[..12], string.Join(", ", commit.Revisions), commit.Complete ? "yes" : "no", size);
                // Commits share their files: the size is the model's.
                size = "";
            }

            if (model.Commits.Count == 0) models.Add(model.Id, "", "", "no", size);
        }

        screen.Table(models);
    }

    private static void Show(string name, ModelPreset? preset, ModelFolder? folder, ModelSummary summary, Screen screen)
    {
        DataTable about = new("model", folder?.Id ?? preset?.Id ?? name);
        if (preset is not null) about.Add("what it is", preset.About);
        about.Add("type", summary.ModelType);
        about.Add("architecture", summary.Architecture);
        about.Add("width", summary.Width);
        about.Add("layers", summary.Layers);
        about.Add("heads", summary.Heads);
        about.Add("positions", summary.Positions);
        about.Add("vocabulary", summary.Vocabulary);
        if (summary.Parameters is { } parameters) about.Add("parameters", parameters.ToString("N0", CultureInfo.InvariantCulture));
        if (folder?.Commit is { } commit) about.Add("commit", commit);
        about.Add("folder", folder?.Path ?? $"not here; get it with: ./llmfusion models pull {name}");
        foreach (ModelFile file in summary.Files) about.Add(file.Name, ProgressLine.Bytes(file.Bytes));
        screen.Table(about);
    }

    private static string ToJson(ModelHub hub, IReadOnlyList<CachedModel> cached) => Indented(new JsonObject
    {
        ["cache"] = hub.Options.Cache,
        ["presets"] = new JsonArray([.. ModelPresets.All.Select(preset => new JsonObject
        {
            ["name"] = preset.Name,
            ["id"] = preset.Id,
            ["model_type"] = preset.ModelType,
            ["about"] = preset.About,
            ["here"] = hub.Find(preset.Name) is not null,
        })]),
        ["models"] = new JsonArray([.. cached.Select(model => new JsonObject
        {
            ["id"] = model.Id,
            ["bytes"] = model.Bytes,
            ["folder"] = model.Folder,
            ["commits"] = new JsonArray([.. model.Commits.Select(commit => new JsonObject
            {
                ["commit"] = commit.Commit,
                ["revisions"] = new JsonArray([.. commit.Revisions.Select(revision => JsonValue.Create(revision))]),
                ["complete"] = commit.Complete,
                ["folder"] = commit.Folder,
            })]),
        })]),
    });

    private static string ToJson(string name, ModelPreset? preset, ModelFolder? folder, ModelSummary summary) => Indented(new JsonObject
    {
        ["name"] = name,
        ["preset"] = preset?.Name,
        ["id"] = folder is null ? preset?.Id : folder.Id,
        ["commit"] = folder?.Commit,
        ["folder"] = folder?.Path,
        ["model_type"] = summary.ModelType,
        ["architecture"] = summary.Architecture,
        ["width"] = summary.Width,
        ["layers"] = summary.Layers,
        ["heads"] = summary.Heads,
        ["positions"] = summary.Positions,
        ["vocabulary"] = summary.Vocabulary,
        ["parameters"] = summary.Parameters,
        ["files"] = new JsonArray([.. summary.Files.Select(file => new JsonObject { ["name"] = file.Name, ["bytes"] = file.Bytes })]),
    });

    private static string Indented(JsonObject json) => json.ToJsonString(new() { WriteIndented = true });

    private static string Presets() => string.Join(", ", ModelPresets.All.Select(preset => preset.Name));

    private static Option<string?> Revision() => new("--revision") { Description = "Branch, tag or commit [default: main]", HelpName = "R" };

    private static Option<bool> Json() => new("--json") { Description = "Print JSON" };
}
