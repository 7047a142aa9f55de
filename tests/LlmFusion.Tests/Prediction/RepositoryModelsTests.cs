using LlmFusion.Prediction;
using LlmFusion.Pretraining;
using LlmFusion.Tests.Setup;
using LlmFusion.Training;
using LlmFusion.Transformers;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Prediction;

/// <summary>The models that come with the program: their cards say what their records hold, and they stay small.</summary>
public class RepositoryModelsTests
{
    private static readonly string Models = Repository.PathOf("models");

    public static TheoryData<string> Released => [.. Names("llmfusion.json")];

    public static TheoryData<string> Encoders => [.. Names("pretraining.json")];

    public static TheoryData<string> Configurations => [.. Directory.EnumerateFiles(Models, "*.yaml").Select(f => Path.GetFileName(f)).Order()];

    [Theory, MemberData(nameof(Released))]
    public void A_models_card_is_that_of_its_record_and_its_weights_are_those_that_were_measured(string name)
    {
        string folder = Path.Combine(Models, name), notes = Path.Combine(Models, name + "-notes.md");
        ModelManifest manifest = TrainedModel.ReadManifest(folder);
        Assert.Equal(ReleaseCard.Of(name, manifest, RunConfig.Load(Path.Combine(folder, TrainingRun.ConfigFile)), File.ReadAllText(notes)), File.ReadAllText(Path.Combine(folder, ReleaseCard.FileName)));
        Assert.Equal(manifest.WeightsSha256, CheckpointFiles.Sha256(folder));
        Assert.InRange(Bytes(folder), 1, 40_000_000);
        Assert.All(Directory.EnumerateFiles(folder, "*.safetensors", SearchOption.AllDirectories).SelectMany(f => Safetensors.ReadHeader(f).Entries), entry => Assert.Equal(ScalarType.Float16, entry.DataType));
    }

    [Theory, MemberData(nameof(Encoders))]
    public void An_encoders_card_is_that_of_its_record(string name)
    {
        PretrainRecord record = EncoderRelease.Read(Path.Combine(Models, name));
        Assert.Equal(EncoderCard.Of(record), File.ReadAllText(Path.Combine(Models, name, "README.md")));
        Assert.Equal(record.WeightsSha256, CheckpointFiles.Sha256(Path.Combine(Models, name)));
    }

    [Theory, MemberData(nameof(Configurations))]
    public void What_they_were_trained_with_can_be_read(string file) => Assert.NotEmpty(RunConfig.Load(Path.Combine(Models, file)).Targets);

    [Fact]
    public void All_together_they_stay_below_100_MB() => Assert.InRange(Bytes(Models), 1, 100_000_000);

    private static string[] Names(string record) => [.. Directory.EnumerateDirectories(Models).Where(d => File.Exists(Path.Combine(d, record))).Select(d => Path.GetFileName(d)).Order()];

    private static long Bytes(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length);
}
