using System.Text.Json.Nodes;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Tests.Embedding;
using LlmFusion.Training;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;
using LlmFusion.Transformers.Tests.Hub;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

/// <summary>Frozen encoders and pretrained language models, from training to prediction.</summary>
public sealed class PretrainedRunTests : IDisposable
{
    private const string Molecules = """
        smiles,text,y
        CCO,an alcohol,0.5
        CCCO,an alcohol,0.7
        CCN,an amine,-0.3
        CCCN,,0.1
        CC(=O)O,an acid,-0.2
        CCS,a thiol,0.8
        CC#N,a nitrile,0.3
        CCCl,a chloride,1.2

        """;

    private readonly TemporaryFolder _folder = new();
    private readonly string? _store = Environment.GetEnvironmentVariable(EmbeddingStore.FolderVariable);
    private readonly RunConfig _config;

    public PretrainedRunTests()
    {
        Environment.SetEnvironmentVariable(EmbeddingStore.FolderVariable, _folder["embeddings"]);
        string data = _folder.Write("data.csv", Molecules);
        _config = new RunConfig
        {
            TrainFile = data,
            ValidFile = data,
            TestFile = data,
            Targets = ["y"],
            Modalities = ["smiles", "selfies", "text", "fingerprint"],
            Encoders = new()
            {
                ["smiles"] = TinyCheckpoint.Write(_folder["roberta"], "roberta"),
                ["selfies"] = TinyCheckpoint.Write(_folder["bart"], "bart") + ",max-tokens=5",
                ["text"] = TinyCheckpoint.Write(_folder["gpt2"], "gpt2") + ",pooling=mean",
            },
            Fingerprint = new() { Size = 64 },
            Size = "tiny",
            Epochs = 1,
            BatchSize = 4,
            WarmupSteps = 0,
            LearningRate = 3e-3,
            Device = "cpu",
        };
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(EmbeddingStore.FolderVariable, _store);
        _folder.Dispose();
    }

    [Fact]
    public void Frozen_encoders_run_once_a_molecule_and_the_model_predicts_the_same_after_loading()
    {
        (TrainingSummary summary, RunStarted started) = Run(_config, "first");
        // 8 SMILES, 8 SELFIES and 6 different texts; validation and test are the same molecules.
        int different = 8 + 8 + 6;
        Assert.Equal((different, 2L * different), started.Embeddings);
        Assert.Equal(3, started.Missing["text"]);
        string mute = _folder.Write("mute.csv", "smiles,y\nCCO,1\nCCC,2\n");
        Assert.Contains("got text for none of 2 training molecules", Assert.Throws<InvalidDataException>(() => Run(_config with { TrainFile = mute }, "mute")).Message, StringComparison.Ordinal);
        Assert.All(started.Parameters, p => Assert.Equal(p.Part.Contains('('), p.Frozen > 0 && p.Trained == 0));
        Assert.Equal("selfies", Assert.Single(started.Truncated).Key.Name);
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, Mse(summary.Folder), 1e-6);

        (TrainingSummary second, started) = Run(_config, "second");
        Assert.Equal((0L, 3L * different), started.Embeddings);
        Assert.Equal(Weights(summary.Folder), Weights(second.Folder));
        (TrainingSummary without, started) = Run(_config with { Store = false }, "third");
        Assert.Equal((3L * different, 0L), started.Embeddings);
        Assert.Equal(Weights(summary.Folder), Weights(without.Folder));
    }

    [Fact]
    public void The_model_folder_holds_the_very_encoder_and_needs_nothing_else()
    {
        string model = Run(_config, "model").Summary.Folder;
        double before = Mse(model);
        ModelManifest manifest = TrainedModel.ReadManifest(model);
        foreach ((ModalityEntry entry, string folder) in manifest.Modalities.Zip(["roberta", "bart", "gpt2"]))
        {
            Assert.Equal(CheckpointFiles.Sha256(_folder[folder]), entry.Sha256);
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder[folder], "model.safetensors")), File.ReadAllBytes(Path.Combine(model, entry.Encoder!, "model.safetensors")));
            Assert.False(entry.Frozen!.SubstituteVocabulary);
            Assert.Null(entry.Frozen.Id);
        }

        Assert.Equal((PoolingKind.ClassToken, TinyCheckpoint.Positions), (manifest.Modalities[0].Frozen!.Pooling, manifest.Modalities[0].Frozen!.MaximumTokens));
        Assert.Equal((PoolingKind.Mean, 5), (manifest.Modalities[1].Frozen!.Pooling, manifest.Modalities[1].Frozen!.MaximumTokens));
        Assert.Contains("proj_smiles.weight", Names(model));
        foreach (string folder in new[] { "roberta", "bart", "gpt2", "embeddings" }) Directory.Delete(_folder[folder], recursive: true);
        Directory.Move(model, _folder["moved"]);
        Assert.Equal(before, Mse(_folder["moved"]), 1e-9);
        using TrainedModel loaded = TrainedModel.Load(_folder["moved"]);
        Assert.All(loaded.Inputs.Frozen.Values.SelectMany(e => e.Network.parameters()), p => Assert.False(p.requires_grad));
        Assert.All(loaded.Inputs.Frozen.Values, e => Assert.False(e.Network.training));
    }

    [Fact]
    public void Other_weights_in_the_place_of_the_encoder_are_refused()
    {
        string model = Run(_config, "model").Summary.Folder, same = TinyCheckpoint.Copy(_folder["roberta"], _folder["same"]);
        TinyCheckpoint.Write(_folder["roberta"], "roberta", seed: 2);
        ModelFolderException refused = Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model, Named(_folder["roberta"])).Dispose());
        Assert.Contains("encoder of smiles", refused.Message);
        Assert.Contains(_folder["roberta"], refused.Message);
        TrainedModel.Load(model, Named(same)).Dispose();
        File.Copy(Path.Combine(_folder["roberta"], "model.safetensors"), Path.Combine(model, "encoders/smiles/model.safetensors"), overwrite: true);
        Assert.Contains("sha256", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);
        TrainedModel.Load(model, Named(same)).Dispose();
        File.Delete(Path.Combine(model, "encoders/smiles/model.safetensors"));
        Assert.Contains("model.safetensors", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);

        // The same weights, read otherwise.
        foreach ((string file, string from, string to) in new[] { ("config.json", "\"num_attention_heads\":2", "\"num_attention_heads\":4"), ("tokenizer_config.json", "RobertaTokenizer", "RobertaTokenizerFast") })
        {
            string other = TinyCheckpoint.Copy(same, _folder[file]);
            File.WriteAllText(Path.Combine(other, file), File.ReadAllText(Path.Combine(other, file)).Replace(from, to, StringComparison.Ordinal));
            Assert.Contains("config.json and tokenizer files", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model, Named(other)).Dispose()).Message);
        }

        Assert.Contains("encoder smile", Assert.Throws<ModelFolderException>(() =>
            TrainedModel.Load(model, new ModelSources { Encoders = new Dictionary<string, string> { ["smile"] = same } }).Dispose()).Message);

        static ModelSources Named(string folder) => new() { Encoders = new Dictionary<string, string> { ["smiles"] = folder } };
    }

    [Theory]
    [InlineData("gpt2", 24)]
    [InlineData("llama", 24)]
    [InlineData("granite", 24)]
    [InlineData("gpt2", 64)]
    public void A_pretrained_language_model_fuses_and_is_trained_saved_and_loaded(string modelType, int width)
    {
        string backbone = TinyCheckpoint.Write(_folder["backbone"], modelType, seed: 7, width: width);
        (TrainingSummary summary, _) = Run(_config with { Encoders = new() { ["smiles"] = _folder["roberta"] }, Backbone = backbone, Dropout = 0.2 }, "model");
        ModelManifest manifest = TrainedModel.ReadManifest(summary.Folder);
        Assert.Equal(modelType, (string?)manifest.Backbone!["model_type"]);
        if (modelType == "gpt2") Assert.Equal(0.2, (double?)manifest.Backbone["resid_pdrop"]);
        Assert.Equal(new BackboneSource(backbone, null, null, CheckpointFiles.Sha256(backbone)), manifest.BackboneSource);
        // The frozen encoder is 16 wide, those that are trained along 64: what has not the backbone's width is projected.
        Assert.Equal(width == 64 ? ["proj_smiles.weight"] : ["proj_selfies.weight", "proj_smiles.weight", "proj_text.weight"], Names(summary.Folder).Where(n => n.StartsWith("proj_") && n.EndsWith(".weight")).Order());
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, Mse(summary.Folder), 1e-6);

        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> pretrained = Safetensors.Read(Path.Combine(backbone, "model.safetensors")), trained = Safetensors.Read(Path.Combine(summary.Folder, "model.safetensors"));
        string[] tables = ["wte.weight", "embed_tokens.weight"];
        foreach ((string name, Tensor before) in pretrained.Where(p => !tables.Contains(p.Key)))
        {
            float moved = (before - trained["llm." + name]).abs().max().item<float>();
            // Begun as the pretrained weights, and trained from there by two steps of 0.003.
            Assert.True(moved is > 0 and < 0.02f, $"{name} moved by {moved}");
        }

        Assert.Equal(pretrained.Count - 1, trained.Keys.Count(k => k.StartsWith("llm.")));
    }

    [Theory]
    [InlineData("roberta", "reads no embeddings")]
    [InlineData("bart", "reads no embeddings")]
    public void An_encoder_does_not_fuse(string folder, string said) =>
        Assert.Contains(said, Assert.Throws<CheckpointException>(() => Run(_config with { Backbone = _folder[folder], Store = false }, "model")).Message);

    [Fact]
    public void With_random_weights_the_architecture_runs_and_the_encoders_go_into_the_model_folder()
    {
        foreach (string folder in new[] { "roberta", "bart", "gpt2" })
            foreach (string file in Directory.EnumerateFiles(_folder[folder]).Where(f => Path.GetFileName(f) != "config.json")) File.Delete(file);
        RunConfig config = _config with { Init = InitKind.Random, Backbone = _folder["gpt2"] };
        List<string> substituted = [];
        TrainingSummary summary = TrainingRun.Run(config, _folder["model"], resume: false, e => substituted.AddRange(e is Substituted s ? [s.Text] : []), TestContext.Current.CancellationToken);
        Assert.Equal(3, substituted.Count);
        Assert.All(substituted, text => Assert.Contains("random weights and a substitute vocabulary", text));
        Assert.False(Directory.Exists(_folder["embeddings"]));
        ModelManifest manifest = TrainedModel.ReadManifest(summary.Folder);
        Assert.Null(manifest.BackboneSource);
        Assert.All(manifest.Modalities.Take(3), m => Assert.True(m.Frozen!.SubstituteVocabulary));
        Assert.Equal(5, manifest.Modalities[1].Frozen!.MaximumTokens);
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, Mse(summary.Folder), 1e-6);
        using (TrainedModel loaded = TrainedModel.Load(summary.Folder))
            Assert.All(loaded.Inputs.Frozen.Values, e => Assert.NotNull(e.Identity));

        // Encoders are written from memory after the training: bit for bit the same, however long it was.
        TrainingSummary longer = Run(config with { Epochs = 2 }, "longer").Summary;
        foreach (string modality in new[] { "smiles", "selfies", "text" })
            Assert.Equal(File.ReadAllBytes(_folder[$"model/encoders/{modality}/model.safetensors"]), File.ReadAllBytes(_folder[$"longer/encoders/{modality}/model.safetensors"]));
        Assert.NotEqual(Weights(summary.Folder), Weights(longer.Folder));
        Assert.Contains("max-tokens", Assert.Throws<ArgumentException>(() => Run(config with { Encoders = new() { ["smiles"] = $"{_folder["roberta"]},max-tokens=99" } }, "refused")).Message);
    }

    [Fact]
    public void An_encoder_of_the_hub_is_fetched_at_first_use_and_named_by_its_commit()
    {
        const string id = "org/tiny-chemberta";
        using LoopbackHub loopback = new();
        string commit = loopback.Publish(id, _folder["roberta"]);
        ModelHub hub = new(loopback.Options(_folder["cache"]));
        List<HubStage> stages = [];
        RunConfig config = _config with { Encoders = new() { ["smiles"] = id } };
        TrainingSummary summary = TrainingRun.Run(config, _folder["model"], resume: false, e => stages.AddRange(e is ModelProgress p ? [p.Hub.Stage] : []), TestContext.Current.CancellationToken, hub);
        Assert.Contains(HubStage.Resolving, stages);
        ModalityEntry entry = TrainedModel.ReadManifest(summary.Folder).Modalities[0];
        Assert.Equal((id, commit, CheckpointFiles.Sha256(_folder["roberta"])), (entry.Frozen!.Id, entry.Frozen.Commit, entry.Sha256));
        Assert.False(Directory.Exists(Path.Combine(summary.Folder, "encoders/smiles")));
        // A run that is resumed or repeated takes the same commit, wherever the branch is then.
        Assert.Equal($"{id}@{commit}", RunConfig.Load(Path.Combine(summary.Folder, "config.yaml")).Encoders["smiles"]);

        // A later commit of the branch does not matter: the model's own is in the cache, and nobody is asked.
        TinyCheckpoint.Write(_folder["roberta"], "roberta", seed: 2);
        Assert.NotEqual(commit, loopback.Publish(id, _folder["roberta"]));
        int asked = loopback.Requests.Count;
        ModelSources sources = new() { Hub = hub };
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, Mse(summary.Folder, sources), 1e-6);
        Assert.Equal(asked, loopback.Requests.Count);

        loopback.Dispose();
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, Mse(summary.Folder, new ModelSources { Hub = new ModelHub(hub.Options with { Offline = true }) }), 1e-6);
        Directory.Delete(_folder["cache"], recursive: true);
        HubException gone = Assert.Throws<HubException>(() => TrainedModel.Load(summary.Folder, new ModelSources { Hub = new ModelHub(hub.Options with { Offline = true }) }).Dispose());
        Assert.Contains(id, gone.Message);
        Assert.Contains("models pull", gone.Message);
        Assert.Contains("local folder", gone.Message);
    }

    [Fact]
    public void A_model_that_cannot_be_had_stops_the_run_before_any_data_is_read()
    {
        using LoopbackHub loopback = new();
        RunConfig config = _config with { TrainFile = "nowhere.csv", Encoders = new() { ["smiles"] = "org/unknown" } };
        Assert.Contains("org/unknown", Assert.Throws<HubException>(() => TrainingRun.Run(config, _folder["model"], resume: false, _ => { }, TestContext.Current.CancellationToken,
            new ModelHub(loopback.Options(_folder["cache"])))).Message);
    }

    [Fact]
    public void A_run_without_pretrained_models_asks_nothing_of_the_hub()
    {
        string? endpoint = Environment.GetEnvironmentVariable("HF_ENDPOINT");
        Environment.SetEnvironmentVariable("HF_ENDPOINT", "no address");
        try
        {
            Run(_config with { Modalities = ["fingerprint"], Encoders = [] }, "model");
            Assert.Contains("HF_ENDPOINT", Assert.Throws<HubException>(() => Run(_config, "other")).Message);
        }
        finally
        {
            Environment.SetEnvironmentVariable("HF_ENDPOINT", endpoint);
        }
    }

    [Fact]
    public void A_model_folder_of_the_first_format_is_still_read()
    {
        string model = Run(_config with { Encoders = [] }, "model").Summary.Folder, path = Path.Combine(model, TrainedModel.ManifestFile);
        double before = Mse(model);
        JsonObject manifest = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        manifest["format_version"] = 1;
        Assert.True(manifest.Remove("backbone_source"));
        foreach (JsonNode? modality in manifest["modalities"]!.AsArray())
            foreach (string key in new[] { "frozen", "columns", "vectors" }) Assert.True(modality!.AsObject().Remove(key));
        File.WriteAllText(path, manifest.ToJsonString());
        Assert.Equal(1, TrainedModel.ReadManifest(model).FormatVersion);
        Assert.Equal(before, Mse(model), 1e-9);
    }

    private (TrainingSummary Summary, RunStarted Started) Run(RunConfig config, string name)
    {
        RunStarted? started = null;
        TrainingSummary summary = TrainingRun.Run(config, _folder[name], resume: false, e => started = e as RunStarted ?? started, TestContext.Current.CancellationToken);
        return (summary, started!);
    }

    /// <summary>Of the loaded model's predictions.</summary>
    private double Mse(string model, ModelSources? sources = null)
    {
        using TrainedModel loaded = TrainedModel.Load(model, sources);
        return Evaluator.OnFile(new Predictor(loaded, "cpu"), _folder["data.csv"], null, null, null, cancellation: TestContext.Current.CancellationToken).Targets["y"].Mse;
    }

    private static byte[] Weights(string model) => File.ReadAllBytes(Path.Combine(model, "model.safetensors"));

    private static IEnumerable<string> Names(string model) => Safetensors.ReadHeader(Path.Combine(model, "model.safetensors")).Entries.Select(e => e.Name);
}
