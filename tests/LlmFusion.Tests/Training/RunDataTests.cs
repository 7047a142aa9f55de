using LlmFusion.DataSets;
using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.Training;

public class RunDataTests
{
    private static readonly RunConfig Config = new() { Data = "demo", Targets = ["qed"] };

    [Fact]
    public void Fewer_training_rows_are_a_random_part_that_the_seed_of_the_split_decides()
    {
        DataSplits whole = RunData.Open(Config), fewer = RunData.Open(Config with { TrainRows = 50 });
        string[] Ids(DataSplits splits) => [.. splits.Train.Select(r => r.Sample!.Id)];
        Assert.Equal(50, fewer.Train.Count);
        Assert.Equal(Ids(whole).Intersect(Ids(fewer)), Ids(fewer)); // in their order
        Assert.Equal(Ids(fewer), Ids(RunData.Open(Config with { TrainRows = 50, Seed = 7 })));
        Assert.NotEqual(Ids(fewer), Ids(RunData.Open(Config with { TrainRows = 50, SplitSeed = 7 })));
        Assert.Equal((whole.Valid.Count, whole.Test.Count), (fewer.Valid.Count, fewer.Test.Count));
        Assert.NotEqual(whole.Sha256, fewer.Sha256);
        Assert.Contains("50 training rows", fewer.Name);
        Assert.Equal(whole.Sha256, RunData.Open(Config with { TrainRows = 1_000_000 }).Sha256);
    }
}
