using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public sealed class DataDescriptionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Rows_targets_errors_duplicates_and_overlaps_are_counted()
    {
        string path = _folder.Write("a.csv", string.Join('\n',
            "smiles,text,part,homo,y",
            "CCO,x,train,1,1",
            "OCC,,train,2,",        // a duplicate in train
            "C(C)O,,test,3,",       // the same in test
            "C[C@H](N)O,,train,4,", // two enantiomers
            "C[C@@H](N)O,,valid,6,",
            "C1CC,,test,7,1",       // no molecule
            "CC,,test,abc,1",       // no number
            "CC,,test"));           // too few fields
        using DataFile file = DataFile.Open(path, new DataFileOptions { SplitColumn = "part", Targets = ["homo", "y"] });
        List<long> progress = [];
        DataDescription d = DataDescription.Describe(file.Rows(), progress.Add, TestContext.Current.CancellationToken);

        Assert.Equal((8L, 2L, 1L, 1L), (d.Rows, d.BadRows, d.InvalidMolecules, d.WithText));
        Assert.Equal([7L, 8L, 9L], d.Errors.Select(e => e.Line));
        Assert.Equal([("train", 3L), ("valid", 1L), ("test", 1L)], d.Parts);
        Assert.Equal((2L, 3L), (d.Duplicates, d.DuplicatesIgnoringStereo));
        Assert.Equal(
            [new("train", "valid", 0, 0, 0), new("train", "test", 1, 2, 1), new Overlap("valid", "test", 0, 0, 0)], d.Overlaps);
        Assert.Equal(
            [new("train", "valid", 1, 1, 1), new("train", "test", 1, 2, 1), new Overlap("valid", "test", 0, 0, 0)], d.OverlapsIgnoringStereo);
        TargetDescription homo = d.Targets[0];
        Assert.Equal(("homo", "Hartree", 5L, 0L, 1.0, 6.0), (homo.Name, homo.Unit, homo.Count, homo.Missing, homo.Minimum, homo.Maximum));
        Assert.Equal(3.2, homo.Mean, 1e-12);
        Assert.Equal(2.96, homo.Variance, 1e-12);
        Assert.Equal(("", 1L, 4L, 1.0, 0.0), (d.Targets[1].Unit, d.Targets[1].Count, d.Targets[1].Missing, d.Targets[1].Mean, d.Targets[1].Variance));
        Assert.Equal([8L], progress);
    }

    [Fact]
    public void An_empty_table_has_no_numbers()
    {
        using DataFile file = DataFile.Open(_folder.Write("a.csv", "smiles,y\n"), new DataFileOptions { Targets = ["y"] });
        DataDescription d = DataDescription.Describe(file.Rows(), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal((0L, 0L), (d.Rows, d.Duplicates));
        Assert.Empty(d.Overlaps);
    }

    [Fact]
    public void ChEBI_20_has_the_twins_that_are_known()
    {
        if (Environment.GetEnvironmentVariable(Catalog.FolderVariable) is not { Length: > 0 })
            Assert.Skip($"{Catalog.FolderVariable} is not set");
        DataDescription d = DataDescription.Describe(Catalog.Rows("chebi20"), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal((33_008L, 0L, 0L), (d.Rows, d.InvalidMolecules, d.Duplicates));
        Assert.Equal([542L, 490L], d.OverlapsIgnoringStereo.Take(2).Select(o => o.RowsInSecond));
        Assert.All(d.Overlaps, o => Assert.Equal(0, o.Molecules));
    }
}
