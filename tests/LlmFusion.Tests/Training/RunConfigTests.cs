using LlmFusion.Modalities;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.Training;

public sealed class RunConfigTests
{
    private static readonly RunConfig Config = new() { Data = "demo" };

    [Fact]
    public void Defined_modalities_are_read_and_stand_behind_the_others()
    {
        RunConfig config = Config with { Inputs = new() { ["props"] = "columns: mw, tpsa", ["img"] = "vectors:C:/a,b.parquet" } };
        config.Check();
        Assert.Equal(["smiles", "selfies", "fingerprint", "props", "img"], config.StackOrder().Select(m => m.Name));
        Assert.Equal([ModalityKind.Columns, ModalityKind.Vectors], config.DefinedModalities().Keys.Select(m => m.Kind));
        Assert.Equal([["mw", "tpsa"], ["C:/a,b.parquet"]], config.DefinedModalities().Values);
        Assert.Equal(["props"], (Config with { Modalities = ["props"], Inputs = new() { ["props"] = "columns:mw" } }).StackOrder().Select(m => m.Name));
    }

    [Theory]
    [InlineData("props", "columns:")]
    [InlineData("props", "columns:a,a")]
    [InlineData("props", "vectors:")]
    [InlineData("props", "rows:a")]
    [InlineData("props", "")]
    [InlineData("Props", "columns:a")]
    [InlineData("smiles", "columns:a")]
    public void A_definition_of_another_form_is_refused_by_name(string name, string definition) =>
        Assert.Contains(name, Assert.Throws<ArgumentException>((Config with { Inputs = new() { [name] = definition } }).Check).Message);

    [Fact]
    public void A_modality_that_nothing_defines_is_refused_with_the_way_to_define_it() =>
        Assert.Contains("--modality", Assert.Throws<ArgumentException>((Config with { Modalities = ["smiles", "props"] }).Check).Message);

    [Theory]
    [InlineData("text", "gpt2", "does not use")]
    [InlineData("fingerprint", "gpt2", "only smiles, selfies and text")]
    [InlineData("props", "gpt2", "unknown modality")]
    [InlineData("smiles", "gpt2,pooling=max", "pooling=max")]
    public void An_encoder_of_what_is_no_sequence_in_use_is_refused(string modality, string encoder, string said) =>
        Assert.Contains(said, Assert.Throws<ArgumentException>((Config with { Encoders = new() { [modality] = encoder } }).Check).Message);

    [Fact]
    public void Encoders_inputs_and_backbone_survive_the_file()
    {
        using TemporaryFolder folder = new();
        RunConfig config = Config with
        {
            Inputs = new() { ["zeta"] = "columns:a, b", ["alpha"] = "vectors:v.csv" },
            Encoders = new() { ["smiles"] = "chemberta@main,pooling=mean" },
            Backbone = "gpt2-large",
            Init = InitKind.Random,
            Store = false,
        };
        RunConfig read = RunConfig.Load(folder.Write("config.yaml", config.ToYaml()));
        Assert.Equal(config.ToYaml(), read.ToYaml());
        Assert.Equal(config.StackOrder(), read.StackOrder());
        Assert.Equal((InitKind.Random, false, "gpt2-large"), (read.Init, read.Store, read.Backbone));
        Assert.Equal(config.EncoderChoices(), read.EncoderChoices());
    }
}
