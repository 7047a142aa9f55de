using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using Xunit;

namespace LlmFusion.Tests.Prediction;

public sealed class ShippedModelsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ShippedModelsTests()
    {
        foreach (string name in new[] { ShippedModels.Default, "other" })
        {
            Directory.CreateDirectory(_folder[$"models/{name}"]);
            File.WriteAllText(_folder[$"models/{name}/llmfusion.json"], "{}");
        }

        Directory.CreateDirectory(_folder["models/notes"]);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_name_is_a_shipped_model_and_nothing_is_the_default()
    {
        Assert.Equal(_folder[$"models/{ShippedModels.Default}"], ShippedModels.Resolve(null, _folder["models"]));
        Assert.Equal(_folder["models/other"], ShippedModels.Resolve("other", _folder["models"]));
    }

    [Fact]
    public void A_folder_is_taken_as_it_is()
    {
        Assert.Equal(_folder["models/notes"], ShippedModels.Resolve(_folder["models/notes"], null));
        Assert.Equal("not/there", ShippedModels.Resolve("not/there", _folder["models"]));
    }

    [Fact]
    public void Where_there_is_none_the_message_says_what_can_be_done()
    {
        Assert.Contains("shipped are llmfusion-mini, other", Assert.Throws<ModelFolderException>(() => ShippedModels.Resolve("notes", _folder["models"])).Message, StringComparison.Ordinal);
        Assert.Contains("--model DIR", Assert.Throws<ModelFolderException>(() => ShippedModels.Resolve(null, null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void They_are_found_from_the_programs_folder_in_the_repository_and_in_a_pack()
    {
        foreach (string program in new[] { "program", "src/LlmFusion.Cli/bin/Release/net10.0" })
        {
            Directory.CreateDirectory(_folder[program]);
            Assert.Equal(_folder["models"], ShippedModels.FolderFrom(_folder[program] + "/"));
        }

        Assert.Null(ShippedModels.FolderFrom(_folder["models/other/a/b/c/d/e/f/g"]));
    }
}
