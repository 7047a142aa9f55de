using System.Text.Json;
using LlmFusion.Transformers.Tokenizers;
using Xunit;

namespace LlmFusion.Transformers.Tests.Tokenizers;

/// <summary>Vocabularies that are made here, beside what Hugging Face's tokenizers made of the same.</summary>
public sealed class TokenizerFilesTests : IDisposable
{
    private static readonly JsonElement Golden =
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "pretrain_tokenizers.json"))).RootElement;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("bpe")]
    [InlineData("bpe_rare")]
    public void Byte_pair_encoding_learns_the_same_merges_in_the_same_order(string name)
    {
        JsonElement golden = Golden.GetProperty(name);
        string[] corpus = Texts(golden, "corpus");
        BpeVocabulary learned = BpeTrainer.Train(corpus, golden.GetProperty("size").GetInt32(), golden.GetProperty("minimum").GetInt32(), ["<|endoftext|>"]);
        Assert.Equal(Texts(golden, "tokens"), learned.Tokens);
        Assert.Equal(golden.GetProperty("merges").EnumerateArray().Select(m => (m[0].GetString()!, m[1].GetString()!)), learned.Merges);
        BpeVocabulary other = BpeTrainer.Train(corpus.Reverse(), golden.GetProperty("size").GetInt32(), golden.GetProperty("minimum").GetInt32(), ["<|endoftext|>"]);
        Assert.Equal(learned.Tokens, other.Tokens);

        Tokenizer tokenizer = Written(TokenizerFiles.ByteLevelBpe(learned, 64));
        RequireIds(golden, tokenizer);
        Assert.Equal(64, tokenizer.MaximumLength);
        Assert.All(Texts(golden, "texts"), text => Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text).Ids)));
        File.Delete(Path.Combine(_folder.Path, "tokenizer.json"));
        File.WriteAllText(Path.Combine(_folder.Path, "config.json"), """{"model_type": "gpt2"}""");
        RequireIds(golden, Tokenizer.Load(_folder.Path)); // from vocab.json and merges.txt
    }

    [Theory]
    [InlineData("smiles")]
    [InlineData("selfies")]
    public void A_word_level_vocabulary_gives_the_same_ids(string name)
    {
        JsonElement golden = Golden.GetProperty(name);
        Tokenizer tokenizer = Written(TokenizerFiles.WordLevel(Texts(golden, "tokens"), golden.GetProperty("pattern").GetString()!, 32));
        RequireIds(golden, tokenizer);
        Assert.Equal((0, 1, 2, 3, 4), (tokenizer.ClassToken, tokenizer.PadToken, tokenizer.EndToken, tokenizer.UnknownToken, tokenizer.MaskToken));
        Assert.Throws<ArgumentException>(() => TokenizerFiles.WordLevel(["C", "<s>"], ".", 32));
    }

    private static string[] Texts(JsonElement golden, string key) => [.. golden.GetProperty(key).EnumerateArray().Select(t => t.GetString()!)];

    private static void RequireIds(JsonElement golden, Tokenizer tokenizer)
    {
        foreach ((string text, JsonElement ids) in Texts(golden, "texts").Zip(golden.GetProperty("ids").EnumerateArray()))
            Assert.Equal(ids.EnumerateArray().Select(i => i.GetInt32()), tokenizer.Encode(text).Ids);
    }

    private Tokenizer Written(IReadOnlyDictionary<string, string> files)
    {
        foreach ((string name, string content) in files) File.WriteAllText(Path.Combine(_folder.Path, name), content);
        return Tokenizer.Load(_folder.Path);
    }
}
