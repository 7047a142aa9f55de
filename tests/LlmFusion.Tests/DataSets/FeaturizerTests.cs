using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public sealed class FeaturizerTests : IDisposable
{
    private const string Input = "id,smiles,y\na,C(C)O,1\nb,C1CC,2\nc,CC\nd,c1ccccc1O,4\ne,FS(F)(F)(F)(F)F,5\nf,C[N+](=O)(=O)C,6\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("out.csv")]
    [InlineData("out.tsv.gz")]
    [InlineData("out.parquet")]
    public void Every_row_is_in_its_place_with_its_features_or_its_error(string name)
    {
        using DataFile input = DataFile.Open(_folder.Write("in.csv", Input));
        FeaturizerResult result = Featurizer.Run(input.Rows(), _folder[name], cancellation: TestContext.Current.CancellationToken);
        Assert.Equal((6L, 3L), (result.Rows, result.Refused));

        using DataFile output = DataFile.Open(_folder[name]);
        Assert.Equal(
            ["id", "smiles", "canonical_smiles", "selfies", "morgan", "logp", "qed", "mol_weight", "tpsa", "hbd", "hba", "rotatable_bonds", "rings", "error"],
            output.Columns);
        List<DataRow> rows = [.. output.Rows()];
        Assert.Equal(["a", "b", "c", "d", "e", "f"], rows.Select(r => r.Fields[0]));
        Assert.Equal(["C(C)O", "CCO", "[C][Branch1][C][C][O]"], rows[0].Fields.Skip(1).Take(3));
        using Molecule ethanol = Molecule.Parse("CCO");
        Assert.Equal(string.Join(' ', ethanol.MorganBits()), rows[0].Fields[4]);
        Assert.Equal(ethanol.LogP, double.Parse(rows[0].Fields[5]));
        Assert.Equal(ethanol.Qed, double.Parse(rows[0].Fields[6]));
        Assert.Equal(["1", "1", "0", "0", ""], rows[0].Fields.Skip(9));
        Assert.Contains("unclosed ring", rows[1].Fields[13]);
        Assert.Contains($"in.csv, line 3, column smiles: found \"C1CC\"", rows[1].Fields[13]);
        Assert.Contains("found 2 fields, expected 3 fields", rows[2].Fields[13]);
        Assert.Equal("1", rows[3].Fields[12]);
    }

    [Fact]
    public void Radius_and_size_change_the_fingerprint_and_a_molecule_without_SELFIES_is_no_error()
    {
        using DataFile input = DataFile.Open(_folder.Write("in.csv", "smiles\nCC(C)(C)c1ccccc1C(=O)NCCO\nFCl(F)F\n"));
        var options = new FeaturizerOptions { Radius = 3, Size = 64, Threads = 1 };
        List<object?[]> rows = [.. input.Rows().Select(r => Featurizer.Features(r, options))];
        using Molecule molecule = Molecule.Parse("CC(C)(C)c1ccccc1C(=O)NCCO");
        Assert.Equal(string.Join(' ', molecule.MorganBits(3, 64)), rows[0][4]);
        FeaturizerResult result = Featurizer.Run(input.Rows(), _folder["out.csv"], options, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal((2L, 1L), (result.Rows, result.Refused + result.WithoutSelfies));
    }

    [Fact]
    public void A_cancelled_run_leaves_nothing()
    {
        using DataFile input = DataFile.Open(_folder.Write("in.csv", "smiles\n" + string.Concat(Enumerable.Repeat("CCO\n", 5_000))));
        using var cancel = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Featurizer.Run(input.Rows(), _folder["out.csv"], null, _ => cancel.Cancel(), cancel.Token));
        Assert.Equal(["in.csv"], _folder.Names);
    }
}
