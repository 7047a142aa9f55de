using System.Text.Json;
using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.Training;

public class PlateauTests
{
    [Fact]
    public void Every_decision_on_the_recorded_sequences_is_PyTorchs()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "plateau.json")));
        double rate = golden.RootElement.GetProperty("rate").GetDouble();
        JsonElement[] cases = [.. golden.RootElement.GetProperty("cases").EnumerateArray()];
        Assert.Equal(16, cases.Length);
        foreach (JsonElement one in cases)
        {
            ReduceOnPlateau plateau = new()
            {
                Mode = Enum.Parse<PlateauMode>(one.GetProperty("mode").GetString()!, ignoreCase: true),
                ThresholdMode = Enum.Parse<ThresholdMode>(one.GetProperty("threshold_mode").GetString()!, ignoreCase: true),
                Factor = one.GetProperty("factor").GetDouble(),
                Patience = one.GetProperty("patience").GetInt32(),
                Threshold = one.GetProperty("threshold").GetDouble(),
                Cooldown = one.GetProperty("cooldown").GetInt32(),
                MinimumRate = one.GetProperty("min_lr").GetDouble(),
            };
            ReduceOnPlateau.State state = new(rate);
            foreach ((JsonElement watched, JsonElement expected) in one.GetProperty("watched").EnumerateArray().Zip(one.GetProperty("rates").EnumerateArray()))
            {
                state = plateau.Next(state, watched.ValueKind == JsonValueKind.Null ? double.NaN : watched.GetDouble());
                Assert.Equal(expected.GetDouble(), state.Rate);
            }

            Assert.True(state.Rate < rate, "a case in which nothing is decided proves nothing");
        }
    }

    [Fact]
    public void The_run_falls_at_the_epochs_that_its_options_say_and_starts_again_from_its_state()
    {
        RunConfig config = new() { LearningRate = 1, WarmupSteps = 0, PlateauFactor = 0.5, PlateauPatience = 1, PlateauCooldown = 1, MinimumLearningRate = 0.2 };
        LearningRate rate = new(config, stepsPerEpoch: 1);
        double[] losses = [1.0, 0.9, 0.9, 0.89999, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.4];
        double[] expected = [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2];
        for (int epoch = 0; epoch < losses.Length; epoch++)
        {
            rate.EpochDone(losses[epoch]);
            Assert.Equal(expected[epoch], rate.At(epoch));
            rate = new LearningRate(config, stepsPerEpoch: 1) { State = rate.State };
        }
    }

    [Fact]
    public void A_constant_rate_warms_up_and_stays_and_a_cosine_ends_at_its_minimum()
    {
        RunConfig config = new() { LearningRate = 1, WarmupSteps = 4, Epochs = 10, Schedule = ScheduleKind.Constant, MinimumLearningRate = 0.1 };
        LearningRate constant = new(config, stepsPerEpoch: 2), cosine = new(config with { Schedule = ScheduleKind.Cosine }, stepsPerEpoch: 2);
        for (int epoch = 0; epoch < 20; epoch++) constant.EpochDone(1);
        Assert.Equal([0.25, 0.5, 0.75, 1, 1, 1], new long[] { 0, 1, 2, 3, 4, 19 }.Select(constant.At));
        Assert.Equal([0.25, 1, 1, 0.55, 0.1, 0.1], new long[] { 0, 3, 4, 12, 20, 30 }.Select(s => Math.Round(cosine.At(s), 12)));
    }
}
