using System.Text.Json.Nodes;
using CsCheck;
using LlmFusion.Transformers.Tokenizers;
using Xunit;

namespace LlmFusion.Transformers.Tests.Tokenizers;

/// <summary>Files that are damaged, or ask for what is not there: a message that names the file and the reason.</summary>
public sealed class HostileTokenizerTests : IDisposable
{
    private const string Whole = """
        {"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"<s>","special":true}],
         "normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":{"type":"BertProcessing","cls":["<s>",0],"sep":["<s>",0]},
         "decoder":null,"model":{"type":"BPE","unk_token":"?","fuse_unk":false,"byte_fallback":false,"vocab":{"<s>":0,"?":1,"a":2,"b":3,"ab":4},"merges":["a b"]}}
        """;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("", "not the JSON expected")]
    [InlineData("{", "not the JSON expected")]
    [InlineData("[1]", "found [1], expected a JSON object")]
    [InlineData("{}", "'model' is missing")]
    [InlineData("""{"model": 3}""", "model: found 3, expected a JSON object")]
    [InlineData("""{"a": {}, "a": {}}""", "not the JSON expected")]
    [InlineData("""{"model": {"type": "\ud800"}}""", "not the JSON expected")]
    [InlineData("""{"model": {"type": "Unigram", "vocab": []}}""", "model: the model 'Unigram' is not implemented, known are BPE, WordLevel, WordPiece")]
    [InlineData("""{"model": {"type": "WordLevel", "vocab": {"a": 0}}}""", "unk_token '<unk>' is not in the vocabulary")]
    [InlineData("""{"model": {"type": "WordPiece", "vocab": {"a": 0}}}""", "unk_token '[UNK]' is not in the vocabulary")]
    public void A_damaged_file_is_refused(string content, string expected)
    {
        File.WriteAllText(folder["tokenizer.json"], content);
        Refuses("tokenizer.json", expected);
    }

    [Theory]
    [InlineData("extra", "{}", "the key 'extra' is not implemented")]
    [InlineData("version", "\"2.0\"", "version is '2.0', expected '1.0'")]
    [InlineData("normalizer", """{"type":"Precompiled","precompiled_charsmap":""}""", "normalizer: the normalizer 'Precompiled' is not implemented, known are Sequence")]
    [InlineData("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Nmt"}]}""", "normalizer.normalizers[1]: the normalizer 'Nmt' is not implemented")]
    [InlineData("normalizer", """{"type":"NFC","form":1}""", "normalizer: the key 'form' is not implemented")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"(?<name>a)"},"content":""}""", "normalizer.pattern: the expression (?<name>a) cannot be used: (?<n is not implemented")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"(a"},"content":""}""", "a ) is missing")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{},"content":""}""", "expected either a 'String' or a 'Regex'")]
    [InlineData("pre_tokenizer", """{"type":"Metaspace"}""", "pre_tokenizer: the pre-tokenizer 'Metaspace' is not implemented")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"String":"a"},"behavior":"Dropped"}""", "'behavior' is 'Dropped', known are Removed, Isolated")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"\\bx"},"behavior":"Isolated"}""", "\\b is not implemented")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated"}""", "\\w is not implemented")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"\\p{Han}"},"behavior":"Isolated"}""", "\\p{Han} is not implemented")]
    [InlineData("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":"yes"}""", "'add_prefix_space' is \"yes\", expected true or false")]
    [InlineData("decoder", """{"type":"Other"}""", "decoder: the decoder 'Other' is not implemented")]
    [InlineData("post_processor", """{"type":"Other"}""", "post_processor: the post-processor 'Other' is not implemented")]
    [InlineData("post_processor", """{"type":"BertProcessing","cls":["<s>",9],"sep":["<s>",0]}""", "post_processor: the id 9 is no token's")]
    [InlineData("post_processor", """{"type":"BertProcessing","cls":["<s>"],"sep":["<s>",0]}""", "'cls' is not [\"token\", id]")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}}}""", "'single' lacks the sequence A")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<x>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{}}""", "post_processor.special_tokens: '<x>' is missing")]
    [InlineData("added_tokens", """[{"id":7,"content":"<x>"}]""", "the added token '<x>' is said to have the id 7, but by the vocabulary it has 5")]
    [InlineData("added_tokens", """[{"id":-1,"content":"<x>"}]""", "'id' is -1, expected an integer from 0 to 9999999")]
    [InlineData("added_tokens", """{"<x>":1}""", "expected an array")]
    public void A_section_that_is_not_implemented_is_refused_by_name(string key, string section, string expected)
    {
        JsonNode root = JsonNode.Parse(Whole)!;
        root[key] = JsonNode.Parse(section);
        File.WriteAllText(folder["tokenizer.json"], root.ToJsonString());
        Refuses("tokenizer.json", expected);
    }

    [Theory]
    [InlineData("dropout", "0.1", "model: dropout = 0.1 is not implemented")]
    [InlineData("end_of_word_suffix", "\"</w>\"", "model: end_of_word_suffix = '</w>' is not implemented")]
    [InlineData("continuing_subword_prefix", "\"##\"", "model: continuing_subword_prefix = '##' is not implemented")]
    [InlineData("unk_token", "\"x\"", "model: unk_token 'x' is not in the vocabulary")]
    [InlineData("other", "1", "model: the key 'other' is not implemented")]
    [InlineData("vocab", """{"a": 0, "b": 0}""", "model.vocab: the tokens 'a' and 'b' have the same id 0")]
    [InlineData("vocab", """{"a": 2147483647}""", "model.vocab: 'a' is 2147483647, expected an integer from 0 to 9999999")]
    [InlineData("vocab", """{"a": 1e99}""", "'a' is 1e99, expected an integer")]
    [InlineData("vocab", """[["a", 0.5]]""", "model.vocab: found [[\"a\",0.5]], expected a JSON object")]
    [InlineData("merges", """["a b c"]""", "'merges[0]' is \"a b c\", expected two tokens")]
    [InlineData("merges", """[["a", 1]]""", "'merges[0]' is [\"a\",1], expected two tokens")]
    [InlineData("merges", """["a b", "a x"]""", "merges[1]: the token 'x' is not in the vocabulary")]
    [InlineData("merges", """["b a"]""", "merges[0]: the token 'ba' is not in the vocabulary")]
    public void A_model_whose_parts_do_not_fit_is_refused(string key, string value, string expected)
    {
        JsonNode root = JsonNode.Parse(Whole)!;
        root["model"]![key] = JsonNode.Parse(value);
        File.WriteAllText(folder["tokenizer.json"], root.ToJsonString());
        Refuses("tokenizer.json", expected);
    }

    [Theory]
    [InlineData("vocab.json", "[]", "found [], expected a JSON object")]
    [InlineData("vocab.json", """{"a": "0"}""", "'a' is \"0\", expected an integer")]
    [InlineData("merges.txt", "#version: 0.2\na b\na\n", "line 3: found 'a', expected two tokens with a space between")]
    [InlineData("merges.txt", "a b\nb  c\n", "line 2: found 'b  c', expected two tokens")]
    [InlineData("merges.txt", "a b\nb x\n", "line 2: the token 'x' is not in the vocabulary")]
    [InlineData("tokenizer_config.json", """{"truncation_side": "middle"}""", "truncation_side is 'middle', expected left or right")]
    [InlineData("tokenizer_config.json", """{"model_max_length": "many"}""", "'model_max_length' is \"many\", expected a number")]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder": {"x": {"content": "a"}}}""", "'x' is no id")]
    [InlineData("special_tokens_map.json", """{"mask_token": 3}""", "'mask_token' is 3, expected a token")]
    [InlineData("added_tokens.json", """{"a": 1, "b": 1}""", "two tokens have the id 1")]
    [InlineData("config.json", """{"model_type": 3}""", "'model_type' is 3, expected a string")]
    public void A_file_of_a_vocabulary_that_is_damaged_is_refused(string file, string content, string expected)
    {
        File.WriteAllText(folder["vocab.json"], """{"a": 0, "b": 1, "ab": 2}""");
        File.WriteAllText(folder["merges.txt"], "a b\n");
        File.WriteAllText(folder["config.json"], """{"model_type": "gpt2"}""");
        Assert.Equal([2, 0], Tokenizer.Load(folder.Path).Encode("aba").Ids);
        File.WriteAllText(folder[file], content);
        Refuses(file, expected);
    }

    [Fact]
    public void A_text_file_that_is_not_UTF8_is_refused()
    {
        File.WriteAllBytes(folder["vocab.txt"], [0x61, 0x0a, 0xff, 0xfe]);
        Refuses("vocab.txt", "not UTF-8");
        File.WriteAllText(folder["vocab.txt"], "[UNK]\n[CLS]\n[SEP]\n[CLS]\n");
        Refuses("vocab.txt", "line 4: the token '[CLS]' was in line 2 already");
        File.WriteAllText(folder["vocab.txt"], "[UNK]\n[CLS]\n");
        Refuses("vocab.txt", "the sep_token '[SEP]' is not in it");
    }

    [Fact]
    public void Nesting_without_end_is_refused()
    {
        string nested = string.Concat(Enumerable.Repeat("""{"type":"Sequence","normalizers":[""", 20_000));
        File.WriteAllText(folder["tokenizer.json"], $$"""{"normalizer":{{nested}}""");
        Refuses("tokenizer.json", "not the JSON expected");
    }

    [Fact]
    public void An_expression_that_backtracks_without_end_is_stopped()
    {
        JsonNode root = JsonNode.Parse(Whole)!;
        root["pre_tokenizer"] = JsonNode.Parse("""{"type":"Split","pattern":{"Regex":"(?:aa?|a)+(?!.|\\z)"},"behavior":"Isolated"}""");
        File.WriteAllText(folder["tokenizer.json"], root.ToJsonString());
        Tokenizer tokenizer = Tokenizer.Load(folder.Path);
        Assert.Contains("takes more than", Assert.Throws<CheckpointException>(() => tokenizer.Encode(new string('a', 60))).Message);
    }

    [Theory]
    [InlineData("wordlevel-selfies")]
    [InlineData("bpe-characters")]
    [InlineData("wordpiece")]
    [InlineData("bert-vocab-txt")]
    [InlineData("roberta-prefix")]
    public void Damaged_files_load_or_are_refused_by_name(string name)
    {
        using TokenizerCase golden = new(name);
        Dictionary<string, byte[]> files = Directory.GetFiles(golden.Folder).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes);
        string[] names = [.. files.Keys.Order(StringComparer.Ordinal)];
        string[] texts = ["", "CC(=O)O [C] [=O] <mask> Caf\u00e9 \U0001f600\ud800", "12 ab <lr> \u0301"];
        Gen.Select(Gen.Int[0, names.Length - 1], Gen.Select(Gen.Double.Unit, Gen.Byte, Gen.Int[0, 4]).Array[1, 6]).Sample((file, edits) =>
        {
            List<byte> bytes = [.. files[names[file]]];
            foreach ((double where, byte value, int kind) in edits)
            {
                int at = (int)(where * bytes.Count);
                if (bytes.Count == 0)
                    continue;
                switch (kind)
                {
                    case 0: bytes[at] = value; break;
                    case 1: bytes.RemoveRange(at, Math.Min(value, bytes.Count - at)); break;
                    case 2: bytes.InsertRange(at, bytes[at..Math.Min(at + value, bytes.Count)]); break;
                    case 3: bytes[at] = (byte)"0123456789-\"{}[],:\\ \n"[value % 21]; break;
                    default: bytes.RemoveRange(at, bytes.Count - at); break;
                }
            }
            File.WriteAllBytes(golden[names[file]], [.. bytes]);
            try
            {
                Tokenizer tokenizer = golden.Load();
                foreach (string text in texts)
                    Assert.All(tokenizer.Encode(text).Ids, id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
            }
            catch (CheckpointException error)
            {
                Assert.StartsWith(golden.Folder, error.Message);
            }
            finally
            {
                File.WriteAllBytes(golden[names[file]], files[names[file]]);
            }
        }, iter: 300, threads: 1);
    }

    private void Refuses(string file, string expected)
    {
        string message = Assert.Throws<CheckpointException>(() => Tokenizer.Load(folder.Path)).Message;
        Assert.StartsWith(folder[file] + ": ", message);
        Assert.Contains(expected, message);
    }
}
