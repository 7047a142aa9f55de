using System.Text.Json.Nodes;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Tests.Embedding;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

/// <summary>What of a model is trained, from the run to the folder and back.</summary>
public sealed class TuningTests : IDisposable
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
        CCCCCCCl,a chloride,1.2

        """;

    private readonly TemporaryFolder _folder = new();
    private readonly RunConfig _config;

    public TuningTests()
    {
        string data = _folder.Write("data.csv", Molecules);
        _config = new RunConfig
        {
            TrainFile = data,
            ValidFile = data,
            TestFile = data,
            Targets = ["y"],
            Modalities = ["smiles", "fingerprint"],
            Encoders = new() { ["smiles"] = TinyCheckpoint.Write(_folder["roberta"], "roberta") },
            Store = false,
            Fingerprint = new() { Size = 64 },
            Size = "tiny",
            Epochs = 2,
            BatchSize = 4,
            WarmupSteps = 0,
            LearningRate = 3e-3,
            Device = "cpu",
        };
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TuneMode.Full, "gpt2")]
    [InlineData(TuneMode.Lora, "gpt2")]
    [InlineData(TuneMode.Head, "gpt2")]
    [InlineData(TuneMode.Norms, "gpt2")]
    [InlineData(TuneMode.Full, "llama")]
    [InlineData(TuneMode.Lora, "llama")]
    [InlineData(TuneMode.Head, "llama")]
    [InlineData(TuneMode.Norms, "llama")]
    public void What_is_frozen_does_not_change_by_one_bit_and_everything_else_does(TuneMode tune, string modelType)
    {
        string backbone = TinyCheckpoint.Write(_folder["backbone"], modelType, seed: 7, width: 24);
        // Averages and weight decay are what could touch a frozen weight.
        RunConfig config = _config with { Backbone = backbone, Tune = tune, EmaDecay = 0.5, WeightDecay = 0.1 };
        (TrainingSummary summary, RunStarted started) = Run(config, "model");
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> before = Safetensors.Read(Path.Combine(backbone, "model.safetensors")), after = Safetensors.Read(Path.Combine(summary.Folder, "model.safetensors"));
        string[] tables = ["wte.weight", "embed_tokens.weight"];
        foreach ((string name, Tensor value) in before.Where(t => !tables.Contains(t.Key)))
        {
            bool norm = name.Contains("ln_") || name.Contains("norm"), trained = tune == TuneMode.Full || (tune == TuneMode.Norms && (norm || name == "wpe.weight"));
            Assert.True(Same(value, after["llm." + name]) == !trained, $"{name} {(trained ? "was not trained" : "changed")}");
        }

        // The rest begins from the seed, whatever is trained: a run whose steps do nothing shows where.
        (TrainingSummary still, _) = Run(config with { LearningRate = 1e-30, WeightDecay = 0, Epochs = 1 }, "still");
        Dictionary<string, Tensor> begun = Safetensors.Read(Path.Combine(still.Folder, "model.safetensors"));
        foreach (string name in after.Keys.Where(k => !k.StartsWith("llm.")))
            Assert.True(Same(begun[name], after[name]) == (name == "modality_pos" && tune == TuneMode.Head), name);

        Assert.Equal(tune == TuneMode.Lora, File.Exists(Path.Combine(summary.Folder, "adapter", "adapter_model.safetensors")));
        Assert.Equal((tune, tune == TuneMode.Lora ? 3 : 2), (summary.Manifest.Training.Tune, summary.Manifest.FormatVersion));
        // The counts add up to what is in the files: the encoder that is frozen, the language model without its token table, adapters.
        Dictionary<string, PartParameters> parts = started.Parameters.ToDictionary(p => p.Part);
        long llm = after.Where(t => t.Key.StartsWith("llm.")).Sum(t => t.Value.numel());
        Assert.Equal((tune == TuneMode.Full ? llm : tune == TuneMode.Norms ? TrainedNorms(modelType) : 0, llm), (parts["language model"].Trained, parts["language model"].Trained + parts["language model"].Frozen));
        Assert.Equal((0, Safetensors.ReadHeader(Path.Combine(_folder["roberta"], "model.safetensors")).Entries.Sum(e => e.Shape.Aggregate(1L, (a, b) => a * b))),
            (parts[$"encoder smiles ({_folder["roberta"]})"].Trained, parts[$"encoder smiles ({_folder["roberta"]})"].Frozen));
        Assert.Equal((25, 64 * 24 + 24, 16 * 24 + 24), (parts["head"].Trained, parts["fingerprint encoder"].Trained, parts["projections"].Trained));
        Assert.Equal(tune == TuneMode.Head ? (0L, 48L) : (48L, 0L), (parts["modality positions"].Trained, parts["modality positions"].Frozen));
        Assert.Equal(tune == TuneMode.Lora, parts.ContainsKey("adapters"));
        Assert.Equal(started.Parameters.Sum(p => p.Trained), summary.Manifest.Training.Parameters);
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, Mse(summary.Folder), 1e-6);

        // GPT-2: 5 LayerNorms of factor and offset, and 40 positions; Llama: 5 RMSNorms.
        static long TrainedNorms(string modelType) => modelType == "gpt2" ? 5 * 2 * 24 + 40 * 24 : 5 * 24;
    }

    [Fact]
    public void Frozen_parameters_hold_no_optimiser_state_and_get_no_gradient()
    {
        string backbone = TinyCheckpoint.Write(_folder["backbone"], "gpt2", seed: 7, width: 24);
        using CancellationTokenSource stop = new();
        TrainingRun.Run(_config with { Backbone = backbone, Tune = TuneMode.Lora }, _folder["model"], resume: false, e =>
        {
            if (e is StepDone { Epoch: 2 }) stop.Cancel();
        }, stop.Token);
        string[] states = [.. Safetensors.ReadHeader(_folder["model/checkpoints/last.safetensors"]).Entries.Select(e => e.Name).Where(n => n.StartsWith("optimizer.fusion.llm.") && n.EndsWith(".mean"))];
        Assert.Equal(4, states.Length);
        Assert.All(states, n => Assert.Contains(".lora_", n));
    }

    [Fact]
    public void Merged_adapters_leave_a_plain_folder_that_predicts_the_same_as_the_one_with_adapters_beside()
    {
        string backbone = TinyCheckpoint.Write(_folder["backbone"], "gpt2", seed: 7, width: 24);
        RunConfig config = _config with { Backbone = backbone, Tune = TuneMode.Lora, LoraRank = 4, LoraTargets = ["c_attn", "c_fc"] };
        string beside = Run(config, "beside").Summary.Folder, merged = Run(config with { LoraMerge = true }, "merged").Summary.Folder;
        Assert.False(Directory.Exists(Path.Combine(merged, "adapter")));
        Assert.Equal((3, 2), (TrainedModel.ReadManifest(beside).FormatVersion, TrainedModel.ReadManifest(merged).FormatVersion));
        Assert.DoesNotContain(Safetensors.ReadHeader(Path.Combine(merged, "model.safetensors")).Entries, e => LowRankAdapters.IsAdapter(e.Name));
        Assert.Equal(Mse(beside), Mse(merged), 1e-6);
        Assert.Equal(backbone, (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(beside, "adapter/adapter_config.json")))!["base_model_name_or_path"]);

        // Beside them the language model is still the pretrained one.
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> before = Safetensors.Read(Path.Combine(backbone, "model.safetensors")), kept = Safetensors.Read(Path.Combine(beside, "model.safetensors")), changed = Safetensors.Read(Path.Combine(merged, "model.safetensors"));
        Assert.True(Same(before["h.0.mlp.c_fc.weight"], kept["llm.h.0.mlp.c_fc.weight"]));
        Assert.False(Same(before["h.0.mlp.c_fc.weight"], changed["llm.h.0.mlp.c_fc.weight"]));
        Assert.True(Same(before["h.0.mlp.c_proj.weight"], changed["llm.h.0.mlp.c_proj.weight"]));
    }

    [Fact]
    public void A_damaged_adapter_is_refused_by_name()
    {
        string model = Run(_config with { Tune = TuneMode.Lora, Epochs = 1 }, "model").Summary.Folder;
        string weights = Path.Combine(model, "adapter", "adapter_model.safetensors"), config = Path.Combine(model, "adapter", "adapter_config.json"), text = File.ReadAllText(config);
        File.WriteAllText(config, text.Replace("\"lora_alpha\": 16", "\"lora_alpha\": 32"));
        Assert.Contains("adapter_config.json", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);
        File.WriteAllText(config, text);
        TrainedModel.Load(model).Dispose();
        File.Delete(weights);
        Assert.Contains("adapter_model.safetensors", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(model).Dispose()).Message);
        Assert.Contains("c_attn, c_proj, c_fc", Assert.Throws<CheckpointException>(() => Run(_config with { Tune = TuneMode.Lora, LoraTargets = ["q_proj"] }, "refused")).Message);
    }

    [Theory]
    [InlineData("smiles", "roberta")]
    [InlineData("selfies", "bart")]
    [InlineData("text", "gpt2")]
    [InlineData("smiles", "llama")]
    public void A_pretrained_encoder_is_trained_along_with_its_own_tokenizer_and_goes_into_the_folder(string modality, string modelType)
    {
        string checkpoint = TinyCheckpoint.Write(_folder["encoder"], modelType);
        RunConfig config = _config with { Modalities = [modality, "fingerprint"], Encoders = new() { [modality] = checkpoint + ",max-tokens=6,train" }, Dropout = 0.2 };
        (TrainingSummary summary, RunStarted started) = Run(config, "model");
        Assert.Equal((0, 0), started.Embeddings);
        Assert.True(started.Parameters.Single(p => p.Part == $"encoder {modality}") is { Trained: > 1000, Frozen: 0 });
        ModalityEntry entry = TrainedModel.ReadManifest(summary.Folder).Modalities[0];
        Assert.Equal(3, summary.Manifest.FormatVersion);
        Assert.Null(entry.Frozen);
        Assert.Equal((checkpoint, 6, modelType == "roberta" ? PoolingKind.ClassToken : PoolingKind.Mean), (entry.Tuned!.Model, entry.Tuned.MaximumTokens, entry.Tuned.Pooling));
        string saved = Path.Combine(summary.Folder, "encoders", modality);
        foreach (string file in Directory.EnumerateFiles(checkpoint).Select(Path.GetFileName).Where(f => f is not ("config.json" or "model.safetensors"))!)
            Assert.Equal(File.ReadAllBytes(Path.Combine(checkpoint, file)), File.ReadAllBytes(Path.Combine(saved, file)));
        using (DisposeScope scope = NewDisposeScope())
        {
            // Begun as the checkpoint, and trained from there by four steps of 0.003.
            Dictionary<string, Tensor> before = Safetensors.Read(Path.Combine(checkpoint, "model.safetensors")), after = Safetensors.Read(Path.Combine(saved, "model.safetensors"));
            Assert.Equal(before.Keys.Order(), after.Keys.Order());
            float[] moved = [.. after.Select(t => (t.Value - before[t.Key]).abs().max().item<float>())];
            Assert.All(moved, m => Assert.InRange(m, 0, 0.02f));
            Assert.True(moved.Count(m => m > 1e-4) > moved.Length / 2);
        }

        Directory.Delete(checkpoint, recursive: true);
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, Mse(summary.Folder), 1e-6);
        // Padding of a batch never leaks, whatever id it has.
        using TrainedModel model = TrainedModel.Load(summary.Folder);
        Predictor predictor = new(model, "cpu");
        DataRow[] rows = [.. DataFile.Read([(_folder["data.csv"], null)], new DataFileOptions())];
        RowPrediction[] together = [.. predictor.Predict(rows, TestContext.Current.CancellationToken)];
        for (int i = 0; i < rows.Length; i++)
            Assert.Equal(predictor.Predict([rows[i]], TestContext.Current.CancellationToken).Single().Values![0], together[i].Values![0], 1e-5f);

        byte[] bytes = File.ReadAllBytes(Path.Combine(saved, "model.safetensors"));
        bytes[^3] ^= 1;
        File.WriteAllBytes(Path.Combine(saved, "model.safetensors"), bytes);
        Assert.Contains("damaged or replaced", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(summary.Folder).Dispose()).Message);
    }

    [Fact]
    public void An_encoder_that_is_not_moved_gives_what_the_frozen_one_gives()
    {
        // A rate of 0 leaves the encoder as it was, and the rest learns as beside a frozen one.
        // All in one batch: frozen sequences have no length by which batches would be ordered.
        RunConfig config = _config with { Dropout = 0, WeightDecay = 0, ClipNorm = 0, BatchSize = 8 };
        string frozen = Run(config, "frozen").Summary.Folder;
        string tuned = Run(config with { Encoders = new() { ["smiles"] = _folder["roberta"] + ",train" }, EncoderLearningRates = new() { ["smiles"] = 0 } }, "tuned").Summary.Folder;
        Assert.Equal(Mse(frozen), Mse(tuned), 1e-4);
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> before = Safetensors.Read(Path.Combine(_folder["roberta"], "model.safetensors")), after = Safetensors.Read(Path.Combine(tuned, "encoders/smiles/model.safetensors"));
        Assert.All(before, t => Assert.True(t.Value.equal(after[t.Key]).all().item<bool>(), t.Key));
    }

    [Fact]
    public void A_random_encoder_with_a_substitute_vocabulary_is_trained_along_too()
    {
        RunConfig config = _config with { Init = InitKind.Random, Encoders = new() { ["smiles"] = _folder["roberta"] + ",train" }, EncoderLearningRates = new() { ["smiles"] = 1e-4, ["selfies"] = 1e-3 }, Modalities = ["smiles", "selfies"] };
        TrainingSummary summary = Run(config, "model").Summary;
        Assert.True(summary.Manifest.Modalities[0].Tuned!.SubstituteVocabulary);
        Assert.Null(summary.Manifest.Modalities[1].Tuned);
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, Mse(summary.Folder), 1e-6);
    }

    [Fact]
    public void A_run_with_adapters_averages_and_a_trained_encoder_resumes_to_the_same_weights()
    {
        RunConfig config = _config with { Tune = TuneMode.Lora, EmaDecay = 0.9, Accumulate = 2, BatchSize = 2, Epochs = 3, Encoders = new() { ["smiles"] = _folder["roberta"] + ",train" } };
        string whole = Run(config, "whole").Summary.Folder, cut = _folder["cut"];
        using CancellationTokenSource stop = new();
        TrainingRun.Run(config, cut, resume: false, e =>
        {
            if (e is StepDone { Epoch: 2 }) stop.Cancel();
        }, stop.Token);
        TrainingRun.Run(config, cut, resume: true, _ => { }, TestContext.Current.CancellationToken);
        foreach (string file in new[] { "model.safetensors", "adapter/adapter_model.safetensors", "encoders/smiles/model.safetensors" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(whole, file)), File.ReadAllBytes(Path.Combine(cut, file)));
        Assert.Throws<InvalidDataException>(() => TrainingRun.Run(config, cut, resume: true, _ => { }, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("fingerprint", "trained along")]
    [InlineData("selfies", "trained along")]
    [InlineData("smiles", "trained along")]
    public void A_rate_of_what_is_not_trained_along_is_refused(string name, string said) =>
        Assert.Contains(said, Assert.Throws<ArgumentException>((_config with { EncoderLearningRates = new() { [name] = 1e-4 } }).Check).Message);

    private (TrainingSummary Summary, RunStarted Started) Run(RunConfig config, string name)
    {
        RunStarted? started = null;
        TrainingSummary summary = TrainingRun.Run(config, _folder[name], resume: false, e => started = e as RunStarted ?? started, TestContext.Current.CancellationToken);
        return (summary, started!);
    }

    /// <summary>Of the loaded model's predictions.</summary>
    private double Mse(string model)
    {
        using TrainedModel loaded = TrainedModel.Load(model);
        return Evaluator.OnFile(new Predictor(loaded, "cpu"), _folder["data.csv"], null, null, null, cancellation: TestContext.Current.CancellationToken).Targets["y"].Mse;
    }

    private static bool Same(Tensor a, Tensor b) => a.bytes.SequenceEqual(b.bytes);
}
