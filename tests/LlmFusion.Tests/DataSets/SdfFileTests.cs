using LlmFusion.DataSets;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public sealed class SdfFileTests : IDisposable
{
    private const string Ethanol = "\n  test\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n"
        + "    0.0000    0.0000    0.0000 C   0  0\n    1.5000    0.0000    0.0000 C   0  0\n    2.2000    1.2000    0.0000 O   0  0\n"
        + "  1  2  1  0\n  2  3  1  0\nM  END\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a.sdf", "\n")]
    [InlineData("a.sdf", "\r\n")]
    [InlineData("a.sdf.gz", "\n")]
    public void Structures_titles_and_data_items_become_columns(string name, string newLine)
    {
        string text = "first" + Ethanol + "> <y>\n1.5\n\n$$$$\n"
            + Ethanol.Replace(" O ", " Xx") + "> <note> (2)\ntwo\nlines\n\n> <y>\n2\n\n$$$$\n"
            + "third" + Ethanol + "> <y>\nbad\n\n> <smiles>\nC\n\n$$$$\n";
        using DataFile file = DataFile.Open(_folder.Write(name, text.Replace("\n", newLine)), new DataFileOptions { Targets = ["y"] });
        Assert.Equal(["smiles", "name", "y", "note"], file.Columns);
        List<DataRow> rows = [.. file.Rows()];
        Assert.Equal(("first", "CCO"), (rows[0].Id, rows[0].Smiles));
        Assert.Equal([1.5f], rows[0].Sample!.Targets);
        Assert.Equal(("a structure that cannot be read", 15L), (rows[1].Error!.Found, rows[1].Error!.Line));
        Assert.Equal(["", "", "2", "two\nlines"], rows[1].Fields);
        Assert.Equal(("third", "y", "\"bad\""), (rows[2].Id, rows[2].Error!.Column, rows[2].Error!.Found));
        Assert.Equal(3, file.Rows().Count());
    }

    [Fact]
    public void A_data_item_called_name_keeps_its_name()
    {
        using DataFile file = DataFile.Open(_folder.Write("a.sdf", "title" + Ethanol + "> <NAME>\nalcohol\n\n$$$$\n"));
        Assert.Equal(["smiles", "title", "NAME"], file.Columns);
        Assert.Equal("alcohol", Assert.Single(file.Rows()).Id);
    }
}
