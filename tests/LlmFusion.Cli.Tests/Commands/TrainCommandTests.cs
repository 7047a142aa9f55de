using LlmFusion.Tests.Embedding;
using LlmFusion.Training;
using LlmFusion.Transformers.Tests.Hub;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary>What train's options become, and the commands of docs/training.md, as written.</summary>
[Collection("Environment")]
public sealed class TrainCommandTests : IDisposable
{
    private readonly CommandLine cli = new();

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task Options_become_the_configuration_that_is_written_and_the_parameters_are_shown()
    {
        string data = cli.Write("data.csv", "smiles,a,b,w", "CCO,1,2,1", "CCN,2,,1", "CCS,3,4,2", "CCC,4,5,1", "CC#N,5,6,1", "CCCC,5,6,1");
        Assert.True(ExitCode.Done == await cli.Run("train", "--train", data, "--valid", data, "--targets", "a,b", "--modalities", "selfies,fingerprint", "--fingerprint-size", "64", "--size", "tiny", "--epochs", "1",
            "--tune", "lora", "--lora-rank", "2", "--lora-alpha", "3.5", "--lora-dropout", "0", "--lora-targets", "c_attn,mlp.c_fc", "--encoder-learning-rate", "selfies=1e-4",
            "--loss", "huber,b=mae", "--modality-dropout", "0.1,selfies=0.3", "--single-modality-weights", "fingerprint=2", "--huber-delta", "0.5", "--target-weights", "a=2,b=0.5", "--target-scaling", "none,a=log", "--weight-column", "w", "--batch-size", "2", "--accumulate", "3",
            "--no-decay", "norms,biases,embeddings", "--schedule", "plateau", "--plateau-threshold", "0.1", "--plateau-threshold-mode", "abs", "--plateau-cooldown", "2", "--min-learning-rate", "1e-6",
            "--ema-decay", "0.9", "-o", cli["model"]), cli.Error);
        RunConfig config = RunConfig.Load(cli["model/config.yaml"]);
        Assert.Equal((TuneMode.Lora, 2, 3.5, 0, false), (config.Tune, config.LoraRank, config.LoraAlpha, config.LoraDropout, config.LoraMerge));
        Assert.Equal(["c_attn", "mlp.c_fc"], config.LoraTargets);
        Assert.Equal((LossKind.Huber, 0.5, ScalingKind.None, ScalingKind.Log), (config.Loss, config.HuberDelta, config.ScalingOf("b"), config.ScalingOf("a")));
        Assert.Equal((LossKind.Mae, 1, 0.1, 0.3), (config.TargetLosses["b"], config.TargetLosses.Count, config.ModalityDropout, config.ModalityDropouts["selfies"]));
        Assert.Equal(2, config.SingleModalityWeights["fingerprint"]);
        Assert.Equal((2, 0.5, 1e-4), (config.TargetWeights["a"], config.TargetWeights["b"], config.EncoderLearningRates["selfies"]));
        Assert.Equal(("w", 2, 3, 0.9), (config.WeightColumn, config.BatchSize, config.Accumulate, config.EmaDecay));
        Assert.Equal([DecayExemption.Norms, DecayExemption.Biases, DecayExemption.Embeddings], config.NoDecay);
        Assert.Equal((0.1, ThresholdMode.Abs, 2, 1e-6), (config.PlateauThreshold, config.PlateauThresholdMode, config.PlateauCooldown, config.MinimumLearningRate));
        // Two blocks with an adapter at c_attn (2 x 64 and 192 x 2) and at c_fc (2 x 64 and 256 x 2) each.
        Assert.Matches($@"\nadapters +{2 * (2 * 64 + 192 * 2 + 2 * 64 + 256 * 2):N0} +0\n", cli.Error);
        Assert.Matches(@"\nlanguage model +0 +[\d,]+\n", cli.Error);
        Assert.Matches(@"\nall +[\d,]+ +[\d,]+\n", cli.Error);
    }

    [Theory]
    [InlineData("--tune", "some", "full or lora or head or norms")]
    [InlineData("--loss", "rmse", "mse or mae or huber")]
    [InlineData("--target-scaling", "ln", "standard or none or log")]
    [InlineData("--target-weights", "a", "NAME=VALUE")]
    [InlineData("--target-weights", "a=heavy", "a number")]
    [InlineData("--target-weights", "a=1,a=2", "twice")]
    [InlineData("--encoder-learning-rate", "smiles=fast", "a number")]
    [InlineData("--no-decay", "heads", "norms or biases or embeddings")]
    [InlineData("--schedule", "step", "plateau or cosine or constant")]
    public async Task Nonsense_is_wrong_use(string option, string value, string said)
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run("train", "--data", "demo", option, value, "-o", cli["model"]));
        Assert.Contains(said, cli.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(cli["model"]));
    }

    [Theory]
    [InlineData("accumulate", "--accumulate", "0")]
    [InlineData("ema_decay", "--ema-decay", "1")]
    [InlineData("huber_delta", "--huber-delta", "0")]
    [InlineData("lora_rank", "--lora-rank", "0")]
    [InlineData("tune: lora", "--lora-targets", "c_attn")]
    [InlineData("minimum_learning_rate", "--min-learning-rate", "1")]
    [InlineData("trained along", "--encoder-learning-rate", "fingerprint=1")]
    public async Task A_value_out_of_range_is_named(string said, string option, string value)
    {
        Assert.Equal(ExitCode.Failed, await cli.Run("train", "--data", "demo", option, value, "-o", cli["model"]));
        Assert.Contains(said, cli.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(cli["model"]));
    }

    [Fact]
    public async Task What_a_configuration_file_says_holds_where_the_command_says_nothing()
    {
        // Each of these is the other way round by default, and has an option without a value.
        string data = cli.Write("data.csv", "smiles,a", "CCO,1", "CCN,2", "not a molecule,3", "CCS,3", "CCC,4", "CC#N,5", "CCCC,5");
        string yaml = cli.Write("run.yaml", $"file: {data}", "targets: [a]", "modalities: [fingerprint]", "size: tiny", "epochs: 1", "split_fractions: [0.6, 0.4, 0]",
            "evaluate_test: false", "skip_bad_rows: true", "store: false", "keep_checkpoints: true", "ridge_baseline: true", "checkpoint_activations: true");
        Assert.True(ExitCode.Done == await cli.Run("train", "--config", yaml, "-o", cli["model"]), cli.Error);
        RunConfig config = RunConfig.Load(cli["model/config.yaml"]);
        Assert.Equal((false, true, false, true, true, true), (config.EvaluateTest, config.SkipBadRows, config.Store, config.KeepCheckpoints, config.RidgeBaseline, config.CheckpointActivations));
        Assert.True(ExitCode.Done == await cli.Run("train", "--config", yaml, "--keep-checkpoints", "false", "-o", cli["other"]), cli.Error);
        Assert.False(RunConfig.Load(cli["other/config.yaml"]).KeepCheckpoints);
    }

    [Fact]
    public async Task Embed_does_not_take_an_encoder_to_be_trained()
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run("embed", cli.Write("data.csv", "smiles", "C"), "--encoder", "chemberta,train", "-o", cli["out.csv"]));
        Assert.Contains(",train", cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_commands_of_the_page_on_training_run_as_written()
    {
        using LoopbackHub server = new();
        using HubEnvironment environment = new(cli["hf"], server.Endpoint, cli["store"]);
        server.Publish("seyonec/ChemBERTa-zinc-base-v1", TinyCheckpoint.Write(cli["roberta"], "roberta"));
        server.Publish("openai-community/gpt2", TinyCheckpoint.Write(cli["gpt2"], "gpt2"));
        string root = ReadmeTests.Root();
        string[] page = await File.ReadAllLinesAsync(Path.Combine(root, "docs", "training.md"), TestContext.Current.CancellationToken);
        string[] commands = [.. page.Where(line => line.StartsWith("./llmfusion train ", StringComparison.Ordinal))];
        Assert.Equal(9, commands.Length);
        await Run(commands[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        string[] table = [.. page.SkipWhile(line => !line.StartsWith("    parameters ", StringComparison.Ordinal)).TakeWhile(line => line.Length > 0).Select(line => line[4..])];
        Assert.Equal("all", table[^1].Split(' ')[0]);
        Assert.Contains(string.Join('\n', table), cli.Error, StringComparison.Ordinal);
        foreach (string command in commands.Skip(1)) await Run(command.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        string[] yaml = [.. page.SkipWhile(line => line != "```yaml").Skip(1).TakeWhile(line => line != "```").Select(line => line.Replace("docs/", Path.Combine(root, "docs/"), StringComparison.Ordinal))];
        await Run(["./llmfusion", "train", "--config", cli.Write("run.yaml", yaml), "-o", "my-run"]);

        async Task Run(string[] words)
        {
            string[] there = [.. words.Skip(1).Select(word => word.StartsWith("docs/", StringComparison.Ordinal) ? Path.Combine(root, word) : word.StartsWith("my-", StringComparison.Ordinal) ? cli[word] : word)];
            Assert.True(await cli.Run(there) == ExitCode.Done, $"{string.Join(' ', words)}\n{cli.Output}\n{cli.Error}");
        }
    }
}
