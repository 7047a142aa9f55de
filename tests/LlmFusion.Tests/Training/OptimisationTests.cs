using LlmFusion.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

public class OptimisationTests
{
    [Fact]
    public void Missing_targets_add_neither_loss_nor_gradient()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor prediction = tensor(new float[] { 1, 2, 3, 4 }).view(2, 2).requires_grad_();
        Tensor truth = tensor(new float[] { 0, 0, 5, 0 }).view(2, 2), known = tensor(new float[] { 1, 0, 1, 0 }).view(2, 2);
        Tensor mse = Losses.Of(LossKind.Mse, prediction, truth, known);
        Assert.Equal((1 + 4) / 2f, mse.item<float>());
        mse.backward();
        Assert.Equal([1, 0, -2, 0], prediction.grad!.data<float>().ToArray());
        Assert.Equal(1.5f, Losses.Of(LossKind.Mae, prediction, truth, known).item<float>());
        Assert.Equal(0f, Losses.Of(LossKind.Mse, prediction, truth, zeros_like(known)).item<float>());
    }

    [Fact]
    public void The_cosine_schedule_warms_up_and_ends_at_zero()
    {
        LearningRate rate = new(new RunConfig { LearningRate = 1, WarmupSteps = 10, Epochs = 2, Schedule = ScheduleKind.Cosine }, stepsPerEpoch: 55);
        Assert.Equal(0.1, rate.At(0), 12);
        Assert.Equal(1, rate.At(9), 12);
        Assert.Equal(1, rate.At(10), 12);
        Assert.Equal(0.5, rate.At(60), 12);
        Assert.Equal(0, rate.At(110), 12);
    }

    [Fact]
    public void An_epoch_holds_each_row_once_in_batches_of_like_length_and_depends_on_seed_and_epoch_alone()
    {
        int[] lengths = [.. Enumerable.Range(0, 1003).Select(i => i * 37 % 91)];
        BatchSampler sampler = new(lengths, 16, seed: 4);
        IReadOnlyList<int[]> first = sampler.Epoch(1);
        Assert.Equal(sampler.BatchCount, first.Count);
        Assert.Equal(Enumerable.Range(0, 1003), first.SelectMany(b => b).Order());
        Assert.True(first.Average(b => b.Max(i => lengths[i]) - b.Min(i => lengths[i])) < 5);
        Assert.Equal(first, new BatchSampler(lengths, 16, seed: 4).Epoch(1));
        Assert.NotEqual(first, sampler.Epoch(2));
        Assert.NotEqual(first, new BatchSampler(lengths, 16, seed: 5).Epoch(1));
    }

    [Fact]
    public void Scaling_standardises_by_the_known_values_and_comes_back()
    {
        TargetScaler scaler = TargetScaler.Fit([[1, 7], [3, float.NaN], [5, 7]], ["a", "b"]);
        Assert.Equal(3, scaler.Means[0]);
        Assert.Equal(Math.Sqrt(8 / 3.0), scaler.Deviations[0], 12);
        Assert.Equal(1, scaler.Deviations[1]);
        Assert.Equal(4.2f, scaler.Unscale(scaler.Scale(4.2f, 0), 0), 1e-6f);
        Assert.Throws<InvalidDataException>(() => TargetScaler.Fit([[float.NaN]], ["a"]));
    }

    [Fact]
    public void A_configuration_survives_its_file_and_an_unknown_key_is_named()
    {
        string path = Path.GetTempFileName();
        try
        {
            RunConfig config = new() { Data = "qm9", Targets = ["homo"], Loss = LossKind.Mae, Units = { ["homo"] = "Hartree" } };
            File.WriteAllText(path, config.ToYaml());
            Assert.Equal(config.ToYaml(), RunConfig.Load(path).ToYaml());
            File.WriteAllText(path, "{\"targets\": [\"homo\"], \"learning_rate\": 0.5}");
            Assert.Equal(0.5, RunConfig.Load(path).LearningRate);
            File.WriteAllText(path, "targets: [homo]\nlerning_rate: 1\n");
            Assert.Contains("lerning_rate", Assert.Throws<InvalidDataException>(() => RunConfig.Load(path)).Message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("epochs")]
    [InlineData("dropout")]
    [InlineData("data")]
    public void A_value_out_of_range_is_refused_by_name(string name)
    {
        RunConfig config = new() { Data = "qm9" };
        config = name switch { "epochs" => config with { Epochs = 0 }, "dropout" => config with { Dropout = 1 }, _ => config with { File = "x.csv" } };
        Assert.Contains(name, Assert.Throws<ArgumentException>(config.Check).Message);
    }
}
