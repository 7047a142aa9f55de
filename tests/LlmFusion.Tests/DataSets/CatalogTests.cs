using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public class CatalogTests
{
    [Fact]
    public void Qm9_has_its_predefined_split_and_units()
    {
        SkipWithoutData();
        DataSplits qm9 = Catalog.Open("qm9");
        Assert.Equal((108_446, 12_050, 13_389), (qm9.Train.Count, qm9.Valid.Count, qm9.Test.Count));
        Assert.Empty(qm9.Refused);
        Assert.Equal(Catalog.Find("qm9").Molecules, qm9.InOrder().Select(part => part.Rows.Count));
        Assert.Equal(["homo", "lumo", "gap"], qm9.Targets);
        Assert.Equal(["Hartree", "Hartree", "Hartree"], qm9.Units);
        Sample methane = qm9.Train[0].Sample!;
        Assert.Equal(("1", "C", null, Parts.Train), (methane.Id, methane.Smiles, methane.Text, methane.Split));
        Assert.Equal([-0.3877f, 0.1171f, 0.5048f], methane.Targets);
        Assert.Equal(64, qm9.Sha256.Length);
    }

    [Fact]
    public void ChEBI_20_has_its_predefined_split_and_text_where_it_is_real()
    {
        SkipWithoutData();
        DataSplits chebi = Catalog.Open("chebi20");
        Assert.Equal((26_407, 3_301, 3_300), (chebi.Train.Count, chebi.Valid.Count, chebi.Test.Count));
        Assert.Equal(Catalog.Find("chebi20").Molecules, chebi.InOrder().Select(part => part.Rows.Count));
        Assert.Equal(["logp", "qed"], chebi.Targets);
        Assert.All(chebi.Train, row => Assert.Null(row.Sample!.Text));
        Assert.All(chebi.Test, row => Assert.StartsWith("The molecule", row.Sample!.Text));
        Assert.Equal(3.7967f, chebi.Test[0].Sample!.Targets[0]);
    }

    [Fact]
    public void The_captioned_molecules_of_ChEBI_20_have_texts_and_a_split_without_twins()
    {
        SkipWithoutData();
        DataSplits captioned = Catalog.Open("chebi20-captioned"), again = Catalog.Open("chebi20-captioned");
        Assert.Equal(captioned.Sha256, again.Sha256);
        Assert.Equal("chebi20-captioned", captioned.Name);
        Assert.Equal(3_301 + 3_300, captioned.Train.Count + captioned.Valid.Count + captioned.Test.Count);
        Assert.Equal(Catalog.Find("chebi20-captioned").Molecules, captioned.InOrder().Select(part => part.Rows.Count));
        Assert.All(captioned.InOrder().SelectMany(part => part.Rows), row => Assert.StartsWith("The molecule", row.Sample!.Text));
        Assert.Equal(captioned.Test.Count, LlmFusion.Prediction.Evaluator.WithoutStereoTwins(captioned.Test, captioned.Train).Count);
        Assert.Equal(captioned.Train.Count, Catalog.Rows("chebi20-captioned").Count(row => row.Sample!.Split == Parts.Train));
    }

    [Fact]
    public void Templated_texts_are_joined_on_demand_and_say_so_in_the_name()
    {
        SkipWithoutData();
        DataSplits chebi = Catalog.Open("chebi20", new CatalogOptions { TemplatedTrainText = true });
        // 10,636 texts, two of them for molecules that are not in the training file.
        Assert.Equal(10_634, chebi.Train.Count(row => row.Sample!.Text is not null));
        Assert.Contains("templated", chebi.Name);
    }

    [Fact]
    public void A_missing_data_set_says_where_it_belongs_and_how_to_get_it()
    {
        string folder = Path.Combine(Path.GetTempPath(), "llmfusion-no-such-folder");
        DataSetMissingException e = Assert.Throws<DataSetMissingException>(() => Catalog.Open("qm9", new CatalogOptions { Folder = folder }));
        Assert.Contains(Path.Combine(folder, "qm9", "train.csv.gz"), e.Message);
        Assert.Contains("Fetch its three files from github.com/IBM/materials", e.Message);
        Assert.Contains("LLMFUSION_DATA", e.Message);
    }

    [Fact]
    public void Unknown_names_and_targets_are_refused_with_the_known_ones()
    {
        Assert.Contains("chebi20", Assert.Throws<ArgumentException>(() => Catalog.Open("zinc")).Message);
        Assert.Contains("lumo", Assert.Throws<ArgumentException>(() => Catalog.Open("qm9", new CatalogOptions { Targets = ["logp"] })).Message);
    }

    private static void SkipWithoutData()
    {
        if (Environment.GetEnvironmentVariable(Catalog.FolderVariable) is not { Length: > 0 })
            Assert.Skip($"{Catalog.FolderVariable} is not set");
    }
}
