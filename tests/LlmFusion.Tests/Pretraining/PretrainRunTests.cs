using System.Text.Json.Nodes;
using LlmFusion.Embedding;
using LlmFusion.Pretraining;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Pretraining;

/// <summary>Encoders that are pretrained on a dozen molecules or texts.</summary>
public sealed class PretrainRunTests : IDisposable
{
    private static readonly string[] Smiles = ["CCO", "CCCO", "CCN", "c1ccccc1", "c1ccccc1O", "CC(=O)O", "CC(=O)OC", "CCCl", "C1CCCCC1", "CC#N", "CCS", "OCC(O)CO"];

    private readonly TemporaryFolder _folder = new();
    private readonly PretrainConfig _config;

    public PretrainRunTests() => _config = new PretrainConfig
    {
        Modality = "smiles",
        Size = "tiny",
        Data = [],
        Files = [_folder.Write("molecules.csv", "smiles,text,y\n" + string.Concat(Smiles.Select((s, i) => $"{s},the molecule number {i},{i}\n")))],
        Exclude = [],
        Epochs = 3,
        BatchSize = 4,
        MinimumCount = 1,
        LearningRate = 3e-3,
        MaximumTokens = 32,
        Device = "cpu",
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("smiles", PretrainObjective.Full)]
    [InlineData("smiles", PretrainObjective.Mlm)]
    [InlineData("selfies", PretrainObjective.Full)]
    [InlineData("text", PretrainObjective.Full)]
    public void A_tiny_corpus_is_learned(string modality, PretrainObjective objective)
    {
        PretrainConfig config = _config with { Modality = modality, Objective = objective, Epochs = 100, RandomShare = 0 };
        PretrainRecord record = PretrainRun.Start(config, _folder["encoder"], _ => { }, CancellationToken.None);
        Assert.Equal(100, record.Epochs.Count);
        // A hidden atom of ethanol cannot be told from its neighbours by anything but its place: no loss of zero.
        Assert.True(record.Epochs[^1].TrainLoss < 0.5 * record.Epochs[0].TrainLoss, $"loss {record.Epochs[0].TrainLoss} to {record.Epochs[^1].TrainLoss}");
        Assert.Equal(config.LearnsDescriptors, record.Losses.Descriptors is not null);
        Assert.Equal(config.LearnsDescriptors, record.Descriptors.Count > 0);
        string[] expected = [.. new[] { "README.md", "config.json", "events.jsonl", "model.safetensors", "pretraining.json", "tokenizer.json", "tokenizer_config.json" }, .. modality == "text" ? new[] { "merges.txt", "vocab.json" } : []];
        Assert.Equal(expected.Order(StringComparer.Ordinal), Directory.EnumerateFileSystemEntries(_folder["encoder"]).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_released_encoder_has_half_the_bytes_and_nearly_the_same_weights()
    {
        PretrainRecord record = PretrainRun.Start(_config, _folder["encoder"], _ => { }, CancellationToken.None);
        Assert.True(EncoderRelease.IsEncoder(_folder["encoder"]));
        PretrainRecord released = EncoderRelease.Write(_folder["encoder"], _folder["released"]);
        Assert.Equal((record.WeightsSha256, CheckpointFiles.Sha256(_folder["released"])), (released.RoundedFromSha256, released.WeightsSha256));
        Assert.InRange(new FileInfo(_folder["released/model.safetensors"]).Length / (double)new FileInfo(_folder["encoder/model.safetensors"]).Length, 0.45, 0.6);
        Assert.Contains("float16", File.ReadAllText(_folder["released/README.md"]), StringComparison.Ordinal);
        using FrozenEncoder before = FrozenEncoder.Open(EncoderChoice.Parse(_folder["encoder"]), new ModelHub().Get(_folder["encoder"], cancellation: TestContext.Current.CancellationToken)), after = FrozenEncoder.Open(EncoderChoice.Parse(_folder["released"]), new ModelHub().Get(_folder["released"], cancellation: TestContext.Current.CancellationToken));
        using DisposeScope scope = NewDisposeScope();
        using (no_grad())
        {
            Tensor ids = tensor(new long[] { 0, 5, 6, 7, 1 }).unsqueeze(0);
            Tensor a = before.Network.Forward(ids, null), b = after.Network.Forward(ids, null);
            Assert.InRange(((a - b).norm() / a.norm()).item<float>(), 1e-6, 2e-3);
        }

        Assert.Throws<IOException>(() => EncoderRelease.Write(_folder["encoder"], _folder["released"]));
        Assert.Contains("released encoder already", Assert.Throws<InvalidDataException>(() => EncoderRelease.Write(_folder["released"], _folder["twice"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("smiles")]
    [InlineData("text")]
    public void A_run_stopped_after_any_step_resumes_to_the_same_bytes(string modality)
    {
        PretrainConfig config = _config with { Modality = modality, Dropout = 0.1 };
        PretrainRun.Start(config, _folder["whole"], _ => { }, CancellationToken.None);
        foreach ((int epoch, int step) in new[] { (1, 1), (2, 3), (3, 2) })
        {
            string cut = _folder[$"cut-{epoch}-{step}"];
            using CancellationTokenSource stop = new();
            RunStoppedException stopped = Assert.Throws<RunStoppedException>(() => PretrainRun.Start(config, cut, e =>
            {
                if (e is PretrainStep s && (s.Epoch, s.Step) == (epoch, step)) stop.Cancel();
            }, stop.Token));
            Assert.Contains($"pretrain --resume {cut}", stopped.Message);
            PretrainRecord record = PretrainRun.Resume(cut, _ => { }, CancellationToken.None);
            Assert.Equal(3, record.Epochs.Count);
            Assert.Equal(File.ReadAllBytes(_folder["whole/model.safetensors"]), File.ReadAllBytes(Path.Combine(cut, "model.safetensors")));
            Assert.False(Directory.Exists(Path.Combine(cut, "checkpoints")));
        }

        Assert.Throws<InvalidDataException>(() => PretrainRun.Start(config, _folder["whole"], _ => { }, CancellationToken.None));
        Assert.Throws<InvalidDataException>(() => PretrainRun.Resume(_folder["whole"], _ => { }, CancellationToken.None));
    }

    [Fact]
    public void A_run_resumes_with_its_own_corpus_only()
    {
        using CancellationTokenSource stop = new();
        Assert.Throws<RunStoppedException>(() => PretrainRun.Start(_config, _folder["cut"], e => { if (e is PretrainStep) stop.Cancel(); }, stop.Token));
        File.AppendAllText(_config.Files[0], "CCCCCC,more,1\n");
        Assert.Contains("another corpus", Assert.Throws<InvalidDataException>(() => PretrainRun.Resume(_folder["cut"], _ => { }, CancellationToken.None)).Message);
    }

    [Fact]
    public void Minutes_end_a_run_within_an_epoch_with_a_learning_rate_of_zero()
    {
        List<double> rates = [];
        PretrainRecord record = PretrainRun.Start(_config with { Minutes = 0.01 }, _folder["encoder"], e => { if (e is PretrainStep s) rates.Add(s.LearningRate); }, CancellationToken.None);
        Assert.True(record.Minutes >= 0.01);
        Assert.Equal(0, record.Epochs[^1].LearningRate, 1e-9);
        Assert.True(rates[^1] < rates.Max());
    }

    [Theory]
    [InlineData("smiles")]
    [InlineData("selfies")]
    [InlineData("text")]
    public void The_encoder_is_used_by_train_frozen_and_trained_along(string modality)
    {
        PretrainRun.Start(_config with { Modality = modality }, _folder["encoder"], _ => { }, CancellationToken.None);
        foreach (string how in new[] { "", ",train" })
        {
            RunConfig train = new()
            {
                TrainFile = _config.Files[0],
                ValidFile = _config.Files[0],
                Targets = ["y"],
                Modalities = [modality],
                Encoders = new() { [modality] = _folder["encoder"] + how },
                Size = "tiny",
                Epochs = 1,
                BatchSize = 4,
                EvaluateTest = false,
                RidgeBaseline = false,
                Store = false,
                Device = "cpu",
            };
            Assert.Equal(StopReason.Completed, TrainingRun.Run(train, _folder["model" + how], false, _ => { }, CancellationToken.None).Reason);
        }
    }

    [Theory]
    [InlineData("smiles", "CC(=O)Oc1ccccc1", PoolingKind.ClassToken)]
    [InlineData("selfies", "[C] [C] [=Branch1] [C] [=O] [O]", PoolingKind.Mean)]
    [InlineData("text", "the molecule", PoolingKind.Mean)]
    public void The_written_folder_computes_what_the_trained_network_did(string modality, string input, PoolingKind pooling)
    {
        PretrainRun.Start(_config with { Modality = modality }, _folder["encoder"], _ => { }, CancellationToken.None);
        using FrozenEncoder frozen = FrozenEncoder.Open(new EncoderChoice { Model = _folder["encoder"] }, new ModelFolder(_folder["encoder"], null, null));
        Assert.Equal((pooling, 32), (frozen.Pooling, frozen.MaximumTokens));
        int[] ids = frozen.Tokenize(input).Ids;
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor read = tensor(ids.Select(i => (long)i).ToArray()).unsqueeze(0), alone = frozen.Network.Forward(read, null);
        // Beside a longer sequence its padding must not show.
        Tensor padded = cat([read, full([1, 3], 1L, ScalarType.Int64)], 1), mask = ones_like(padded);
        mask.narrow(1, ids.Length, 3).zero_();
        Assert.True(frozen.Network.Forward(padded, mask).allclose(alone, rtol: 1e-4, atol: 1e-5));
        JsonObject config = JsonNode.Parse(File.ReadAllText(_folder["encoder/config.json"]))!.AsObject();
        if (modality == "smiles") Assert.Equal(64 * 64 + 64, TensorCount("pooler.dense.weight") + TensorCount("pooler.dense.bias"));
        if (modality == "selfies") Assert.Equal(1, (int)config["decoder_layers"]!);
        using Bart? whole = modality == "selfies" ? Bart.Load(_folder["encoder"]) : null;
        if (whole is not null) Assert.True(whole.Encode(read).mean([1]).allclose(alone, rtol: 1e-4, atol: 1e-5));

        long TensorCount(string name) => Safetensors.Read(_folder["encoder/model.safetensors"], n => n == name).Single().Value.numel();
    }
}
