using LlmFusion.Embedding;
using LlmFusion.Tests.DataSets;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Tests;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Embedding;

public sealed class EmbeddingEngineTests : IDisposable
{
    private static readonly string?[] Texts = ["CCO", "c1ccccc1O", null, "CCCCCCN", "CCO", "C#N", "N#C"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("roberta", "")]
    [InlineData("roberta", ",pooling=mean")]
    [InlineData("gpt2", "")]
    [InlineData("gpt2", ",pooling=class")]
    [InlineData("llama", "")]
    [InlineData("granite", "")]
    public void Embeddings_equal_those_of_the_network_run_on_one_sequence_at_a_time(string modelType, string options)
    {
        string folder = TinyCheckpoint.Write(_folder["model"], modelType);
        using FrozenEncoder encoder = TinyCheckpoint.Open(folder, options);
        Assert.Equal(modelType == "roberta" ^ options.Length > 0 ? PoolingKind.ClassToken : PoolingKind.Mean, encoder.Pooling);
        Embedded?[] embedded = new EmbeddingEngine(encoder, null, CPU).Embed(Texts, cancellation: TestContext.Current.CancellationToken);
        AssertEqual(OneByOne(folder, encoder, Texts), embedded);
        Assert.Same(embedded[0], embedded[4]);
        Assert.NotEqual(embedded[5]!.Vector, embedded[6]!.Vector);
    }

    [Fact]
    public void A_bart_of_selfies_is_embedded_by_the_mean_of_its_encoder()
    {
        string?[] texts = ["[C] [C] [O]", "[C] [Ring1] [Unheard]", null, "[C]"];
        string folder = TinyCheckpoint.Write(_folder["model"], "bart");
        using FrozenEncoder encoder = TinyCheckpoint.Open(folder);
        Assert.Equal(PoolingKind.Mean, encoder.Pooling);
        AssertEqual(OneByOne(folder, encoder, texts), new EmbeddingEngine(encoder, null, CPU).Embed(texts, cancellation: TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_text_without_a_token_has_no_embedding()
    {
        using FrozenEncoder encoder = TinyCheckpoint.Open(TinyCheckpoint.Write(_folder["model"], "gpt2"));
        EmbeddingEngine engine = new(encoder, null, CPU);
        Embedded?[] embedded = engine.Embed(["", null, "C", ""], cancellation: TestContext.Current.CancellationToken);
        Assert.Equal([false, false, true, false], embedded.Select(e => e is not null));
        Assert.Equal(1, engine.Computed);
        Assert.Empty(engine.Embed([], cancellation: TestContext.Current.CancellationToken));
        Assert.Equal([null, null], engine.Embed([null, ""], cancellation: TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Duplicates_and_texts_with_the_same_tokens_are_computed_once()
    {
        using FrozenEncoder encoder = TinyCheckpoint.Open(TinyCheckpoint.Write(_folder["model"], "gpt2"), ",max-tokens=4");
        EmbeddingEngine engine = new(encoder, null, CPU);
        List<int> done = [];
        // Two carbons are one token: the first three begin with the same four tokens.
        Embedded?[] embedded = engine.Embed(["CCOCC", "CCOCCN", "CCOCCNN", "CCOCC", "CCO"], done.Add, TestContext.Current.CancellationToken);
        Assert.Equal(3, encoder.Tokenize("CCOCC").Ids.Length);
        Assert.Equal(3, engine.Computed);
        Assert.Equal([0, 0, 1, 0, 0], embedded.Select(e => e!.Dropped));
        Assert.Equal(embedded[1]!.Vector, embedded[2]!.Vector);
        Assert.Same(embedded[0], embedded[3]);
        Assert.Equal(4, done[^1]);
        Assert.Equal(done.Order(), done);
    }

    [Fact]
    public void The_memory_stays_flat_over_thousands_of_texts()
    {
        using FrozenEncoder encoder = TinyCheckpoint.Open(TinyCheckpoint.Write(_folder["model"], "roberta"));
        using EmbeddingStore store = EmbeddingStore.Open(_folder["store.sqlite"]);
        EmbeddingEngine engine = new(encoder, store, CPU);
        Random random = new(1);
        engine.Embed(Some(20), cancellation: TestContext.Current.CancellationToken);
        long before = LiveTensors.Count(), most = 0;
        for (int round = 0; round < 5; round++)
        {
            engine.Embed(Some(1000), _ => most = Math.Max(most, Tensor.TotalCount), TestContext.Current.CancellationToken);
            Assert.Equal(before, Tensor.TotalCount);
        }

        Assert.True(engine.Computed > 4500, $"{engine.Computed} computed");
        Assert.True(most <= before + 8, $"{most} tensors while embedding, {before} before");

        string[] Some(int count) => [.. Enumerable.Range(0, count).Select(_ => string.Concat(Enumerable.Range(0, random.Next(4, 30)).Select(_ => "CNOPS"[random.Next(5)])))];
    }

    [Fact]
    public void A_maximum_beyond_the_positions_is_refused_and_a_vocabulary_beyond_the_table_too()
    {
        string folder = TinyCheckpoint.Write(_folder["model"], "roberta");
        Assert.Contains($"at most the {TinyCheckpoint.Positions}", Assert.Throws<ArgumentException>(() => TinyCheckpoint.Open(folder, ",max-tokens=99")).Message);
        string vocabulary = File.ReadAllText(_folder["model/vocab.json"]);
        File.WriteAllText(_folder["model/vocab.json"], vocabulary[..^1] + ",\"more\":150}");
        Assert.Contains("vocab_size", Assert.Throws<CheckpointException>(() => TinyCheckpoint.Open(folder)).Message);
    }

    [Fact]
    public void What_the_tokenizer_says_is_not_hidden_by_the_threads_that_it_ran_on()
    {
        string folder = TinyCheckpoint.Write(_folder["model"], "bart"), file = _folder["model/tokenizer.json"];
        string four = string.Concat(Enumerable.Repeat("""{"SpecialToken": {"id": "<s>", "type_id": 0}}, """, 4));
        string around = """{"type": "TemplateProcessing", "single": [FOUR{"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}""";
        File.WriteAllText(file, "{\"post_processor\": " + around.Replace("FOUR", four) + ", " + File.ReadAllText(file)[1..]);
        using FrozenEncoder encoder = TinyCheckpoint.Open(folder, ",max-tokens=3");
        Assert.Contains("4 special tokens", Assert.Throws<ArgumentOutOfRangeException>(
            () => new EmbeddingEngine(encoder, null, CPU).Embed(["[C]", "[O]", "[N]"], cancellation: TestContext.Current.CancellationToken)).Message);
    }

    private static float[]?[] OneByOne(string folder, FrozenEncoder encoder, string?[] texts)
    {
        using Transformer network = Architectures.Load(folder);
        network.eval();
        using IDisposable inference = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        return [.. texts.Select(text =>
        {
            if (text is null) return null;
            Tensor hidden = network.Encode(tensor(encoder.Tokenize(text).Ids.Select(i => (long)i).ToArray()).unsqueeze(0))[0]; // (L, d)
            return (encoder.Pooling == PoolingKind.ClassToken ? hidden[0] : hidden.mean([0])).contiguous().data<float>().ToArray();
        })];
    }

    private static void AssertEqual(float[]?[] expected, Embedded?[] embedded)
    {
        Assert.Equal(expected.Select(v => v is null), embedded.Select(e => e is null));
        foreach ((float[]? vector, Embedded? got) in expected.Zip(embedded))
            for (int i = 0; i < vector?.Length; i++) Assert.Equal(vector[i], got!.Vector[i], 1e-5f);
    }
}
