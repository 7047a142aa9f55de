using LlmFusion.Embedding;
using LlmFusion.Tests.Embedding;
using LlmFusion.Transformers.Tests.Hub;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary>The README's section on pretrained models works as written: every command of it, against a hub on loopback that has tiny models of those names.</summary>
[Collection("Environment")]
public sealed class ReadmeTests : IDisposable
{
    private readonly HubEnvironment environment;
    private readonly CommandLine cli = new();
    private readonly LoopbackHub server = new();

    public ReadmeTests()
    {
        environment = new HubEnvironment(cli["hf"], server.Endpoint, cli["store"]);
        server.Publish("seyonec/ChemBERTa-zinc-base-v1", TinyCheckpoint.Write(cli["roberta"], "roberta"));
        server.Publish("ibm-research/materials.selfies-ted", TinyCheckpoint.Write(cli["bart"], "bart", width: 24));
        server.Publish("openai-community/gpt2", TinyCheckpoint.Write(cli["gpt2"], "gpt2"));
    }

    public void Dispose()
    {
        environment.Dispose();
        server.Dispose();
        cli.Dispose();
    }

    [Fact]
    public async Task Its_commands_on_pretrained_models_run_as_written()
    {
        string root = Root();
        string[] commands = [.. Section(File.ReadAllLines(Path.Combine(root, "README.md")), "## Pretrained models")];
        Assert.True(commands.Length >= 6, "the section has fewer commands than expected");
        foreach (string command in commands)
        {
            // Files of the repository are read where they are; what is written goes to the test's own folder.
            string[] words = [.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(word =>
                word.StartsWith("docs/", StringComparison.Ordinal) ? Path.Combine(root, word)
                : word.Contains("my-", StringComparison.Ordinal) ? word.Replace("my-", cli["my-"], StringComparison.Ordinal) : word)];
            Assert.True(await cli.Run(words) == ExitCode.Done, $"{command}\n{cli.Output}\n{cli.Error}");
        }

        Assert.Contains("seyonec/ChemBERTa-zinc-base-v1", await File.ReadAllTextAsync(Path.Combine(cli["my-paper-model"], "llmfusion.json"), TestContext.Current.CancellationToken));
        Assert.Contains("chemberta", cli.Output); // of the last command, the store's report
        Assert.Equal(401, File.ReadLines(cli["my-paper-predictions.csv"]).Count());
    }

    private static IEnumerable<string> Section(string[] lines, string title) =>
        lines.SkipWhile(line => line != title).Skip(1).TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal)).Where(line => line.StartsWith("./llmfusion ", StringComparison.Ordinal));

    internal static string Root()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "LlmFusion.slnx"))) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}

/// <summary>The variables that point pretrained models and stored embeddings somewhere; as they were before when disposed.</summary>
internal sealed class HubEnvironment : IDisposable
{
    private static readonly string[] Variables =
        ["HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", EmbeddingStore.FolderVariable];

    private readonly string?[] before = [.. Variables.Select(Environment.GetEnvironmentVariable)];

    public HubEnvironment(string home, string endpoint, string store)
    {
        foreach (string name in Variables) Environment.SetEnvironmentVariable(name, null);
        Environment.SetEnvironmentVariable("HF_HOME", home);
        Environment.SetEnvironmentVariable("HF_ENDPOINT", endpoint);
        Environment.SetEnvironmentVariable(EmbeddingStore.FolderVariable, store);
    }

    public void Dispose()
    {
        foreach ((string name, string? value) in Variables.Zip(before)) Environment.SetEnvironmentVariable(name, value);
    }
}
