using CsCheck;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Modalities;
using Xunit;

namespace LlmFusion.Tests.Modalities;

public class TokenTests
{
    [Fact]
    public void Smiles_split_at_atoms_and_nothing_is_lost()
    {
        Assert.Equal(["C", "[C@@H]", "(", "Cl", ")", "Br", "%12", "=", "[nH]", "1"], SmilesTokens.Split("C[C@@H](Cl)Br%12=[nH]1"));
        Gen.String.Sample(text => string.Concat(SmilesTokens.Split(text)) == text);
    }

    [Fact]
    public void Text_splits_into_words_numbers_and_marks() =>
        Assert.Equal(["a", "4", "-", "methyl", "group", "."], TextTokens.Split("A 4-methyl  group."));

    [Fact]
    public void A_vocabulary_numbers_by_frequency_knows_the_unknown_and_survives_its_file()
    {
        TokenVocabulary vocabulary = TokenVocabulary.Build([["C", "C", "O"], ["C", "O", "N"]]);
        Assert.Equal(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "C", "O"], vocabulary.Tokens);
        Assert.Equal([0, 5, 3, 6, 2], vocabulary.Encode(["C", "N", "O"], 5, out int dropped));
        Assert.Equal(0, dropped);
        Assert.Equal([0, 5, 3, 2], vocabulary.Encode(["C", "N", "O"], 4, out dropped));
        Assert.Equal(1, dropped);
        string path = Path.GetTempFileName();
        File.WriteAllText(path, vocabulary.ToJson());
        Assert.Equal(vocabulary.Tokens, TokenVocabulary.Load(path).Tokens);
        File.WriteAllText(path, "{\"<s>\": 0, \"<pad>\": 5}");
        Assert.Contains(path, Assert.Throws<InvalidDataException>(() => TokenVocabulary.Load(path)).Message);
        File.Delete(path);
    }

    [Fact]
    public void What_a_molecule_lacks_is_missing_and_never_made_up()
    {
        RepresentationOptions options = new() { Modalities = [Modality.Smiles, Modality.Selfies, Modality.Text, Modality.Fingerprint] };
        Representations plain = Representations.Of(Row("1", "OCC", " ", [], null), options);
        Assert.Equal("CCO", plain.Smiles);
        Assert.Equal(["[C]", "[C]", "[O]"], plain.Selfies);
        Assert.Null(plain.Text);
        // A wildcard atom: RDKit reads it, SELFIES has no symbol for it.
        Assert.Null(Representations.Of(Row("2", "C*", null, [], null), options).Selfies);
        Assert.Equal("OCC", Representations.Of(Row("1", "OCC", null, [], null), options with { SmilesForm = SmilesForm.AsGiven }).Smiles);
        Assert.Throws<InvalidMoleculeException>(() => Representations.Of(Row("3", "C1CC", null, [], null), options));
    }

    [Fact]
    public void Counts_and_bits_are_what_they_say()
    {
        DataRow decane = Row("1", "CCCCCCCCCC", null, [], null);
        RepresentationOptions counts = new() { Modalities = [Modality.Fingerprint] };
        MorganCounts counted = Representations.Of(decane, counts).Fingerprint!.Value;
        MorganCounts bits = Representations.Of(decane, counts with { Fingerprint = new() { Counts = false } }).Fingerprint!.Value;
        Assert.Equal(counted.Bits, bits.Bits);
        Assert.Contains(counted.Counts, c => c > 1);
        Assert.All(bits.Counts, c => Assert.Equal(1, c));
    }

    [Fact]
    public void Modalities_are_read_by_name_or_abbreviation_and_stand_in_stack_order()
    {
        Assert.Equal([Modality.Smiles, Modality.Text, Modality.Fingerprint], Modality.InStackOrder(new[] { "MFP", "smiles", "TEXT", "SM" }.Select(Modality.Parse)));
        Assert.Contains("image", Assert.Throws<ArgumentException>(() => Modality.Parse("image")).Message);
    }

    private static DataRow Row(string id, string smiles, string? text, float[] targets, string? split) =>
        new(1, 1, [], new Sample(id, smiles, text, targets, split), null);
}
