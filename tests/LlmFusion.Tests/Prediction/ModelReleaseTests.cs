using System.Text.Json.Nodes;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using LlmFusion.Transformers;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Prediction;

/// <summary>A tiny model of the demo's molecules, trained and released once for all these tests.</summary>
public sealed class ReleasedModel : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ReleasedModel()
    {
        RunConfig config = new()
        {
            Data = "demo",
            Targets = ["logp", "qed"],
            Modalities = ["smiles", "text", "fingerprint"],
            Fingerprint = new() { Size = 256 },
            MaximumTokens = 64,
            Size = "tiny",
            Epochs = 2,
            LearningRate = 1e-3,
            EvaluateTest = false,
            CalibrationFraction = 0.5,
            Device = "cpu",
        };
        Trained = TrainingRun.Run(config, _folder["trained"], resume: false, _ => { }, CancellationToken.None).Folder;
        Manifest = ModelRelease.Write(Trained, Released, new ReleaseOptions { Name = "released", Device = "cpu" });
    }

    public string Trained { get; }

    public string Released => _folder["released"];

    public ModelManifest Manifest { get; }

    public string this[string name] => _folder[name];

    public void Dispose() => _folder.Dispose();
}

public class ModelReleaseTests(ReleasedModel released) : IClassFixture<ReleasedModel>
{
    private static readonly string[] Molecules = ["CCCCOC(=O)c1ccccc1", "CC(=O)Nc1ccc(O)cc1", "[Au]C", "CCN(CC)C(=O)c1ccncc1"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Weights_are_float16_and_predictions_stay_near()
    {
        foreach (string file in new[] { "model.safetensors", "encoders/smiles/model.safetensors", "encoders/text/model.safetensors" })
        {
            Assert.All(Safetensors.ReadHeader(Path.Combine(released.Released, file)).Entries, entry => Assert.Equal(ScalarType.Float16, entry.DataType));
            Assert.InRange(new FileInfo(Path.Combine(released.Released, file)).Length, 1, 0.55 * new FileInfo(Path.Combine(released.Trained, file)).Length);
        }

        Assert.Equal(4, TrainedModel.ReadManifest(released.Released).FormatVersion);
        using TrainedModel before = TrainedModel.Load(released.Trained), after = TrainedModel.Load(released.Released);
        Assert.All(after.Network.parameters(), p => Assert.Equal(ScalarType.Float32, p.dtype));
        RowPrediction[] exact = Predict(before), rounded = Predict(after);
        foreach ((RowPrediction e, RowPrediction r) in exact.Zip(rounded))
            for (int t = 0; t < 2; t++) Assert.Equal(e.Values![t], r.Values![t], 0.02f);
        Assert.All(exact, e => Assert.True(e is { Intervals: null, Outside: null }));
    }

    [Fact]
    public void Intervals_hold_about_nine_in_ten_test_molecules_from_whatever_modalities()
    {
        string[][] sets = [["smiles", "text", "fingerprint"], ["smiles", "fingerprint"], ["smiles"], ["fingerprint"]];
        Assert.Equal(sets, released.Manifest.Release!.Intervals.Select(i => i.Modalities));
        Assert.True(released.Manifest.Release.HeldOut);
        Assert.Equal(8, released.Manifest.Release.Test.Count);
        // Of 200 test and 100 calibration molecules the coverage varies by 0.037 (one standard deviation).
        Assert.All(released.Manifest.Release.Test, row => Assert.InRange(row.Metrics.Coverage!.Share, 0.76, 1));
        Assert.InRange(released.Manifest.Release.Test.Average(row => row.Metrics.Coverage!.Share), 0.84, 0.97);
    }

    [Fact]
    public void A_molecule_without_a_text_has_the_interval_of_predictions_without()
    {
        using TrainedModel model = TrainedModel.Load(released.Released);
        float[] fewer = Predict(model, [Modality.Smiles, Modality.Fingerprint])[0].Values!;
        RowPrediction whole = Predict(model)[0];
        Assert.Equal(fewer, whole.Values!);
        IntervalEntry entry = released.Manifest.Release!.Find(["smiles", "fingerprint"])!.Targets[0];
        Assert.Equal(2 * entry.Quantile * model.Scaler.Deviations[0], whole.Intervals![0]!.Value.Upper - whole.Intervals[0]!.Value.Lower, 1e-4);
        Assert.NotEqual(fewer, Predict(model, [Modality.Fingerprint])[0].Values!);
        Assert.Contains("expected some of smiles, text, fingerprint", Assert.Throws<ArgumentException>(() => Predict(model, [Modality.Selfies])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_gets_ends_of_intervals_and_what_is_unlike_the_training_molecules()
    {
        File.WriteAllLines(released["in.csv"], ["smiles", .. Molecules, "nonsense"]);
        using TrainedModel model = TrainedModel.Load(released.Released);
        using (DataFile file = DataFile.Open(released["in.csv"], new DataFileOptions()))
            new Predictor(model, "cpu").PredictFile(file, released["out.csv"], cancellation: Cancellation);
        string[][] rows = [.. File.ReadAllLines(released["out.csv"]).Select(line => line.Split(','))];
        Assert.Equal(["smiles", "logp", "logp_lower", "logp_upper", "qed", "qed_lower", "qed_upper", "domain", "error"], rows[0]);
        Assert.True(float.Parse(rows[1][2]) < float.Parse(rows[1][1]) && float.Parse(rows[1][1]) < float.Parse(rows[1][3]));
        Assert.Equal("ok", rows[1][7]);
        Assert.Contains("demo: holds Au", string.Join(',', rows[3]), StringComparison.Ordinal);
        Assert.Contains("nonsense", string.Join(',', rows[5]), StringComparison.Ordinal);
    }

    [Fact]
    public void Metrics_are_those_that_an_evaluation_finds_also_where_the_data_lacks_a_target()
    {
        using TrainedModel model = TrainedModel.Load(released.Released);
        Predictor predictor = new(model, "cpu", modalities: [Modality.Fingerprint]);
        DataSetEvaluation evaluation = Evaluator.OnDataSet(predictor, "demo", Parts.Test, cancellation: Cancellation);
        TargetMetrics recorded = released.Manifest.Release!.Test.Single(r => r.Target == "qed" && r.Modalities.SequenceEqual(["fingerprint"])).Metrics;
        Assert.Equal(recorded.Mae, evaluation.All.Targets["qed"].Mae, 1e-6);
        Assert.Equal(recorded.Coverage!.Share, evaluation.All.Targets["qed"].Coverage!.Share);

        File.WriteAllLines(released["qed.csv"], ["smiles,qed", .. Molecules.Select(m => $"{m},0.5")]);
        EvaluationReport report = Evaluator.OnFile(predictor, released["qed.csv"], null, null, null, cancellation: Cancellation);
        Assert.Equal(["qed"], report.Targets.Keys);
        Assert.Equal(Predict(model, [Modality.Fingerprint]).Average(p => Math.Abs(p.Values![1] - 0.5)), report.Targets["qed"].Mae, 1e-6);
        File.WriteAllLines(released["none.csv"], ["smiles,mass", "CCO,46"]);
        Assert.Contains("none of the model's targets", Assert.Throws<ArgumentException>(() => Evaluator.OnFile(predictor, released["none.csv"], null, null, null, cancellation: Cancellation)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_models_give_the_mean_of_their_predictions_and_how_far_they_differ()
    {
        using TrainedModel one = TrainedModel.Load(released.Trained), other = TrainedModel.Load(released.Released);
        using (no_grad()) other.Network.Fusion.get_parameter("head.bias")!.add_(1);       // a model that differs
        RowPrediction[] first = Predict(one), second = Predict(other), both = [.. new Predictor([one, other], "cpu").Predict(DataRow.OfSmiles(Molecules), Cancellation)];
        for (int i = 0; i < Molecules.Length; i++)
            for (int t = 0; t < 2; t++)
            {
                (float a, float b) = (first[i].Values![t], second[i].Values![t]);
                Assert.Equal((a + b) / 2, both[i].Values![t], 1e-6);
                Assert.Equal(Math.Abs(a - b) / Math.Sqrt(2), both[i].Deviations![t], 1e-6);
            }

        Assert.All(both, p => Assert.Null(p.Intervals));
        Assert.Contains("Au", Assert.Single(both[2].Outside!).Reason, StringComparison.Ordinal);
        Assert.All(first, p => Assert.Null(p.Deviations));

        // In a file, where a column of that name and a bad row are.
        File.WriteAllLines(released["both-in.csv"], ["smiles,logp_deviation", $"{Molecules[0]},7", "nonsense,8"]);
        using (DataFile file = DataFile.Open(released["both-in.csv"], new DataFileOptions()))
            new Predictor([one, other], "cpu").PredictFile(file, released["both.csv"], cancellation: Cancellation);
        string[][] rows = [.. File.ReadAllLines(released["both.csv"]).Select(line => line.Split(','))];
        Assert.Equal(["smiles", "logp_deviation", "logp", "logp_deviation_predicted", "qed", "qed_deviation", "domain", "error"], rows[0]);
        Assert.Equal("7", rows[1][1]);
        Assert.Equal(both[0].Deviations![0], float.Parse(rows[1][3]), 1e-5);
        Assert.Equal(["8", "", "", "", ""], rows[2][1..6]);
    }

    [Fact]
    public void Models_that_read_or_predict_something_else_are_refused_together()
    {
        RunConfig config = RunConfig.Load(Path.Combine(released.Trained, TrainingRun.ConfigFile)) with { Epochs = 1 };
        using TrainedModel one = TrainedModel.Load(released.Trained), fewer = Train("fewer", config with { Modalities = ["fingerprint"] }), other = Train("other", config with { Targets = ["qed"] });
        Assert.Contains("modalities of model 2 of 2: got fingerprint, expected smiles, text, fingerprint", Refused(fewer), StringComparison.Ordinal);
        Assert.Contains("targets of model 2 of 2: got qed, expected logp, qed", Refused(other), StringComparison.Ordinal);
        Assert.Contains("got one 2 times", Refused(one), StringComparison.Ordinal);

        TrainedModel Train(string name, RunConfig of) => TrainedModel.Load(TrainingRun.Run(of, released[name], resume: false, _ => { }, Cancellation).Folder);

        string Refused(TrainedModel with) => Assert.Throws<ArgumentException>(() => new Predictor([one, with], "cpu")).Message;
    }

    [Fact]
    public void The_card_holds_what_was_measured()
    {
        string card = File.ReadAllText(Path.Combine(released.Released, "README.md"));
        TargetMetrics metrics = released.Manifest.Release!.Test[0].Metrics;
        Assert.Contains(FormattableString.Invariant($"| demo | test | SM+TEXT+MFP | logp | {metrics.N} | {metrics.Mae:G4} |"), card, StringComparison.Ordinal);
        Assert.Contains(FormattableString.Invariant($"| {100 * metrics.Coverage!.Share:F1} % | {metrics.Coverage.MeanWidth:G4} |"), card, StringComparison.Ordinal);
        foreach (string part in new[] { "# released", "licence Apache-2.0", "learned imitation of RDKit's formulas", "Training has not seen these", "| qed | quantitative estimate of drug-likeness" }) Assert.Contains(part, card, StringComparison.Ordinal);

        // Written anew it is the same; notes stand in it; and what errs much less from one modality is named.
        RunConfig config = RunConfig.Load(Path.Combine(released.Released, TrainingRun.ConfigFile));
        Assert.Equal(card, ReleaseCard.Of("released", released.Manifest, config));
        Assert.Contains("\n\nNot for *pigs*.\n\n", ReleaseCard.Of("released", released.Manifest, config, "Not for *pigs*.\n"), StringComparison.Ordinal);
        ReleaseMetrics[] test = [.. released.Manifest.Release.Test.Select(r => r.Target == "logp" && r.Modalities.SequenceEqual(["fingerprint"]) ? r with { Metrics = r.Metrics with { Mae = 1e-6 } } : r)];
        Assert.Contains("**logp: better from MFP than from everything**", ReleaseCard.Of("released", released.Manifest with { Release = released.Manifest.Release with { Test = test } }, config), StringComparison.Ordinal);
        Assert.Contains("not a released model", Assert.Throws<ModelFolderException>(() => ReleaseCard.Rewrite(released.Trained, "x", "")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_released_model_is_not_released_again_and_no_folder_is_overwritten()
    {
        ReleaseOptions options = new() { Name = "again" };
        Assert.Contains("released model already", Assert.Throws<ModelFolderException>(() => ModelRelease.Write(released.Released, released["again"], options, cancellation: Cancellation)).Message, StringComparison.Ordinal);
        Assert.Contains("is there already", Assert.Throws<IOException>(() => ModelRelease.Write(released.Trained, released.Released, options, cancellation: Cancellation)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("domain.bin")]
    [InlineData("llmfusion.json")]
    public void A_damaged_release_is_refused(string what)
    {
        string copy = released[$"damaged-{what}"];
        foreach (string file in Directory.GetFiles(released.Released, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(copy, Path.GetRelativePath(released.Released, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }

        string path = Path.Combine(copy, what);
        if (what == "domain.bin") File.WriteAllBytes(path, [.. File.ReadAllBytes(path).Select(b => (byte)~b)]);
        else
        {
            JsonNode manifest = JsonNode.Parse(File.ReadAllText(path))!;
            manifest["release"]!["intervals"]![0]!["targets"]![0]!["spread"] = new JsonObject { ["weights"] = new JsonArray(1, 2), ["lowest"] = 0, ["highest"] = 1 };
            File.WriteAllText(path, manifest.ToJsonString());
        }

        Assert.Throws<ModelFolderException>(() => TrainedModel.Load(copy));
    }

    private static RowPrediction[] Predict(TrainedModel model, IReadOnlyList<Modality>? modalities = null) =>
        [.. new Predictor(model, "cpu", modalities: modalities).Predict(DataRow.OfSmiles(Molecules), Cancellation)];
}
