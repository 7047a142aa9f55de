using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public sealed class JointDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Each_row_has_the_targets_of_its_data_set_and_lacks_those_of_the_others()
    {
        DataSplits joint = JointData.Join([Energies(), Solubilities()], excludeHeldOut: false);
        Assert.Equal(["gap", "mass", "logs"], joint.Targets);
        Assert.Equal("energies.csv, predefined + solubilities.csv, predefined", joint.Name);
        Assert.Equal(["CCO", "C[C@H](N)O", "CCC", "CCCl"], joint.Train.Select(r => r.Smiles));
        Assert.Equal([0.5f, 46, float.NaN], joint.Train[0].Sample!.Targets);
        Assert.Equal([float.NaN, 64.5f, -2], joint.Train[3].Sample!.Targets);
        Assert.Equal([float.NaN, float.NaN, -1], joint.Valid[1].Sample!.Targets);
        Assert.All(joint.InOrder().SelectMany(p => p.Rows), row => Assert.Equal(joint.Targets, row.Layout.Targets));
        Assert.Equal([-1, 1, 2], joint.Train[3].Layout.TargetColumns);
    }

    [Fact]
    public void A_molecule_held_out_in_one_data_set_is_no_training_molecule_in_another_stereochemistry_aside()
    {
        DataSplits joint = JointData.Join([Energies(), Solubilities()]), all = JointData.Join([Energies(), Solubilities()], excludeHeldOut: false);
        Assert.Equal(["CCO", "C[C@H](N)O"], joint.HeldOut.Select(r => r.Smiles));
        Assert.Equal(["CCC", "CCCl"], joint.Train.Select(r => r.Smiles));
        Assert.Equal(["CCN", "C[C@@H](N)O"], joint.Valid.Select(r => r.Smiles));
        Assert.Empty(all.HeldOut);
        Assert.Equal(4, all.Train.Count);
        Assert.NotEqual(joint.Sha256, all.Sha256);
    }

    [Fact]
    public void The_order_of_the_targets_is_the_one_asked_for() =>
        Assert.Equal([float.NaN, 46, 0.5f], JointData.Join([Energies(), Solubilities()], ["logs", "mass", "gap"], excludeHeldOut: false).Train[0].Sample!.Targets);

    [Fact]
    public void Named_data_sets_share_the_targets_asked_for_and_repeat_their_rows()
    {
        if (Environment.GetEnvironmentVariable(Catalog.FolderVariable) is not { Length: > 0 }) Assert.Skip($"{Catalog.FolderVariable} is not set");
        DataSplits joint = JointData.Open(["demo", "chebi20"], new CatalogOptions { Targets = ["qed", "logp"], TemplatedTrainText = true }, repeats: new Dictionary<string, int> { ["chebi20"] = 3 });
        Assert.Equal(["qed", "logp"], joint.Targets);
        Assert.Contains("templated", joint.Name);
        Assert.Equal(3, joint.Train[^1].Sample!.Repeats);
        Assert.Equal(1, joint.Train[0].Sample!.Repeats);
        Assert.InRange(joint.HeldOut.Count, 1032, 2000); // the twins of 490 test and 542 validation molecules, at least
    }

    [Theory]
    [InlineData("demo demo", "logp", "", "demo twice")]
    [InlineData("demo qm9", "logp", "", "data set qm9")]
    [InlineData("demo qm9", "logp,gap,solubility", "", "solubility")]
    [InlineData("demo qm9", "logp,gap", "chebi20", "chebi20")]
    public void What_does_not_fit_together_is_refused_by_name(string names, string targets, string repeated, string said) =>
        Assert.Contains(said, Assert.Throws<ArgumentException>(() => JointData.Open(names.Split(' '), new CatalogOptions { Targets = targets.Split(',') },
            repeats: repeated.Length > 0 ? new Dictionary<string, int> { [repeated] = 2 } : null)).Message);

    private DataSplits Energies() => Read("energies.csv", ["gap", "mass"],
        "smiles,gap,mass,split", "CCO,0.5,46,train", "C[C@H](N)O,0.4,61,train", "CCC,0.3,44,train", "CCN,0.2,45,valid", "CCCC,0.1,58,test");

    private DataSplits Solubilities() => Read("solubilities.csv", ["mass", "logs"],
        "smiles,mass,logs,split", "CCCl,64.5,-2,train", "OCC,46,1,test", "C[C@@H](N)O,,-1,valid");

    private DataSplits Read(string name, string[] targets, params string[] lines)
    {
        using DataFile file = DataFile.Open(_folder.Write(name, string.Join('\n', lines) + "\n"), new DataFileOptions { Targets = targets, SplitColumn = "split" });
        return Splitter.Predefined(file.Rows());
    }
}
