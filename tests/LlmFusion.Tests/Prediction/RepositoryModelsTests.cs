using System.Text.Json.Nodes;
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

    /// <summary>What <c>evaluate</c> wrote of the landed weights, also on the molecules without a stereo twin, which joint training left out of its own split.</summary>
    [Theory]
    [InlineData("test-qm9.json", "qm9", "smiles,selfies,fingerprint,graph")]
    [InlineData("test-chebi20.json", "chebi20", "smiles,selfies,text,fingerprint,graph")]
    [InlineData("test-chebi20-structural.json", "chebi20", "smiles,selfies,fingerprint,graph")]
    public void The_general_models_record_has_what_an_evaluation_wrote(string file, string data, string modalities)
    {
        ModelManifest manifest = TrainedModel.ReadManifest(Path.Combine(Models, "llmfusion-mini"));
        JsonNode record = JsonNode.Parse(File.ReadAllText(Repository.PathOf("docs", "results", "general-model", file)))!;
        Assert.Equal(manifest.WeightsSha256, record["model"]!["weights_sha256"]!.GetValue<string>());
        ReleaseMetrics[] measured = [.. manifest.Release!.Test.Where(r => r.Data == data && string.Join(',', r.Modalities) == modalities)];
        Assert.NotEmpty(measured);
        foreach (ReleaseMetrics row in measured)
            Assert.Equal(row.Metrics.Mse, record[row.Part == "test" ? "metrics" : "metrics_without_stereo_twins"]!["targets"]![row.Target]!["mse"]!.GetValue<double>(), 1e-4 * row.Metrics.Mse); // sums in another order
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
