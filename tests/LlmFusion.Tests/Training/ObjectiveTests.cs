using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

/// <summary>Losses, weights and scalings: the formula, and a run with them.</summary>
public sealed class ObjectiveTests : IDisposable
{
    private const string Molecules = """
        id,smiles,a,b,w
        1,CCO,1,1,1
        2,CCCO,10,,2
        3,CCN,100,2,0.5
        4,c1ccccc1,0.1,3,1
        5,CC(=O)O,0.01,5,0
        6,CC(=O)OC,0.001,6,1
        7,CCCl,1000,7,3
        8,CC#N,5,9,1
        9,CCS,50,1,1
        10,CCCS,70,1,1

        """;

    private static readonly TargetScaler Plain = new([0, 0], [1, 1], [ScalingKind.None, ScalingKind.None]);

    private readonly TemporaryFolder _folder = new();
    private readonly RunConfig _config;

    public ObjectiveTests()
    {
        string data = _folder.Write("data.csv", Molecules);
        _config = new RunConfig
        {
            TrainFile = data,
            ValidFile = data,
            TestFile = data,
            Targets = ["a", "b"],
            Modalities = ["smiles", "fingerprint"],
            Fingerprint = new() { Size = 64 },
            Size = "tiny",
            Epochs = 2,
            BatchSize = 10,
            Dropout = 0,
            WarmupSteps = 0,
            Device = "cpu",
        };
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(LossKind.Mse, 4 + 0.5 * 9)]
    [InlineData(LossKind.Mae, 2 + 0.5 * 3)]
    [InlineData(LossKind.Huber, 1.5 * (2 - 0.75) + 0.5 * 1.5 * (3 - 0.75))]
    public void The_loss_is_the_weighted_mean_over_known_targets_in_training_as_in_validation(LossKind kind, double expected)
    {
        using DisposeScope scope = NewDisposeScope();
        // Weights of the first row 1, of the second 0.25; of the targets 1 and 2. The second row's first target is missing.
        SplitInputs split = Split([[2, 1], [float.NaN, 3]], [1, 0.25f]);
        Objective objective = new([kind, kind], 1.5, [1, 2]);
        float[][] predicted = [[0, 1], [7, 0]];
        double total = objective.TotalWeight(split, [0, 1]);
        Assert.Equal(1 + 2 + 0.5, total);
        (Tensor truth, Tensor? weights) = objective.Targets(split, [0, 1], Plain, CPU);
        Tensor prediction = tensor(new float[] { 0, 1, 7, 0 }).view(2, 2).requires_grad_();
        Tensor loss = objective.Loss(prediction, truth, weights, total);
        Assert.Equal(expected / 3.5, loss.item<float>(), 1e-6);
        Assert.Equal(loss.item<float>(), objective.Loss(predicted, split, Plain), 1e-6);
        loss.backward();
        Assert.Equal([false, true, true, false], prediction.grad!.data<float>().ToArray().Select(g => g == 0));
        Assert.Null(new Objective([kind, kind], 1, [1, 1]).Targets(Split([[2, 1]], [1]), [0], Plain, CPU).Weights);
        // Nothing known: no loss, and no division by nothing.
        Assert.Equal((1, 0), (objective.TotalWeight(Split([[2, 1]], [0]), [0]), objective.Loss([[0, 0]], Split([[2, 1]], [0]), Plain)));
    }

    [Fact]
    public void Each_target_may_have_a_loss_of_its_own()
    {
        using DisposeScope scope = NewDisposeScope();
        RunConfig config = _config with { Loss = LossKind.Mae, TargetLosses = new() { ["b"] = LossKind.Mse } };
        Objective objective = Objective.Of(config);
        SplitInputs split = Split([[2, 1]], [1]);
        (Tensor truth, Tensor? weights) = objective.Targets(split, [0], Plain, CPU);
        Assert.Equal((3 + 16) / 2.0, objective.Loss(tensor(new float[] { 5, 5 }).view(1, 2), truth, weights, objective.TotalWeight(split, [0])).item<float>(), 1e-6);
        Assert.Equal((3 + 16) / 2.0, objective.Loss([[5, 5]], split, Plain), 1e-6);
        Assert.Contains("target_losses: got c, which is no target", Assert.Throws<ArgumentException>(() => Objective.Of(config with { TargetLosses = new() { ["c"] = LossKind.Mse } })).Message);
    }

    [Fact]
    public void Huber_is_torchs()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor difference = linspace(-3, 3, 25), expected = nn.functional.huber_loss(difference, zeros_like(difference), 0.7, nn.Reduction.None);
        Assert.Equal(expected.data<float>().ToArray(), Losses.Error(LossKind.Huber, difference, 0.7).data<float>().ToArray());
        Assert.All(difference.data<float>().ToArray().Zip(expected.data<float>().ToArray()), p => Assert.Equal(p.Second, Losses.Error(LossKind.Huber, p.First, 0.7), 1e-6));
    }

    [Fact]
    public void Accumulated_batches_equal_one_of_so_many_times_the_size_with_weights_and_missing_targets()
    {
        RunConfig config = _config with { WeightColumn = "w", TargetWeights = new() { ["b"] = 3 }, TargetScalings = new() { ["a"] = ScalingKind.Log }, ClipNorm = 0.5, Epochs = 3, LearningRate = 3e-3 };
        // 10 rows: 4 steps of 3, 3, 3 and 1 micro-batches' rows as one batch, or in parts of 2 and 1.
        TrainingSummary whole = Run(config with { BatchSize = 6 }, "whole"), parts = Run(config with { BatchSize = 2, Accumulate = 3 }, "parts");
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> expected = Safetensors.Read(Path.Combine(whole.Folder, "model.safetensors")), actual = Safetensors.Read(Path.Combine(parts.Folder, "model.safetensors"));
        // Adam makes of a gradient that is rounding noise a step of the learning rate, up or down: nearly all must agree closely.
        Tensor deviation = cat([.. expected.Select(t => (t.Value - actual[t.Key]).abs().flatten())]);
        Assert.True(quantile(deviation, tensor(0.99f)).item<float>() < 1e-5, $"99 % of the weights deviate by up to {quantile(deviation, tensor(0.99f)).item<float>()}");
        Assert.Equal(whole.Manifest.Training.ValidLoss, parts.Manifest.Training.ValidLoss, 1e-5);
        Assert.NotEqual(whole.Manifest.Training.ValidLoss, Run(config with { BatchSize = 2 }, "small").Manifest.Training.ValidLoss, 1e-4);
    }

    [Fact]
    public void A_rows_weight_is_its_repetition()
    {
        // One step an epoch over everything: a row that weighs 2 is a row that stands there twice.
        string weighted = _folder.Write("weighted.csv", "smiles,a,b,w\nCCO,1,1,2\nCCN,3,,1\nCCS,9,9,0\n"), repeated = _folder.Write("repeated.csv", "smiles,a,b\nCCO,1,1\nCCO,1,1\nCCN,3,\n");
        RunConfig config = _config with { TargetScaling = ScalingKind.None, Modalities = ["fingerprint"], Schedule = ScheduleKind.Constant };
        TrainingSummary first = Run(config with { TrainFile = weighted, ValidFile = weighted, TestFile = null, WeightColumn = "w" }, "weighted");
        TrainingSummary second = Run(config with { TrainFile = repeated, ValidFile = repeated, TestFile = null }, "repeated");
        Assert.Equal(second.Manifest.Training.ValidLoss, first.Manifest.Training.ValidLoss, 1e-5);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("inf")]
    [InlineData("")]
    [InlineData("much")]
    public void A_weight_that_is_none_is_refused_by_line_and_a_test_file_needs_none(string weight)
    {
        string bad = _folder.Write("bad.csv", $"smiles,a,b,w\nCCO,1,1,1\nCCN,3,,{weight}\n"), without = _folder.Write("test.csv", "smiles,a,b\nCCO,1,1\n");
        string message = Assert.Throws<BadRowsException>(() => Run(_config with { TrainFile = bad, WeightColumn = "w" }, "refused")).Message;
        Assert.Contains("line 3, column w", message);
        Assert.Contains("a number from 0 on", message);
        Run(_config with { TestFile = without, WeightColumn = "w", Epochs = 1 }, "model");
        Assert.Contains("all weights", Assert.Throws<InvalidDataException>(() => Run(_config with { TrainFile = _folder.Write("zero.csv", "smiles,a,b,w\nCCO,1,1,0\n"), WeightColumn = "w" }, "zero")).Message);
    }

    [Fact]
    public void A_logarithm_is_taken_before_standardising_and_undone_in_every_prediction()
    {
        TargetScaler scaler = TargetScaler.Fit([[1, 5], [MathF.E * MathF.E, 6]], ["a", "b"], [ScalingKind.Log, ScalingKind.None]);
        Assert.Equal((1, 1, 0, 1), (Math.Round(scaler.Means[0], 6), Math.Round(scaler.Deviations[0], 6), scaler.Means[1], scaler.Deviations[1]));
        Assert.Equal(1f, scaler.Scale(MathF.E * MathF.E, 0), 1e-5f);
        Assert.Equal(Math.Exp(2.5), scaler.Unscale(1.5f, 0), 1e-4);
        Assert.Equal((42f, 42f), (scaler.Scale(42, 1), scaler.Unscale(42, 1)));

        TrainingSummary summary = Run(_config with { TargetScaling = ScalingKind.Log, TargetScalings = new() { ["b"] = ScalingKind.None }, Loss = LossKind.Huber, Epochs = 30, EarlyStopping = 30, LearningRate = 2e-3 }, "model");
        TargetEntry[] targets = [.. TrainedModel.ReadManifest(summary.Folder).Targets];
        Assert.Equal((ScalingKind.Log, "exp(output * deviation + mean)"), (targets[0].Scaling, targets[0].Inverse));
        Assert.Equal((ScalingKind.None, 0, 1), (targets[1].Scaling, targets[1].Mean, targets[1].Deviation));
        Assert.Equal(3, summary.Manifest.FormatVersion);
        Assert.Contains("\"exp(output * deviation + mean)\"", File.ReadAllText(Path.Combine(summary.Folder, "llmfusion.json")));
        using TrainedModel model = TrainedModel.Load(summary.Folder);
        RowPrediction[] predicted = [.. new Predictor(model, "cpu").Predict(DataFile.Read([(_folder["data.csv"], null)], new DataFileOptions { Targets = ["a", "b"] }), TestContext.Current.CancellationToken)];
        Assert.All(predicted, p => Assert.True(p.Values![0] > 0));
        // Six orders of magnitude, learnt as factors.
        Assert.True(predicted.Average(p => Math.Abs(Math.Log(p.Values![0] / p.Row.Sample!.Targets[0]))) < 0.5 * predicted.Average(p => Math.Abs(Math.Log(p.Row.Sample!.Targets[0]))));
        Assert.Equal(summary.Manifest.Metrics.Find("test", "a", Comparison.Model)!.Mae, predicted.Average(p => Math.Abs(p.Values![0] - p.Row.Sample!.Targets[0])), 1e-3);
    }

    [Fact]
    public void A_value_without_a_logarithm_is_refused_by_line_unless_such_rows_are_skipped()
    {
        string data = _folder.Write("zero.csv", Molecules.Trim() + "\n11,CCCCO,0,1,1\n12,CCCCN,,1,1\n");
        RunConfig config = _config with { TrainFile = data, TargetScalings = new() { ["a"] = ScalingKind.Log }, Epochs = 1 };
        string message = Assert.Throws<BadRowsException>(() => Run(config, "refused")).Message;
        Assert.Contains("line 12, column a: found 0, expected a positive number", message);
        Assert.Contains("1 bad row:", message);
        Assert.Equal(11, Run(config with { SkipBadRows = true }, "skipped").Manifest.Data.Train);
    }

    [Fact]
    public void Weights_and_scalings_of_what_is_no_target_are_refused()
    {
        Assert.Contains("got c", Assert.Throws<ArgumentException>(() => Run(_config with { TargetWeights = new() { ["c"] = 1 } }, "one")).Message);
        Assert.Contains("got c", Assert.Throws<ArgumentException>(() => Run(_config with { TargetScalings = new() { ["c"] = ScalingKind.Log } }, "two")).Message);
        Assert.Contains("all are 0", Assert.Throws<ArgumentException>(() => Run(_config with { TargetWeights = new() { ["a"] = 0, ["b"] = 0 } }, "three")).Message);
        Assert.Contains("target_weights", Assert.Throws<ArgumentException>((_config with { TargetWeights = new() { ["a"] = -1 } }).Check).Message);
        Assert.Contains("weight_column", Assert.Throws<ArgumentException>((new RunConfig { Data = "demo", WeightColumn = "w" }).Check).Message);
    }

    private TrainingSummary Run(RunConfig config, string name) => TrainingRun.Run(config, _folder[name], resume: false, _ => { }, TestContext.Current.CancellationToken);

    private static SplitInputs Split(float[][] targets, float[] weights) => new(
        [.. targets.Zip(weights, (t, w) => new DataRow(1, 1, [], new Sample("1", "C", null, t, null) { Weight = w }, null))], [.. targets.Select(_ => new MoleculeInputs([]))], targets);
}
