using System.Text.Json;
using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.Training;

public class OneCycleTests
{
    [Fact]
    public void Every_rate_is_that_of_PyTorchs_OneCycleLR()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "one-cycle.json")));
        JsonElement[] cases = [.. golden.RootElement.GetProperty("cases").EnumerateArray()];
        Assert.Equal(4, cases.Length);
        foreach (JsonElement one in cases)
        {
            double peak = one.GetProperty("max_lr").GetDouble();
            OneCycle cycle = new(peak, one.GetProperty("total_steps").GetInt64(), one.GetProperty("pct_start").GetDouble());
            foreach ((int step, JsonElement expected) in one.GetProperty("rates").EnumerateArray().Index())
                Assert.Equal(expected.GetDouble(), cycle.At(step), 1e-12 * peak);
        }
    }

    [Fact]
    public void A_run_rises_over_its_share_of_all_epochs_and_ends_near_nothing()
    {
        LearningRate rate = new(new RunConfig { LearningRate = 1, Epochs = 10, Schedule = ScheduleKind.OneCycle, OneCycleRise = 0.2, WarmupSteps = 50 }, stepsPerEpoch: 5);
        Assert.Equal(1.0 / 25, rate.At(0), 1e-12);
        Assert.Equal(1, rate.At(9), 1e-12);
        Assert.Equal(4e-6, rate.At(49), 1e-12);
        Assert.Equal(rate.At(49), rate.At(60));
    }

    [Fact]
    public void A_rise_of_one_step_begins_at_the_peak() => Assert.Equal(1, new OneCycle(1, Steps: 10, Rise: 0.1).At(0), 1e-12);
}
