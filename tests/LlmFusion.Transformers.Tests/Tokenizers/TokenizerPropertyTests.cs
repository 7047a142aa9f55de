using System.Text.Json;
using CsCheck;
using LlmFusion.Transformers.Tokenizers;
using Xunit;

namespace LlmFusion.Transformers.Tests.Tokenizers;

/// <summary>What holds for every text.</summary>
public class TokenizerPropertyTests
{
    private static readonly Gen<string> Characters = Gen.OneOf(
        Gen.Char[' ', '~'].Select(c => c.ToString()), Gen.Const(" "), Gen.Const("'s"), Gen.Const("CC"), Gen.Const("\n\t"),
        Gen.Int[0xa0, 0x2fff].Select(char.ConvertFromUtf32), Gen.Int[0x10000, 0x1ffff].Select(char.ConvertFromUtf32), Gen.Int[0xe000, 0x10ffff].Select(char.ConvertFromUtf32),
        Gen.Char[char.MinValue, '\u009f'].Select(c => c.ToString()), Gen.Const("<mask>"), Gen.Const("<s>"), Gen.Const("<lr>"), Gen.Const("e\u0301"));

    private static readonly Gen<string> Texts = Characters.Array[0, 40].Select(string.Concat);

    // Any UTF-16 units: lone surrogates too.
    private static readonly Gen<string> Wild = Gen.OneOf(Texts, Gen.Char[char.MinValue, char.MaxValue].Array[0, 30].Select(units => new string(units)));

    [Theory]
    [InlineData("gpt2")]
    [InlineData("bpe-smollm")]
    [InlineData("bpe-llama3")]
    public void Byte_level_texts_are_restored(string name)
    {
        using TokenizerCase golden = new(name);
        Tokenizer tokenizer = golden.Load();
        Texts.Sample(text => Assert.Equal(text, tokenizer.Decode(tokenizer.EncodeWithoutSpecial(text))), iter: 2000, threads: 1);
    }

    [Theory]
    [MemberData(nameof(TokenizerGoldenTests.Cases), MemberType = typeof(TokenizerGoldenTests))]
    public void Every_id_is_in_the_vocabulary_and_cutting_keeps_the_beginning_and_the_special_tokens(string name)
    {
        using TokenizerCase golden = new(name);
        Tokenizer tokenizer = golden.Load();
        int[] around = tokenizer.Encode("").Ids;
        Gen.Select(Wild, Gen.Int[0, 12]).Sample((text, room) =>
        {
            TokenizedText whole = tokenizer.Encode(text), cut = tokenizer.Encode(text, tokenizer.SpecialTokens + room);
            Assert.Equal(0, whole.Dropped);
            Assert.All(whole.Ids, id => Assert.NotNull(tokenizer.TokenOf(id)));
            Assert.All(whole.Ids, id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
            int[] inner = tokenizer.EncodeWithoutSpecial(text);
            int kept = Math.Min(inner.Length, room);
            Assert.Equal(inner.Length - kept, cut.Dropped);
            Assert.Equal(tokenizer.SpecialTokens + kept, cut.Ids.Length);
            int before = around.Length == 2 ? 1 : around.Length;
            Assert.Equal([.. around[..before], .. inner[..kept], .. around[before..]], cut.Ids);
        }, iter: 400, threads: 1);
    }

    [Fact]
    public void GPT2s_expression_cuts_as_the_code_that_stands_for_it()
    {
        PreTokenizer expression = FromJson(JsonSerializer.Serialize(new
        {
            type = "Split",
            pattern = new { Regex = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+" },
            behavior = "Isolated",
        }));
        PreTokenizer code = new PreTokenizer.Bytes(AddPrefixSpace: false, UseRegex: true);
        Texts.Where(text => text.Length > 0).Sample(text => Assert.Equal(expression.Cut(text).Select(word => ByteLevel.Written(word)), code.Cut(text)), iter: 4000, threads: 1);
    }

    [Fact]
    public void Nothing_is_lost_between_isolated_pieces()
    {
        PreTokenizer[] all = [.. new[] { "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous" }
            .Select(behavior => FromJson($$"""{"type":"Split","pattern":{"Regex":"\\p{L}\\p{M}*|\\d+?|x*"},"behavior":"{{behavior}}"}"""))];
        Texts.Where(text => text.Length > 0).Sample(text =>
        {
            foreach (PreTokenizer one in all)
                Assert.Equal(text, string.Concat(one.Cut(text)));
        }, iter: 1000, threads: 1);
    }

    [Fact]
    public void Normal_forms_are_stable()
    {
        Texts.Sample(text =>
        {
            foreach (bool compatible in new[] { false, true })
            {
                string apart = UnicodeTables.Normalize(text, compatible, compose: false), together = UnicodeTables.Normalize(text, compatible, compose: true);
                Assert.Equal(apart, UnicodeTables.Normalize(apart, compatible, compose: false));
                Assert.Equal(together, UnicodeTables.Normalize(together, compatible, compose: true));
                Assert.Equal(apart, UnicodeTables.Normalize(together, compatible, compose: false));
            }
        }, iter: 2000, threads: 1);
    }

    private static PreTokenizer FromJson(string section)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["section.json"], section);
        return TokenizerFile.Find(folder.Path, "section.json")!.Read(PreTokenizer.From);
    }
}
