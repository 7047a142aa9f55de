using System.Text.Json;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

public sealed class BenchCommandTests : IDisposable
{
    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task Featurize_measures_one_core_and_all()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("bench", "featurize", "--molecules", "40", "--json"));
        Assert.Empty(cli.Error);
        using JsonDocument result = JsonDocument.Parse(cli.Output);
        Assert.Equal("demo", result.RootElement.GetProperty("data").GetString());
        Assert.Equal(40, result.RootElement.GetProperty("molecules").GetInt32());
        foreach ((string name, int threads) in new[] { ("one_core", 1), ("all_cores", Environment.ProcessorCount) })
        {
            JsonElement rate = result.RootElement.GetProperty(name);
            Assert.Equal(threads, rate.GetProperty("threads").GetInt32());
            Assert.Equal(40, rate.GetProperty("molecules_per_second").GetDouble() * rate.GetProperty("seconds").GetDouble(), 1e-6);
        }
    }

    [Fact]
    public async Task Featurize_shows_a_table()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("bench", "featurize", "--molecules", "20"));
        Assert.Matches(@"data\s+molecules\s+cores\s+molecules/s\s+seconds", cli.Output);
        Assert.Matches(@"demo\s+20\s+1\s+[\d,]+\s+\d+\.\d\d", cli.Output);
    }

    [Fact]
    public async Task Graph_measures_training_steps()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("bench", "graph", "--batch-size", "4", "--steps", "3", "--json"));
        using JsonDocument result = JsonDocument.Parse(cli.Output);
        Assert.Equal((4, 3), (result.RootElement.GetProperty("batch_size").GetInt32(), result.RootElement.GetProperty("steps").GetInt32()));
        Assert.Equal(4, result.RootElement.GetProperty("molecules_per_second").GetDouble() * result.RootElement.GetProperty("step_seconds").GetDouble(), 1e-6);
        Assert.InRange(result.RootElement.GetProperty("fraction_of_matmul").GetDouble(), 1e-6, 2);
    }

    [Theory]
    [InlineData("--molecules", "0")]
    [InlineData("--data", "zinc")]
    public async Task Nonsense_is_wrong_use(string option, string value)
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run("bench", "featurize", option, value));
        Assert.StartsWith($"error: {option}: got {value}, expected ", cli.Error, StringComparison.Ordinal);
        Assert.Empty(cli.Output);
    }
}
