using System.Diagnostics;
using LlmFusion.Transformers.Tokenizers;
using Xunit;

namespace LlmFusion.Transformers.Tests.Tokenizers;

public sealed class TokenizerTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void What_is_cut_off_is_counted_and_special_tokens_stay()
    {
        using TokenizerCase golden = new("roberta-own");
        Tokenizer tokenizer = golden.Load();
        int[] whole = tokenizer.Encode("CC(=O)Oc1ccccc1C(=O)O").Ids;
        TokenizedText cut = tokenizer.Encode("CC(=O)Oc1ccccc1C(=O)O", 6);
        Assert.Equal([.. whole[..5], 2], cut.Ids);
        Assert.Equal(whole.Length - 6, cut.Dropped);
        Assert.Equal([0, 2], tokenizer.Encode("CCO", 2).Ids);
        Assert.Equal(0, tokenizer.Encode("CCO", whole.Length).Dropped);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Encode("CCO", 1));
        Assert.Equal(whole[1..^1], tokenizer.EncodeWithoutSpecial("CC(=O)Oc1ccccc1C(=O)O"));
    }

    [Fact]
    public void The_beginning_is_cut_off_where_the_settings_say_so()
    {
        using TokenizerCase golden = new("wordlevel-selfies");
        File.WriteAllText(golden["tokenizer_config.json"], """{"truncation_side": "left"}""");
        Tokenizer tokenizer = golden.Load();
        int[] whole = tokenizer.Encode("[C] [=O] [F] [O]").Ids;
        Assert.Equal([whole[0], .. whole[^3..]], tokenizer.Encode("[C] [=O] [F] [O]", 4).Ids);
    }

    [Fact]
    public void Truncation_and_padding_of_a_tokenizer_json_do_nothing()
    {
        using TokenizerCase golden = new("wordlevel-selfies");
        Tokenizer tokenizer = golden.Load();
        Assert.Equal(3, tokenizer.Encode("[C]").Ids.Length);
        Assert.Equal(8, tokenizer.Encode("[C] [C] [C] [C] [C] [C]").Ids.Length);
        Assert.Equal(128, tokenizer.MaximumLength);
    }

    [Fact]
    public void Roles_sizes_and_limits_are_known()
    {
        using TokenizerCase roberta = new("roberta-own"), gpt2 = new("gpt2"), prefix = new("roberta-prefix"), bert = new("bert-vocab-txt"), smollm = new("bpe-smollm");
        Tokenizer first = roberta.Load(), second = gpt2.Load(), third = prefix.Load();
        Assert.Equal((469, 2, 0, 2, 0, 2, 1, 3, 4), (first.VocabularySize, first.SpecialTokens, first.ClassToken, first.SeparatorToken, first.BeginToken, first.EndToken, first.PadToken, first.UnknownToken, first.MaskToken));
        Assert.Equal((50257, 0, 50256, 50256), (second.VocabularySize, second.SpecialTokens, second.BeginToken, second.EndToken));
        Assert.Null(second.PadToken);
        Assert.Null(second.ClassToken);
        Assert.Null(second.MaximumLength);
        Assert.Equal(512, third.MaximumLength);
        Assert.Equal(third.VocabularySize - 1, third.IdOf("<new>"));
        Assert.Equal("<new>", third.TokenOf(third.VocabularySize - 1));
        Assert.Null(third.TokenOf(third.VocabularySize));
        Assert.Null(third.IdOf("no such token"));
        Assert.Equal(("WordPiece", 512, 0), (bert.Load().Kind, bert.Load().MaximumLength, bert.Load().PadToken));
        Assert.Equal((1, 8192), (smollm.Load().PadToken, smollm.Load().MaximumLength));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_the_replacement_character()
    {
        using TokenizerCase golden = new("bpe-roberta");
        Tokenizer tokenizer = golden.Load();
        Assert.Equal(tokenizer.Encode("a\ufffdb\ufffd").Ids, tokenizer.Encode("a\ud800b\udc00").Ids);
        Assert.Equal(" a\ufffd", tokenizer.Decode(tokenizer.Encode("a\udfff").Ids, skipSpecial: true));
    }

    [Fact]
    public void A_very_long_word_takes_no_quadratic_time()
    {
        using TokenizerCase golden = new("bpe-roberta");
        Tokenizer tokenizer = golden.Load();
        string word = string.Concat(Enumerable.Range(0, 400_000).Select(i => (char)('a' + (i * i % 23 % 7))));
        Stopwatch watch = Stopwatch.StartNew();
        Assert.True(tokenizer.Encode(word).Ids.Length > 1000);
        // Quadratic work would take minutes.
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(15), $"{watch.Elapsed}");
    }

    [Fact]
    public void Several_threads_get_what_one_gets()
    {
        using TokenizerCase golden = new("bpe-llama3");
        Tokenizer tokenizer = golden.Load();
        string[] texts = [.. golden.Lines.Select(line => line.GetProperty("text").GetString()!)];
        int[][] expected = [.. texts.Select(text => tokenizer.Encode(text).Ids)];
        Tokenizer fresh = golden.Load();
        int[][] actual = new int[4 * texts.Length][];
        Parallel.For(0, actual.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i => actual[i] = fresh.Encode(texts[i % texts.Length]).Ids);
        for (int i = 0; i < actual.Length; i++)
            Assert.Equal(expected[i % texts.Length], actual[i]);
    }

    [Fact]
    public void Only_byte_level_tokenizers_restore_texts()
    {
        using TokenizerCase words = new("wordpiece"), pairs = new("bpe-smollm");
        Assert.Contains("WordPiece", Assert.Throws<NotSupportedException>(() => words.Load().Decode([1])).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => pairs.Load().Decode([100_000]));
    }

    [Theory]
    [InlineData("tokenizer_config.json", """{"tokenizer_class": "RobertaTokenizerFast"}""", true)]
    [InlineData("tokenizer_config.json", """{"tokenizer_class": "GPT2Tokenizer"}""", false)]
    [InlineData("config.json", """{"tokenizer_class": "BartTokenizer", "model_type": "gpt2"}""", true)]
    [InlineData("config.json", """{"model_type": "bart"}""", true)]
    [InlineData("config.json", """{"model_type": "gpt2"}""", false)]
    [InlineData("special_tokens_map.json", """{"cls_token": "<s>", "sep_token": {"content": "</s>", "lstrip": false}}""", true)]
    [InlineData("special_tokens_map.json", """{"eos_token": "<|endoftext|>"}""", false)]
    public void The_files_beside_the_vocabulary_say_whether_special_tokens_go_around(string file, string content, bool around)
    {
        using TokenizerCase golden = new("roberta-own");
        File.Delete(golden["config.json"]);
        File.WriteAllText(golden[file], content);
        Assert.Equal(around ? [0, golden.Load().IdOf("C")!.Value, 2] : [golden.Load().IdOf("C")!.Value], golden.Load().Encode("C").Ids);
    }

    [Fact]
    public void Tokens_of_added_tokens_json_are_found_in_texts()
    {
        using TokenizerCase golden = new("roberta-own");
        File.WriteAllText(golden["added_tokens.json"], """{"[New]": 470, "[Other]": 469}""");
        Tokenizer tokenizer = golden.Load();
        Assert.Equal([0, 470, 469, 2], tokenizer.Encode("[New][Other]").Ids);
        Assert.Equal(471, tokenizer.VocabularySize);
        File.WriteAllText(golden["tokenizer_config.json"], """{"extra_special_tokens": {"image_token": "[Image]"}, "additional_special_tokens": [{"content": "[List]", "rstrip": true}]}""");
        Assert.Equal([0, 472, 471, 2], golden.Load().Encode("[Image][List]  ").Ids);
        File.WriteAllText(golden["added_tokens.json"], """{"[New]": 480}""");
        Assert.Contains("'[New]' is said to have the id 480, but by the vocabulary it has 469", Assert.Throws<CheckpointException>(golden.Load).Message);
    }

    [Fact]
    public void A_file_of_several_settings_wins_by_its_kind()
    {
        using TokenizerCase golden = new("bert-vocab-txt-cased");
        Tokenizer cased = golden.Load();
        File.WriteAllText(golden["tokenizer_config.json"], """{"do_lower_case": true}""");
        Tokenizer lower = golden.Load();
        Assert.NotEqual(cased.Encode("The").Ids, lower.Encode("The").Ids);
        Assert.Equal(lower.Encode("the").Ids, lower.Encode("The").Ids);
    }

    [Fact]
    public void A_folder_without_a_tokenizer_says_what_was_expected()
    {
        Assert.Contains("not found", Assert.Throws<CheckpointException>(() => Tokenizer.Load(folder["none"])).Message);
        Assert.Contains("expected tokenizer.json, or vocab.json and merges.txt, or vocab.txt", Refused());
        File.WriteAllText(folder["tokenizer.model"], "x");
        Assert.Contains("tokenizer.model (SentencePiece) is not implemented", Refused());
        File.WriteAllText(folder["vocab.json"], "{}");
        Assert.Contains("vocab.json without merges.txt", Refused());
        File.WriteAllText(folder["merges.txt"], "");
        Assert.Contains("do not say which tokenizer it is", Refused());
        File.WriteAllText(folder["config.json"], """{"model_type": "clip"}""");
        Assert.Contains("the tokenizer of clip is not implemented", Refused());
        File.WriteAllText(folder["config.json"], """{"model_type": "roberta"}""");
        Assert.Contains("it has no cls_token", Refused());
    }

    private string Refused() => Assert.Throws<CheckpointException>(() => Tokenizer.Load(folder.Path)).Message;
}
