using System.Text.Json;
using LlmFusion.Transformers.Tokenizers;
using Xunit;

namespace LlmFusion.Transformers.Tests.Tokenizers;

/// <summary>Encodings recorded from Hugging Face, by tools/record_tokenizer_goldens.py but for the first two.</summary>
public class TokenizerGoldenTests
{
    public static TheoryData<string> Cases => [.. Directory.GetDirectories(TokenizerCase.Golden).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    [Fact]
    public void Every_kind_of_tokenizer_has_a_case() => Assert.Superset(
        new HashSet<string> { "gpt2", "roberta-own", "wordlevel-selfies", "wordpiece", "bert-vocab-txt", "bpe-roberta", "bpe-smollm", "bpe-llama3" }, Cases.Select(row => row.Data).ToHashSet());

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_encoding_is_equal(string name)
    {
        using TokenizerCase golden = new(name);
        Tokenizer tokenizer = golden.Load();
        List<string> wrong = [];
        foreach (JsonElement line in golden.Lines)
        {
            string text = line.GetProperty("text").GetString()!;
            int? maximumLength = line.TryGetProperty("max_length", out JsonElement limit) ? limit.GetInt32() : null;
            int[] expected = [.. line.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            TokenizedText actual = tokenizer.Encode(text, maximumLength);
            if (!expected.SequenceEqual(actual.Ids))
                wrong.Add($"{JsonSerializer.Serialize(text)} (limit {maximumLength}): got {string.Join(' ', actual.Ids.Select(tokenizer.TokenOf))}, expected {string.Join(' ', expected.Select(tokenizer.TokenOf))}");
            if (maximumLength is not null)
                Assert.Equal(tokenizer.Encode(text).Ids.Length - expected.Length, actual.Dropped);
            if (line.TryGetProperty("tokens", out JsonElement tokens))
                Assert.Equal(tokens.EnumerateArray().Select(token => token.GetString()), expected.Select(tokenizer.TokenOf));
            if (line.TryGetProperty("decoded", out JsonElement decoded))
                Assert.Equal(decoded.GetString(), tokenizer.Decode(expected));
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {golden.Lines.Count}: {string.Join("\n", wrong.Take(8))}");
    }

    [Fact]
    public void Every_normalizer_and_pre_tokenizer_alone_is_equal()
    {
        JsonElement[] lines = [.. TokenizerCase.JsonLines(Path.Combine(TokenizerCase.Golden, "components.jsonl.gz"))];
        string[] texts = [.. lines[0].GetProperty("texts").EnumerateArray().Select(text => text.GetString()!)];
        using TemporaryFolder folder = new();
        List<string> wrong = [];
        foreach (JsonElement line in lines[1..])
        {
            JsonElement section = line.GetProperty("section");
            File.WriteAllText(folder["section.json"], section.GetRawText());
            TokenizerFile file = TokenizerFile.Find(folder.Path, "section.json")!;
            JsonElement[] expected = [.. line.GetProperty("results").EnumerateArray()];
            Func<string, string> apply;
            Assert.Equal(texts.Length, expected.Length);
            if (line.GetProperty("kind").GetString() == "normalizer")
            {
                Normalizer normalizer = file.Read(Normalizer.From);
                apply = text => JsonSerializer.Serialize(normalizer.Apply(text));
            }
            else
            {
                PreTokenizer preTokenizer = file.Read(PreTokenizer.From);
                apply = text => JsonSerializer.Serialize(preTokenizer.Cut(text));
            }
            foreach ((string text, JsonElement result) in texts.Zip(expected))
            {
                string wanted = JsonSerializer.Serialize(result.ValueKind == JsonValueKind.String ? result.GetString() : (object)result.EnumerateArray().Select(word => word.GetString()));
                if (apply(text) != wanted)
                    wrong.Add($"{section.GetRawText()} on {JsonSerializer.Serialize(text)}: got {apply(text)}, expected {wanted}");
            }
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count}: {string.Join("\n", wrong.Take(12))}");
    }
}
