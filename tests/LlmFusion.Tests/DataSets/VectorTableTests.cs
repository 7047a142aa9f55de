using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public sealed class VectorTableTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_molecule_is_found_by_its_smiles_however_it_is_spelt()
    {
        VectorTable table = Load("SMILES,v0,v1\nOCC,1,2\nc1ccccc1,3,4e-1\n");
        Assert.Equal(["v0", "v1"], table.Components);
        Assert.Equal(2, table.Width);
        Assert.Equal([1, 2], table.Find("9", "OCC", "CCO")!);
        Assert.Equal([1, 2], table.Find("9", "C(C)O", "CCO")!);
        Assert.Equal([3, 0.4f], table.Find("9", "C1=CC=CC=C1", "c1ccccc1")!);
        Assert.Null(table.Find("9", "CCN", "CCN"));
        Assert.Null(table.Find("OCC", "CCN", "CCN"));
    }

    [Theory]
    [InlineData("id")]
    [InlineData("CID")]
    [InlineData("name")]
    public void A_molecule_is_found_by_its_identifier_where_the_file_has_no_smiles(string column)
    {
        VectorTable table = Load($"{column},a\nm1,1\nCCO,2\n");
        Assert.Equal([1], table.Find("m1", "CCO", "CCO")!);
        Assert.Null(table.Find("m2", "CCO", "CCO"));
    }

    [Fact]
    public void Smiles_count_more_than_identifiers_and_errors_are_no_component()
    {
        VectorTable table = Load("id,smiles,a,b,error\n1,CCO,1,2,\n2,C1CC,,,unclosed ring\n3,CCN,3,4,\n");
        Assert.Equal(["a", "b"], table.Components);
        Assert.Equal([3, 4], table.Find("1", "CCN", "CCN")!);
        Assert.Null(table.Find("2", "C1CC", "?"));
    }

    [Theory]
    [InlineData("smiles,a,b\nCCO,1,\n", "line 2, column b", "found nothing")]
    [InlineData("smiles,a,b\nCCO,1,2\nCCN,1,many\n", "line 3, column b", "\"many\"")]
    [InlineData("smiles,a\nCCO,NaN\n", "line 2, column a", "\"NaN\"")]
    [InlineData("smiles,a\nCCO,1e99\n", "line 2, column a", "\"1e99\"")]
    [InlineData("smiles,a\nCCO,1\nCCN,2\nCCO,3\n", "line 4, column smiles", "\"CCO\" again, with another vector")]
    [InlineData("smiles,a\n,1\n", "line 2, column smiles", "found nothing")]
    [InlineData("smiles,a,b\nCCO,1\n", "line 2", "2 fields, expected 3")]
    [InlineData("smiles,a\nCCO,1,2\n", "line 2", "3 fields, expected 2")]
    [InlineData("molecule,a\nCCO,1\n", "the columns molecule, a", "a column smiles or id")]
    [InlineData("id,smiles\n1,CCO\n", "no column besides the key", "columns of numbers")]
    public void What_is_no_table_of_vectors_is_refused_in_its_place(string text, string where, string what)
    {
        DataFileException refused = Assert.Throws<DataFileException>(() => Load(text));
        Assert.StartsWith(_folder["vectors.csv"], refused.Message);
        Assert.Contains(where, refused.Message);
        Assert.Contains(what, refused.Message);
    }

    [Fact]
    public void The_same_vector_may_stand_twice_and_of_two_spellings_the_first_counts()
    {
        VectorTable table = Load("smiles,a\nOCC,1\nOCC,1.0\nC(C)O,2\n");
        Assert.Equal([1], table.Find("", "CCO", "CCO")!);
        Assert.Equal([2], table.Find("", "C(C)O", "CCO")!);
    }

    [Fact]
    public void Names_of_columns_may_have_blanks_around_and_parquet_is_read_too()
    {
        Assert.Equal([5], Load(" smiles , a\nCCO, 5\n").Find("", "CCO", "CCO")!);
        string path = _folder["vectors.parquet"];
        using (TableWriter writer = TableWriter.Open(path, [new OutputColumn("smiles"), new OutputColumn("e0", ColumnKind.Real), new OutputColumn("e1", ColumnKind.Real), new OutputColumn("error")]))
        {
            writer.Write(["CCO", 0.1f, -2f, null]);
            writer.Write(["C1CC", null, null, "unclosed ring"]);
            writer.Commit();
        }

        VectorTable table = VectorTable.Load(path);
        Assert.Equal([0.1f, -2f], table.Find("", "OCC", "CCO")!);
        Assert.Equal(1, table.Count);
    }

    private VectorTable Load(string text) => VectorTable.Load(_folder.Write("vectors.csv", text));
}
