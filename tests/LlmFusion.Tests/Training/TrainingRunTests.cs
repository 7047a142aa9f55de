using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

public sealed class TrainingRunTests : IDisposable
{
    private const string Molecules = """
        id,smiles,text,a,b
        1,CCO,an alcohol,0.5,1
        2,CCCO,an alcohol,0.7,
        3,CCN,an amine,-0.3,2
        4,c1ccccc1,,2.1,3
        5,c1ccccc1O,a phenol,1.4,4
        6,CC(=O)O,an acid,-0.2,5
        7,CC(=O)OC,an ester,0.1,6
        8,CCCl,,1.2,7
        9,C1CCCCC1,a ring,2.4,8
        10,CC#N,a nitrile,0.3,9
        11,CCS,a thiol,0.8,1
        12,OCC(O)CO,an alcohol,-1.7,2

        """;

    private readonly TemporaryFolder _folder = new();
    private readonly RunConfig _config;

    public TrainingRunTests()
    {
        File.WriteAllText(_folder["train.csv"], Molecules.Trim() + "\n");
        _config = new RunConfig
        {
            TrainFile = _folder["train.csv"],
            ValidFile = _folder["train.csv"],
            TestFile = _folder["train.csv"],
            Targets = ["a", "b"],
            Modalities = ["smiles", "selfies", "text", "fingerprint"],
            Fingerprint = new() { Size = 128 },
            Size = "tiny",
            Epochs = 3,
            BatchSize = 4,
            Dropout = 0.1,
            WarmupSteps = 2,
            LearningRate = 3e-3,
            Device = "cpu",
        };
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_small_model_overfits_twelve_molecules()
    {
        RunConfig config = _config with { Epochs = 40, Dropout = 0, EarlyStopping = 40, WeightDecay = 0 };
        TrainingSummary summary = Run(config, "overfit");
        TargetMetrics metrics = summary.Manifest.Metrics.Find("train", "a", Comparison.Model)!, constant = summary.Manifest.Metrics.Find("train", "a", Comparison.Constant)!;
        Assert.True(metrics.Mse < 0.05 * constant.Mse, $"MSE {metrics.Mse} against {constant.Mse} of the constant predictor");
        Assert.Equal(11, summary.Manifest.Metrics.Find("train", "b", Comparison.Model)!.N);
    }

    [Fact]
    public void A_loaded_model_repeats_the_predictions_in_place_whatever_stands_beside()
    {
        string model = Run(_config, "model").Folder;
        using TrainedModel trained = TrainedModel.Load(model);
        Predictor predictor = new(trained, "cpu", batchSize: 3);
        string[] molecules = ["CCO", "not a molecule", "c1ccccc1C(=O)NCCCCCC", "OCC"];
        RowPrediction[] together = [.. predictor.Predict(DataRow.OfSmiles(molecules), TestContext.Current.CancellationToken)];
        Assert.Null(together[1].Values);
        Assert.Contains("not a molecule", together[1].Error!.Message);
        foreach (int i in new[] { 0, 2, 3 })
        {
            float[] alone = predictor.Predict(DataRow.OfSmiles([molecules[i]]), TestContext.Current.CancellationToken).Single().Values!;
            // Padding never leaks: only the order of float sums may differ.
            for (int t = 0; t < alone.Length; t++) Assert.Equal(alone[t], together[i].Values![t], 1e-4f);
        }

        // The canonical form makes the spelling of a molecule irrelevant.
        Assert.Equal(together[0].Values!, together[3].Values!);
    }

    [Fact]
    public void A_run_cut_off_between_epochs_resumes_to_the_same_weights()
    {
        string whole = Run(_config, "whole").Folder;
        using CancellationTokenSource stop = new();
        string cut = _folder["cut"];
        TrainingSummary first = TrainingRun.Run(_config, cut, resume: false, e =>
        {
            if (e is StepDone { Epoch: 3 }) stop.Cancel();
        }, stop.Token);
        Assert.Equal(StopReason.Cancelled, first.Reason);
        Assert.Equal(2, first.Manifest.Training.Epochs);
        TrainingSummary second = TrainingRun.Run(_config, cut, resume: true, _ => { }, TestContext.Current.CancellationToken);
        Assert.Equal(3, second.Manifest.Training.Epochs);
        Dictionary<string, Tensor> expected = Safetensors.Read(Path.Combine(whole, "model.safetensors")), actual = Safetensors.Read(Path.Combine(cut, "model.safetensors"));
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        foreach ((string name, Tensor value) in expected) Assert.True((value - actual[name]).abs().max().item<float>() <= 1e-6, name);
        Assert.False(Directory.Exists(Path.Combine(cut, "checkpoints")));
    }

    [Fact]
    public void A_finished_folder_is_neither_overwritten_nor_resumed()
    {
        Run(_config with { Epochs = 1 }, "done");
        Assert.Contains("already holds a model", Assert.Throws<InvalidDataException>(() => Run(_config, "done")).Message);
        Assert.Contains("finished", Assert.Throws<InvalidDataException>(() => TrainingRun.Run(_config, _folder["done"], true, _ => { }, TestContext.Current.CancellationToken)).Message);
    }

    [Fact]
    public void Bad_rows_are_refused_by_line_unless_they_are_to_be_skipped()
    {
        File.AppendAllText(_folder["train.csv"], "13,C1CC,,1,1\n14,CCC,,many,1\n");
        BadRowsException refused = Assert.Throws<BadRowsException>(() => Run(_config, "refused"));
        Assert.Contains("line 14", refused.Message);
        Assert.Contains("C1CC", refused.Message);
        Assert.Contains("line 15", refused.Message);
        Assert.Contains("many", refused.Message);
        Assert.False(File.Exists(Path.Combine(_folder["refused"], TrainedModel.ManifestFile)));
        TrainingSummary summary = Run(_config with { SkipBadRows = true, Epochs = 1 }, "skipped");
        Assert.Equal(12, summary.Manifest.Data.Train);
    }

    [Fact]
    public void The_same_seed_gives_the_same_model()
    {
        byte[] first = File.ReadAllBytes(Path.Combine(Run(_config with { Epochs = 1 }, "first").Folder, "model.safetensors"));
        byte[] second = File.ReadAllBytes(Path.Combine(Run(_config with { Epochs = 1 }, "second").Folder, "model.safetensors"));
        Assert.Equal(first, second);
    }

    [Fact]
    public void A_model_folder_holds_what_it_promises()
    {
        string model = Run(_config with { Epochs = 1, RidgeBaseline = true }, "model").Folder;
        foreach (string file in new[] { "llmfusion.json", "model.safetensors", "README.md", "config.yaml", "training-log.csv", "encoders/smiles/config.json",
            "encoders/text/vocab.json", "plots/parity-a.svg", "plots/parity-b.png", "plots/learning-curve.png" })
            Assert.True(File.Exists(Path.Combine(model, file)), file);
        Assert.Equal(_config with { Epochs = 1, RidgeBaseline = true }, RunConfig.Load(Path.Combine(model, "config.yaml")), Same);
        Assert.All(Safetensors.ReadHeader(Path.Combine(model, "model.safetensors")).Entries, e => Assert.Matches("^(llm|head|fp_encoder|modality_pos)($|[.])", e.Name));
        Assert.All(Safetensors.ReadHeader(Path.Combine(model, "encoders", "smiles", "model.safetensors")).Entries, e => Assert.Matches("^(embeddings|encoder)[.]", e.Name));
        Assert.NotNull(TrainedModel.ReadManifest(model).Metrics.Find("test", "a", Comparison.Ridge));
    }

    [Theory]
    [InlineData("llmfusion.json", "{\"format_version\": 99}", "update LlmFusion")]
    [InlineData("llmfusion.json", "{\"name\": \"somebody else's\"}", "format_version")]
    [InlineData("llmfusion.json", "{\"format_version\": 1, \"modali", "llmfusion.json")]
    [InlineData("llmfusion.json", null, "holds no llmfusion.json")]
    [InlineData("model.safetensors", null, "model.safetensors")]
    [InlineData("encoders/smiles/vocab.json", "[]", "vocab.json")]
    [InlineData("encoders/selfies/model.safetensors", "short", "model.safetensors")]
    public void A_damaged_model_folder_is_refused_by_name(string file, string? content, string said)
    {
        string model = Run(_config with { Epochs = 1 }, "model").Folder, path = Path.Combine(model, file);
        if (content is null) File.Delete(path);
        else File.WriteAllText(path, content);
        Assert.Contains(said, Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);
    }

    [Theory]
    [InlineData("llmfusion.json", "\"n_embd\": 64", "\"n_embd\": 1000000")]
    [InlineData("llmfusion.json", "\"n_layer\": 2", "\"n_layer\": 2000000000")]
    [InlineData("encoders/smiles/config.json", "\"vocab_size\": ", "\"vocab_size\": 99999")]
    public void Sizes_that_the_weights_cannot_have_are_refused_before_memory_is_asked_for(string file, string found, string put)
    {
        string model = Run(_config with { Epochs = 1 }, "model").Folder, path = Path.Combine(model, file), text = File.ReadAllText(path);
        Assert.Contains(found, text);
        File.WriteAllText(path, text.Replace(found, put));
        Assert.Contains("model.safetensors", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);
    }

    [Fact]
    public void Weights_with_one_changed_byte_and_an_unfinished_run_are_refused()
    {
        string model = Run(_config with { Epochs = 1 }, "model").Folder, weights = Path.Combine(model, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        bytes[^5] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Contains("damaged or replaced", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);
        Directory.CreateDirectory(_folder["killed/checkpoints"]);
        File.WriteAllText(_folder["killed/checkpoints/last.safetensors"], "");
        Assert.Contains("--resume", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(_folder["killed"]).Dispose()).Message);
    }

    [Fact]
    public void A_diverging_run_names_step_and_rows_and_predictions_that_are_no_number_are_errors()
    {
        TrainingDivergedException diverged = Assert.Throws<TrainingDivergedException>(() => Run(_config with { LearningRate = 1e30, WarmupSteps = 0, ClipNorm = 0 }, "diverged"));
        Assert.Contains("step", diverged.Message);
        string model = Run(_config with { Epochs = 1 }, "model").Folder;
        using TrainedModel trained = TrainedModel.Load(model);
        using (no_grad()) trained.Network.Fusion.state_dict()["head.bias"].fill_(float.NaN);
        RowPrediction prediction = new Predictor(trained, "cpu").Predict(DataRow.OfSmiles(["CCO"]), TestContext.Current.CancellationToken).Single();
        Assert.Null(prediction.Values);
        Assert.Contains("finite", prediction.Error!.Message);
    }

    [Fact]
    public void A_truncated_weights_file_and_an_encoder_outside_the_folder_are_refused()
    {
        string model = Run(_config with { Epochs = 1 }, "model").Folder, weights = Path.Combine(model, "model.safetensors");
        string manifest = File.ReadAllText(Path.Combine(model, "llmfusion.json"));
        File.WriteAllText(Path.Combine(model, "llmfusion.json"), manifest.Replace("encoders/smiles", "../../elsewhere"));
        Assert.Contains("inside the model's", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);
        File.WriteAllText(Path.Combine(model, "llmfusion.json"), manifest);
        File.WriteAllBytes(weights, File.ReadAllBytes(weights)[..^100]);
        Assert.Contains("model.safetensors", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);
    }

    private TrainingSummary Run(RunConfig config, string name) => TrainingRun.Run(config, _folder[name], resume: false, _ => { }, TestContext.Current.CancellationToken);

    private static bool Same(RunConfig a, RunConfig b) => a.ToYaml() == b.ToYaml();
}
