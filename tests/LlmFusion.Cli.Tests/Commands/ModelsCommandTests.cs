using System.Text.Json;
using LlmFusion.Transformers.Hub;
using LlmFusion.Transformers.Tests.Hub;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary>Tests that set the process's variables run alone.</summary>
[CollectionDefinition("Environment", DisableParallelization = true)]
public sealed class EnvironmentCollection;

[Collection("Environment")]
public sealed class ModelsCommandTests : IDisposable
{
    private const string Id = "lab/tiny";

    private readonly CommandLine cli = new();
    private readonly LoopbackHub server = new();
    private readonly HubEnvironment environment;

    public ModelsCommandTests()
    {
        environment = new HubEnvironment(cli["hf"], server.Endpoint, cli["store"]);
    }

    public void Dispose()
    {
        environment.Dispose();
        server.Dispose();
        cli.Dispose();
    }

    private static Dictionary<string, byte[]> Files()
    {
        byte[] header = """{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"""u8.ToArray();
        return new()
        {
            ["config.json"] = """{"model_type":"gpt2","architectures":["GPT2LMHeadModel"],"n_embd":8,"n_layer":2,"n_head":4,"n_positions":16,"vocab_size":10}"""u8.ToArray(),
            ["vocab.json"] = "{}"u8.ToArray(),
            ["model.safetensors"] = [.. BitConverter.GetBytes((long)header.Length), .. header, .. new byte[24]],
        };
    }

    [Fact]
    public async Task Pull_prints_the_folder_and_the_others_show_what_came()
    {
        string commit = server.Publish(Id, Files());
        string folder = Path.Combine(cli["hf"], "hub", "models--lab--tiny", "snapshots", commit);
        Assert.Equal(ExitCode.Done, await cli.Run("models", "pull", Id));
        Assert.Equal(folder + Environment.NewLine, cli.Output);
        Assert.Empty(cli.Error);

        Environment.SetEnvironmentVariable("HF_HUB_OFFLINE", "1");
        Assert.Equal(ExitCode.Done, await cli.Run("models", "info", Id, "--json"));
        using (JsonDocument info = JsonDocument.Parse(cli.Output))
        {
            JsonElement root = info.RootElement;
            Assert.Equal((commit, folder, "gpt2"), (root.GetProperty("commit").GetString(), root.GetProperty("folder").GetString(), root.GetProperty("model_type").GetString()));
            Assert.Equal((8, 2, 6), (root.GetProperty("width").GetInt32(), root.GetProperty("layers").GetInt32(), root.GetProperty("parameters").GetInt32()));
            Assert.Equal(["config.json", "model.safetensors", "vocab.json"], root.GetProperty("files").EnumerateArray().Select(file => file.GetProperty("name").GetString()));
        }

        Assert.Equal(ExitCode.Done, await cli.Run("models", "info", folder));
        Assert.Matches(@"architecture\s+GPT2LMHeadModel", cli.Output);
        Assert.Equal(ExitCode.Done, await cli.Run("models", "list", "--json"));
        using (JsonDocument list = JsonDocument.Parse(cli.Output))
        {
            JsonElement model = Assert.Single(list.RootElement.GetProperty("models").EnumerateArray());
            JsonElement here = Assert.Single(model.GetProperty("commits").EnumerateArray());
            Assert.Equal((Id, commit, "main", true), (model.GetProperty("id").GetString(), here.GetProperty("commit").GetString(), here.GetProperty("revisions")[0].GetString(), here.GetProperty("complete").GetBoolean()));
            Assert.Contains("chemberta", list.RootElement.GetProperty("presets").EnumerateArray().Select(preset => preset.GetProperty("name").GetString()));
        }

        Assert.Equal(ExitCode.Done, await cli.Run("models", "list"));
        Assert.Matches($@"{Id}\s+{commit[..12]}\s+main\s+yes\s+\d+ B", cli.Output);
        Assert.Matches(@"gpt2-large\s+no\s+gpt2\s+openai-community/gpt2-large", cli.Output);
    }

    [Fact]
    public async Task Several_models_are_pulled_and_the_first_refusal_ends_it()
    {
        server.Publish(ModelPresets.Find("gpt2")!.Id, Files());
        server.Publish(Id, Files(), revision: "v1");
        Assert.Equal(ExitCode.Failed, await cli.Run("models", "pull", "gpt2", Id));
        Assert.Contains("models--openai-community--gpt2", cli.Output, StringComparison.Ordinal);
        Assert.Contains($"error: {Id} has no revision main", cli.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Done, await cli.Run("models", "pull", Id, "--revision", "v1"));
    }

    [Fact]
    public async Task What_went_wrong_but_passed_is_said()
    {
        server.Publish(Id, Files());
        int left = 1;
        server.Interfere = _ => Interlocked.Decrement(ref left) >= 0 ? new LoopbackAnswer(429, new Dictionary<string, string> { ["Retry-After"] = "0" }) : null;
        Assert.Equal(ExitCode.Done, await cli.Run("models", "pull", Id));
        Assert.Equal($"{Id}: 127.0.0.1 answered 429 TooManyRequests; trying again{Environment.NewLine}", cli.Error);
    }

    [Fact]
    public async Task A_preset_that_is_not_here_shows_its_architecture()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("models", "info", "gpt2-large"));
        Assert.Matches(@"width\s+1280", cli.Output);
        Assert.Contains("./llmfusion models pull gpt2-large", cli.Output, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failed, await cli.Run("models", "info", Id));
        Assert.Contains($"get it with: ./llmfusion models pull {Id}", cli.Error, StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task Nothing_to_pull_is_wrong_use() => Assert.Equal(ExitCode.WrongUse, await cli.Run("models", "pull"));
}
