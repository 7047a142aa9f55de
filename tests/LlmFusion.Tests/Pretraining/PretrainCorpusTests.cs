using LlmFusion.DataSets;
using LlmFusion.Pretraining;
using LlmFusion.Tests.DataSets;
using Xunit;

namespace LlmFusion.Tests.Pretraining;

/// <summary>What gets into a corpus, and what must not.</summary>
public sealed class PretrainCorpusTests : IDisposable
{
    private static readonly string[] Fillers = [.. Enumerable.Range(2, 20).Select(n => new string('C', n) + "O")];

    private readonly TemporaryFolder _folder = new();
    private readonly string? _data = Environment.GetEnvironmentVariable(Catalog.FolderVariable);

    public PretrainCorpusTests()
    {
        Environment.SetEnvironmentVariable(Catalog.FolderVariable, _folder["data"]);
        Directory.CreateDirectory(_folder["data/qm9"]);
        Directory.CreateDirectory(_folder["data/chebi20"]);
        // OCC is CCO again; the first alanine is the mirror image of one in the test split.
        Table("qm9/train.csv", "smiles,homo,lumo,gap", ["CCO,1,1,1", "OCC,1,1,1", "N[C@@H](C)C(=O)O,1,1,1", "CCS,1,1,1", "[13CH4],1,1,1", "C1CC,1,1,1", .. Fillers.Select(s => $"{s},1,1,1")]);
        Table("qm9/valid.csv", "smiles,homo,lumo,gap", ["SCC,1,1,1"]);
        Table("qm9/test.csv", "smiles,homo,lumo,gap", ["N[C@H](C)C(=O)O,1,1,1", "C,1,1,1"]);
        string chebi = "CID\tSMILES\tdescription\tlogp_rdkit\tqed_rdkit";
        Table("chebi20/train.tsv", chebi, ["1\tNCC\t\t1\t1", "2\tNCCC\t\t1\t1", "3\tOC(=O)C=C\ta said one\t1\t1"]);
        Table("chebi20/train_text_templated.tsv", "CID\tdescription", ["1\tan amine", "2\ta reserved text"]);
        Table("chebi20/valid.tsv", chebi, ["4\tOC(=O)CC=C\ta reserved text\t1\t1"]);
        Table("chebi20/test.tsv", chebi, ["5\tCCCO\ta test\t1\t1"]);
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(Catalog.FolderVariable, _data);
        _folder.Dispose();
    }

    [Fact]
    public void Nothing_of_a_validation_or_test_split_gets_in_not_even_its_mirror_image()
    {
        PretrainCorpus corpus = Read(new PretrainConfig { Modality = "smiles" });
        string[] all = [.. corpus.Train.Concat(corpus.HeldOut).Select(i => i.Sequence)];
        Assert.Contains("CCO", all);
        Assert.Contains("CCN", all);
        // Of QM9's training split four molecules are reserved: alanine, CCS, methane by its isotope, and CCCO by ChEBI-20's test split.
        Assert.Equal(new CorpusSource("qm9 (train)", 26, 1, 0, 4, 2, 19), corpus.Sources[0]);
        Assert.DoesNotContain(all, s => s is "CCS" or "CCCO" or "[13CH4]" or "C" || s.Contains('@'));
        Assert.Equal(all.Length, all.Distinct().Count());
        Assert.Equal(5, corpus.Reserved.Molecules);
        Assert.Equal(2, corpus.Reserved.Texts);

        PretrainCorpus open = Read(new PretrainConfig { Modality = "smiles", Exclude = [] });
        Assert.Equal(0, open.Sources.Sum(s => s.Reserved));
        Assert.Contains(open.Train.Concat(open.HeldOut), i => i.Sequence == "CCS");
        Assert.NotEqual(corpus.Reserved.Sha256, open.Reserved.Sha256);
        Assert.NotEqual(corpus.Sha256, open.Sha256);
        Assert.Equal(corpus.Sha256, Read(new PretrainConfig { Modality = "smiles" }).Sha256);
    }

    [Fact]
    public void Texts_are_checked_by_themselves_and_by_their_molecule()
    {
        string lines = _folder.Write("more.txt", string.Join('\n', Enumerable.Range(0, 12).Select(n => $"sentence {n}").Append("a test").Append("").Append("sentence 1")));
        string table = _folder.Write("more.csv", "smiles,text\nCCCCCCO,a good one\nCCCO,of a reserved molecule\nCCCCN,\n");
        PretrainCorpus corpus = Read(new PretrainConfig { Modality = "text", Data = ["chebi20"], Files = [lines, table] });
        Assert.Equal(
            [
                new CorpusSource("chebi20 (train)", 3, 0, 0, 1, 0, 2), new CorpusSource(lines, 14, 0, 0, 1, 1, 12), new CorpusSource(table, 3, 0, 1, 1, 0, 1),
            ],
            corpus.Sources);
        Assert.All(corpus.Train, item => Assert.Empty(item.Descriptors));
    }

    [Fact]
    public void Descriptions_of_the_training_file_stand_in_for_texts_made_by_template()
    {
        File.Delete(_folder["data/chebi20/train_text_templated.tsv"]);
        string lines = _folder.Write("more.txt", string.Join('\n', Enumerable.Range(0, 12).Select(n => $"sentence {n}")));
        PretrainConfig config = new() { Modality = "text", Data = ["chebi20"], Files = [lines] };
        PretrainCorpus corpus = Read(config);
        Assert.Equal(new CorpusSource("chebi20 (train)", 3, 0, 2, 0, 0, 1), corpus.Sources[0]);
        Assert.Contains(corpus.Train.Concat(corpus.HeldOut), item => item.Sequence == "a said one");
        Assert.Equal("chebi20", Catalog.Open("chebi20", new CatalogOptions { TemplatedTrainText = true }).Name);

        Table("chebi20/train.tsv", "CID\tSMILES\tdescription\tlogp_rdkit\tqed_rdkit", ["1\tNCC\t\t1\t1"]);
        DataSetMissingException e = Assert.Throws<DataSetMissingException>(() => Read(config));
        Assert.Contains("train.tsv has none", e.Message);
    }

    [Fact]
    public void The_check_is_not_left_out_silently_where_a_data_set_is_missing()
    {
        Directory.Delete(_folder["data/chebi20"], recursive: true);
        Assert.Throws<DataSetMissingException>(() => Read(new PretrainConfig { Modality = "smiles", Data = ["qm9"] }));
        Assert.NotEmpty(Read(new PretrainConfig { Modality = "smiles", Data = ["qm9"], Exclude = ["qm9"] }).Train);
        Assert.Throws<InvalidDataException>(() => Read(new PretrainConfig { Modality = "text", Data = ["qm9"], Exclude = ["qm9"] }));
    }

    private static PretrainCorpus Read(PretrainConfig config) => PretrainCorpus.Read(config, _ => { }, CancellationToken.None);

    private void Table(string name, string header, string[] rows) => File.WriteAllLines(_folder["data/" + name], [header, .. rows]);
}
