using System.Security.Cryptography;
using System.Text.Json.Nodes;
using LlmFusion.DataSets;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

/// <summary>A run that begins from a trained model has what the model knows, for the modalities and targets that both have.</summary>
public sealed class InitialModelTests : IDisposable
{
    private static readonly string[] Molecules = ["CCO", "CCCO", "CCN", "c1ccccc1", "c1ccccc1O", "CC(=O)O", "CC(=O)OC", "CCCl", "C1CCCCC1", "CC#N", "CCS", "OCC(O)CO"];

    private readonly TemporaryFolder _folder = new();
    private readonly RunConfig _base, _next;
    private readonly List<string> _notes = [];

    public InitialModelTests()
    {
        File.WriteAllLines(_folder["first.csv"], ["smiles,a,b", .. Molecules.Select((smiles, i) => $"{smiles},{i * 7 % 11 / 3.0:F3},{i % 5 * 100}")]);
        // Other values, and so another scaling; the targets in another order, and a new one between them.
        File.WriteAllLines(_folder["second.csv"], ["smiles,c,b,a", .. Molecules.Take(9).Select((smiles, i) => $"{smiles},{i},{i % 3 * 10 + 7},{i * 0.01 + 5:F2}")]);
        _base = new RunConfig
        {
            TrainFile = _folder["first.csv"],
            ValidFile = _folder["first.csv"],
            Targets = ["a", "b"],
            Modalities = ["smiles", "selfies", "fingerprint"],
            Fingerprint = new() { Size = 64, Counts = false },
            Size = "tiny",
            MaximumTokens = 64,
            Epochs = 2,
            BatchSize = 4,
            WarmupSteps = 2,
            LearningRate = 3e-3,
            Device = "cpu",
        };
        // A step this small changes nothing that could be seen: what is saved is what the run began with.
        _next = new RunConfig
        {
            InitModel = _folder["base"],
            TrainFile = _folder["second.csv"],
            ValidFile = _folder["second.csv"],
            Targets = ["b", "c", "a"],
            Epochs = 1,
            BatchSize = 4,
            WarmupSteps = 0,
            LearningRate = 1e-12,
            WeightDecay = 0,
            Device = "cpu",
        };
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TuneMode.Full)]
    [InlineData(TuneMode.Lora)]
    public void Predictions_of_the_same_targets_are_unchanged_in_their_units(TuneMode tune)
    {
        TrainedModelOf(_base with { Tune = tune }, "base").Dispose();
        using TrainedModel first = TrainedModel.Load(_folder["base"]), next = TrainedModelOf(_next, "next");
        Assert.Equal(first.Inputs.Representation.Modalities, next.Inputs.Representation.Modalities);
        Assert.False(next.Inputs.Representation.Fingerprint.Counts);
        Assert.NotEqual(first.Scaler.Means[0], next.Scaler.Means[2]);
        RequireSame(Predict(first, "CCOCC", "c1ccccc1CN"), Predict(next, "CCOCC", "c1ccccc1CN"), [(0, 2), (1, 0)]);
        Assert.Equal(("base", first.Manifest!.WeightsSha256), (next.Manifest!.Initial!.Name, next.Manifest.Initial.WeightsSha256));
        Assert.Contains("targets: c", Assert.Single(_notes));
    }

    [Fact]
    public void With_fewer_modalities_it_predicts_as_the_model_does_where_the_others_are_missing()
    {
        TrainedModelOf(_base, "base").Dispose();
        using TrainedModel first = TrainedModel.Load(_folder["base"]), next = TrainedModelOf(_next with { Modalities = ["fingerprint", "selfies"] }, "next");
        Assert.Equal([Modality.Selfies, Modality.Fingerprint], next.Inputs.Representation.Modalities);
        RequireSame(Predict(first, (m, input) => m == Modality.Smiles ? null : input, "CCOCC", "CCC#N"), Predict(next, "CCOCC", "CCC#N"), [(0, 2), (1, 0)]);
    }

    [Fact]
    public void With_more_modalities_everything_that_the_model_has_is_taken()
    {
        TrainedModelOf(_base, "base").Dispose();
        using TrainedModel first = TrainedModel.Load(_folder["base"]), next = TrainedModelOf(_next with { Modalities = ["smiles", "selfies", "text", "fingerprint", "graph"] }, "next");
        Assert.Contains("modalities: text, graph", Assert.Single(_notes));
        Assert.Equal(first.Inputs.Tokenizers[Modality.Smiles].Vocabulary.Tokens, next.Inputs.Tokenizers[Modality.Smiles].Vocabulary.Tokens);
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> before = first.Network.state_dict(), now = next.Network.state_dict();
        foreach ((string name, Tensor value) in before.Where(t => !t.Key.StartsWith("fusion.head", StringComparison.Ordinal)))
        {
            // The fingerprint's place was the third of three and is the fourth of five.
            bool byPlace = name is "fusion.modality_pos" or "fusion.llm.wpe.weight";
            Assert.True(allclose(value, byPlace ? now[name].index_select(0, tensor([0L, 1L, 3L])) : now[name], 1e-6, 1e-8), name);
        }
    }

    [Fact]
    public void An_encoder_may_begin_anew_and_nothing_else_does()
    {
        RunConfig config = _base with { Modalities = ["fingerprint", "graph"] };
        TrainedModelOf(config, "base").Dispose();
        using TrainedModel first = TrainedModel.Load(_folder["base"]);
        foreach ((string modality, string[] own) in new[] { ("fingerprint", new[] { "fusion.fp_encoder." }), ("graph", ["graph.", "fusion.proj_graph."]) })
        {
            _notes.Clear();
            using TrainedModel next = TrainedModelOf(_next with { NewEncoders = [modality] }, modality);
            using DisposeScope scope = NewDisposeScope();
            Dictionary<string, Tensor> now = next.Network.state_dict();
            // A new network's norms and biases are ones and zeros, which a little training hardly changes.
            foreach ((string name, Tensor value) in first.Network.state_dict().Where(t => !t.Key.StartsWith("fusion.head", StringComparison.Ordinal)))
                if (!own.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal))) Assert.True(allclose(value, now[name], 1e-6, 1e-8), name);
                else if (name.EndsWith("weight", StringComparison.Ordinal) && value.dim() == 2) Assert.False(allclose(value, now[name], 0.1, 0.01), name);
            Assert.Contains($"encoders: {modality}, ", Assert.Single(_notes));
        }

        Assert.Contains("new_encoders: got smiles, expected fingerprint, graph", Assert.Throws<ArgumentException>(() => (_base with { InitModel = "m", NewEncoders = ["smiles"] }).Check()).Message);
        Assert.Contains("expected a model to begin from", Assert.Throws<ArgumentException>(() => (_base with { NewEncoders = ["fingerprint"] }).Check()).Message);
        Assert.Contains("expected a modality of the run", Assert.Throws<ArgumentException>(() => (_base with { InitModel = "m", NewEncoders = ["graph"] }).Check()).Message);
    }

    [Fact]
    public void Weights_saved_in_half_precision_are_begun_from_as_they_are_read()
    {
        TrainedModelOf(_base, "base").Dispose();
        ToHalf(_folder["base"]);
        using TrainedModel first = TrainedModel.Load(_folder["base"]), next = TrainedModelOf(_next, "next");
        RequireSame(Predict(first, "CCOCC"), Predict(next, "CCOCC"), [(0, 2), (1, 0)]);
        Assert.All(next.Network.parameters(), p => Assert.Equal(ScalarType.Float32, p.dtype));
    }

    [Fact]
    public void Frozen_encoders_stay_as_they_are_and_the_models_own()
    {
        TrainedModelOf(_base, "base").Dispose();
        RunConfig config = _next with { FreezeEncoders = true, Store = false, LearningRate = 1e-2, Epochs = 3 };
        using TrainedModel next = TrainedModelOf(config, "next");
        foreach (string modality in new[] { "smiles", "selfies" })
            Assert.Equal(File.ReadAllBytes(_folder[$"base/encoders/{modality}/model.safetensors"]), File.ReadAllBytes(_folder[$"next/encoders/{modality}/model.safetensors"]));
        Assert.All(next.Manifest!.Modalities.Where(m => m.Name != "fingerprint"), m => Assert.True(m is { Frozen: null, Tuned.SubstituteVocabulary: true }));
        using TrainedModel first = TrainedModel.Load(_folder["base"]);
        Assert.NotEqual(Predict(first, "CCOCC")[0][0], Predict(next, "CCOCC")[0][2]);

        // What embeddings once computed are trained to is what the folder predicts.
        Assert.Equal(next.Manifest.Metrics.Find("valid", "a", "fusion")!.Mae, MaeOfA(next), 1e-5);

        // Whoever begins from it may train the encoders along again.
        using TrainedModel further = TrainedModelOf(_next with { InitModel = _folder["next"], LearningRate = 1e-3 }, "further");
        Assert.NotEqual(File.ReadAllBytes(_folder["next/encoders/smiles/model.safetensors"]), File.ReadAllBytes(_folder["further/encoders/smiles/model.safetensors"]));
        // One that has a learning rate is not frozen with the others.
        using TrainedModel one = TrainedModelOf(config with { EncoderLearningRates = new() { ["smiles"] = 1e-4 } }, "one");
        Assert.NotEqual(File.ReadAllBytes(_folder["base/encoders/smiles/model.safetensors"]), File.ReadAllBytes(_folder["one/encoders/smiles/model.safetensors"]));
        Assert.Equal(File.ReadAllBytes(_folder["base/encoders/selfies/model.safetensors"]), File.ReadAllBytes(_folder["one/encoders/selfies/model.safetensors"]));
        Assert.Contains("and is not named in", Assert.Throws<ArgumentException>(() => TrainedModelOf(config with { EncoderLearningRates = new() { ["smiles"] = 1e-4, ["selfies"] = 1e-4 } }, "refused")).Message);
        Assert.Contains("freeze_encoders: of fingerprint, base has no encoder", Assert.Throws<ArgumentException>(() => TrainedModelOf(config with { Modalities = ["fingerprint"] }, "refused")).Message);
        Assert.Contains("freeze_encoders: got True, expected a model to begin from", Assert.Throws<ArgumentException>(() => TrainedModelOf(_base with { FreezeEncoders = true }, "refused")).Message);
    }

    [Fact]
    public void A_target_in_another_unit_or_scaled_by_its_logarithm_is_new()
    {
        TrainedModelOf(_base with { Units = new() { ["a"] = "eV" } }, "base").Dispose();
        TrainedModelOf(_next with { Units = new() { ["a"] = "Hartree" }, TargetScalings = new() { ["b"] = ScalingKind.Log } }, "next").Dispose();
        Assert.Contains("targets: b, c, a", Assert.Single(_notes));
    }

    [Fact]
    public void A_run_that_began_from_a_model_resumes_to_the_same_bytes_and_only_from_that_model()
    {
        TrainedModelOf(_base, "base").Dispose();
        RunConfig config = _next with { LearningRate = 1e-3, Epochs = 2, Modalities = ["smiles", "graph"], ModalityDropout = 0.3 };
        TrainedModelOf(config, "whole").Dispose();
        using CancellationTokenSource stop = new();
        TrainingRun.Run(config, _folder["cut"], resume: false, e =>
        {
            if (e is StepDone { Epoch: 2, Step: 1 }) stop.Cancel();
        }, stop.Token);
        RunConfig written = RunConfig.Load(Path.Combine(_folder["cut"], TrainingRun.ConfigFile));
        Assert.Equal("tiny", written.Size);
        Directory.Move(_folder["base"], _folder["away"]);
        Assert.Contains("no such folder", Assert.Throws<ModelFolderException>(() => Resume(written, "cut")).Message);
        TrainedModelOf(_base with { Seed = 9 }, "base").Dispose();
        Assert.Contains("other data", Assert.Throws<InvalidDataException>(() => Resume(written, "cut")).Message);
        Resume(written with { InitModel = _folder["away"] }, "cut");
        Assert.Equal(Weights("whole"), Weights("cut"));
    }

    [Fact]
    public void What_contradicts_the_model_is_refused_by_name()
    {
        TrainedModelOf(_base, "base").Dispose();
        (RunConfig Config, string Said)[] all =
        [
            (_next with { Size = "base" }, "size: got \"base\""),
            (_next with { Fingerprint = new() { Size = 128 } }, "fingerprint: got"),
            (_next with { Backbone = "gpt2" }, "backbone: got \"gpt2\""),
            (_next with { Encoders = new() { ["smiles"] = "chemberta" } }, "encoder of smiles: got chemberta"),
            (_next with { InitModel = _folder["none"] }, "no such folder"),
        ];
        foreach ((RunConfig config, string said) in all) Assert.Contains(said, Assert.ThrowsAny<Exception>(() => TrainedModelOf(config, "refused")).Message);
        Assert.False(Directory.Exists(_folder["refused"]));
    }

    private TrainedModel TrainedModelOf(RunConfig config, string name)
    {
        TrainingRun.Run(config, _folder[name], resume: false, e =>
        {
            if (e is RunNote note) _notes.Add(note.Text);
        }, TestContext.Current.CancellationToken);
        return TrainedModel.Load(_folder[name]);
    }

    private void Resume(RunConfig config, string name) => TrainingRun.Run(config, _folder[name], resume: true, _ => { }, TestContext.Current.CancellationToken);

    private byte[] Weights(string name) => File.ReadAllBytes(Path.Combine(_folder[name], "model.safetensors"));

    private static float[][] Predict(TrainedModel model, params string[] molecules) => Predict(model, (_, input) => input, molecules);

    private static float[][] Predict(TrainedModel model, Func<Modality, ModalityInput?, ModalityInput?> keep, params string[] molecules)
    {
        Representations[] read = [.. DataRow.OfSmiles(molecules).Select(row => Representations.OfRow(row, model.Inputs.Representation).Of!)];
        return model.Predict([.. model.Inputs.Encode(read).Select(m => new MoleculeInputs([.. m.ByModality.Zip(model.Inputs.Representation.Modalities, (input, modality) => keep(modality, input))]))], 4, CPU);
    }

    /// <summary>Mean absolute error of the third target of <c>second.csv</c>, which is its last column.</summary>
    private double MaeOfA(TrainedModel model)
    {
        string[][] rows = [.. File.ReadLines(_folder["second.csv"]).Skip(1).Select(line => line.Split(','))];
        return Predict(model, [.. rows.Select(r => r[0])]).Zip(rows, (predicted, row) => Math.Abs(predicted[2] - double.Parse(row[3], System.Globalization.CultureInfo.InvariantCulture))).Average();
    }

    private static void RequireSame(float[][] before, float[][] now, (int Before, int Now)[] targets)
    {
        foreach ((float[] one, float[] other) in before.Zip(now))
            foreach ((int b, int n) in targets) Assert.Equal(one[b], other[n], 1e-4 * Math.Max(1, Math.Abs(one[b])));
    }

    /// <summary>The weights rounded to float16, as a model that is handed on has them.</summary>
    private static void ToHalf(string folder)
    {
        string path = Path.Combine(folder, TrainedModel.ManifestFile);
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(path))!;
        using DisposeScope scope = NewDisposeScope();
        foreach (string relative in new[] { ".", "encoders/smiles", "encoders/selfies" })
        {
            string file = Path.Combine(folder, relative, "model.safetensors");
            Safetensors.Write(file, Safetensors.Read(file).ToDictionary(t => t.Key, t => t.Value.to(ScalarType.Float16)), new Dictionary<string, string> { ["format"] = "pt" });
            string sha256 = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));
            if (relative == ".") manifest["weights_sha256"] = sha256;
            else manifest["modalities"]!.AsArray().Single(m => m!["encoder"]?.GetValue<string>() == relative)!["sha256"] = sha256;
        }

        File.WriteAllText(path, manifest.ToJsonString());
    }
}
