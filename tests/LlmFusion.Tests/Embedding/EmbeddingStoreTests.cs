using LlmFusion.Embedding;
using LlmFusion.Tests.DataSets;
using Microsoft.Data.Sqlite;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Embedding;

public sealed class EmbeddingStoreTests : IDisposable
{
    private static readonly string[] Molecules = ["CCO", "CCN", "c1ccccc1", "CC#N", "OCCO", "CCCCCC"];

    private readonly TemporaryFolder _folder = new();
    private readonly string _model, _file;

    public EmbeddingStoreTests()
    {
        _model = TinyCheckpoint.Write(_folder["model"], "roberta");
        _file = _folder["deep/store.sqlite"];
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_one_instance_computed_another_finds()
    {
        Embedded?[] computed = Embed(_model, Molecules, out EmbeddingEngine first), found = Embed(_model, [.. Molecules.Reverse(), "CCO", "CCCC"], out EmbeddingEngine second);
        Assert.Equal((6L, 0L), (first.Computed, first.Found));
        Assert.Equal((1L, 6L), (second.Computed, second.Found));
        foreach ((Embedded? a, Embedded? b) in computed.Reverse().Zip(found)) Assert.Equal(a!.Vector, b!.Vector);
    }

    [Fact]
    public void The_network_is_not_loaded_where_the_store_has_all_and_truncation_is_remembered()
    {
        string longer = string.Concat(Enumerable.Repeat("NO", TinyCheckpoint.Positions));
        int dropped = Embed(_model, [longer], out _)[0]!.Dropped;
        Assert.Equal(longer.Length + 2 - TinyCheckpoint.Positions, dropped);
        using FrozenEncoder encoder = TinyCheckpoint.Open(_model);
        File.Delete(Path.Combine(_model, "model.safetensors"));
        using EmbeddingStore store = EmbeddingStore.Open(_file);
        Assert.Equal(dropped, new EmbeddingEngine(encoder, store, CPU).Embed([longer], cancellation: TestContext.Current.CancellationToken)[0]!.Dropped);
    }

    [Fact]
    public void The_identity_changes_with_whatever_changes_a_value_and_with_nothing_else()
    {
        string same = TinyCheckpoint.Copy(_model, _folder["elsewhere"]), identity = IdentityOf(_model);
        Assert.Equal(identity, IdentityOf(same));
        Assert.Equal(identity, IdentityOf(_model, ",pooling=class"));
        File.WriteAllText(Path.Combine(same, "README.md"), "more words");
        Assert.Equal(identity, IdentityOf(same));

        List<string> others =
        [
            IdentityOf(_model, ",pooling=mean"),
            IdentityOf(_model, ",max-tokens=12"),
            IdentityOf(TinyCheckpoint.Write(_folder["other"], "roberta", seed: 2)),
            Changed("config.json", text => text.Replace("\"gelu\"", "\"relu\"")),
            Changed("vocab.json", text => text.Replace("\"~\"", "\"CO\"")),
            Changed("merges.txt", text => text.Replace("C C\n", "")),
            Changed("tokenizer_config.json", text => text.Replace("}", ", \"add_prefix_space\": true}")),
        ];
        // The same bytes mean something else under another name.
        File.WriteAllText(Path.Combine(same, "added_tokens.json"), "{}");
        others.Add(IdentityOf(same));
        File.Move(Path.Combine(same, "added_tokens.json"), Path.Combine(same, "special_tokens_map.json"));
        others.Add(IdentityOf(same));
        Assert.Equal(others.Count + 1, others.Append(identity).Distinct().Count());

        string Changed(string file, Func<string, string> change)
        {
            string folder = TinyCheckpoint.Copy(_model, _folder["changed"]), path = Path.Combine(folder, file), text = File.ReadAllText(path);
            Assert.NotEqual(text, change(text));
            File.WriteAllText(path, change(text));
            return IdentityOf(folder);
        }
    }

    [Fact]
    public void Encoders_do_not_share_embeddings()
    {
        Embedded?[] first = Embed(_model, Molecules, out _), second = Embed(TinyCheckpoint.Write(_folder["other"], "roberta", seed: 2), Molecules, out EmbeddingEngine engine);
        Assert.Equal((6L, 0L), (engine.Computed, engine.Found));
        Assert.NotEqual(first[0]!.Vector, second[0]!.Vector);
        Assert.Equal(first[0]!.Vector, Embed(_model, Molecules, out _)[0]!.Vector);
    }

    [Fact]
    public async Task Several_instances_make_write_and_read_one_file_at_once()
    {
        using FrozenEncoder encoder = TinyCheckpoint.Open(_model);
        const int writers = 4, rounds = 10, each = 20;
        using Barrier together = new(writers + 1);
        Task[] all = [.. Enumerable.Range(0, writers + 1).Select(w => Task.Factory.StartNew(() =>
        {
            together.SignalAndWait();
            using EmbeddingStore store = EmbeddingStore.Open(_file);
            long filed = store.Register(encoder);
            for (int round = 0; round < rounds; round++)
            {
                byte[][] keys = [.. Enumerable.Range(0, each).Select(i => Key(w == writers ? 0 : w, round, i))];
                if (w < writers) store.Add(filed, [.. keys.Select(k => (k, new Embedded([.. Enumerable.Repeat((float)k[0], encoder.Width)], k[1])))]);
                // All of a round are there or none; what is there is whole.
                Embedded[] found = [.. store.Find(filed, encoder.Width, keys).OfType<Embedded>()];
                Assert.True(w == writers ? found.Length is 0 or each : found.Length == each, $"{found.Length} found");
                Assert.All(found, e => Assert.All(e.Vector, v => Assert.Equal(w == writers ? 0 : w, v)));
            }
        }, TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        await Task.WhenAll(all).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        using EmbeddingStore after = EmbeddingStore.Open(_file);
        Assert.Equal(writers * rounds * each, after.Report().Single().Vectors);

        static byte[] Key(int writer, int round, int i) => [(byte)writer, (byte)round, (byte)i, .. new byte[29]];
    }

    [Fact]
    public void A_cancelled_embedding_keeps_what_it_computed_and_a_rerun_computes_the_rest()
    {
        string[] texts = [.. Enumerable.Range(3, 20).Select(n => new string('N', n))];
        using CancellationTokenSource stop = new();
        EmbeddingEngine? cut = null;
        Assert.Throws<OperationCanceledException>(() => Embed(_model, texts, out cut, done =>
        {
            if (done >= 8) stop.Cancel();
        }, stop.Token));
        Embedded?[] embedded = Embed(_model, texts, out EmbeddingEngine rerun);
        Assert.Equal((12L, 8L), (rerun.Computed, rerun.Found));
        Assert.All(embedded, Assert.NotNull);
        Embed(_model, texts, out EmbeddingEngine third);
        Assert.Equal((0L, 20L), (third.Computed, third.Found));
    }

    [Fact]
    public void A_vector_of_another_length_is_computed_again_and_put_right()
    {
        Embedded?[] computed = Embed(_model, Molecules, out _);
        Sql(_file, "UPDATE vectors SET vector = x'00112233' WHERE rowid = 2");
        Embedded?[] again = Embed(_model, Molecules, out EmbeddingEngine engine);
        Assert.Equal((1L, 5L), (engine.Computed, engine.Found));
        foreach ((Embedded? a, Embedded? b) in computed.Zip(again))
            for (int i = 0; i < a!.Vector.Length; i++) Assert.Equal(a.Vector[i], b!.Vector[i], 1e-5f);
        Embed(_model, Molecules, out engine);
        Assert.Equal(0, engine.Computed);
    }

    [Fact]
    public void A_damaged_file_is_refused_with_the_way_out()
    {
        Embed(_model, Molecules, out _);
        byte[] bytes = File.ReadAllBytes(_file);
        for (int i = 0; i < bytes.Length; i++) bytes[i] ^= 0x5a;
        File.WriteAllBytes(_file, bytes);
        AssertRefused(_file, "delete it");
        File.WriteAllText(_folder["letter.txt"], "Dear Sir or Madam, this is a letter and no store of embeddings whatsoever.");
        AssertRefused(_folder["letter.txt"], "delete it");
        Assert.StartsWith("Dear", File.ReadAllText(_folder["letter.txt"]));
    }

    [Theory]
    [InlineData("CREATE TABLE addresses (name TEXT)")]
    [InlineData("CREATE TABLE addresses (name TEXT); PRAGMA user_version = 1")]
    public void The_database_of_another_program_is_left_alone(string made)
    {
        Sql(_folder["addresses.sqlite"], made);
        byte[] bytes = File.ReadAllBytes(_folder["addresses.sqlite"]);
        AssertRefused(_folder["addresses.sqlite"], "another program");
        Assert.Equal(bytes, File.ReadAllBytes(_folder["addresses.sqlite"]));
    }

    [Fact]
    public void A_store_of_a_newer_program_is_refused()
    {
        Embed(_model, Molecules, out _);
        Sql(_file, "PRAGMA user_version = 9");
        AssertRefused(_file, "update LlmFusion");
    }

    [Fact]
    public void The_report_says_what_each_encoder_has_and_clearing_gives_the_room_back()
    {
        string other = TinyCheckpoint.Write(_folder["other"], "gpt2", width: 32);
        Embed(_model, Molecules, out _);
        using (FrozenEncoder encoder = TinyCheckpoint.Open(_model, ",pooling=mean"))
        using (EmbeddingStore store = EmbeddingStore.Open(_file))
            new EmbeddingEngine(encoder, store, CPU).Embed(Molecules, cancellation: TestContext.Current.CancellationToken);
        Embed(other, [.. Enumerable.Range(1, 2000).Select(i => $"{i}")], out _);

        using EmbeddingStore open = EmbeddingStore.Open(_file);
        Assert.Equal([(IdentityOf(other), 32, 2000L, 2000L * 32 * 4), (IdentityOf(_model), 16, 6L, 6L * 16 * 4), (IdentityOf(_model, ",pooling=mean"), 16, 6L, 6L * 16 * 4)],
            open.Report().OrderByDescending(e => e.Bytes).ThenByDescending(e => e.Identity == IdentityOf(_model)).Select(e => (e.Identity, e.Width, e.Vectors, e.Bytes)));
        long before = SizeOf(_file);
        Assert.Equal(0, open.Clear("nobody"));
        Assert.Equal(0, open.Clear("%%%%%%%%%%"));
        Assert.Equal(0, open.Clear(IdentityOf(other)[..7]));
        Assert.Equal(2000, open.Clear(IdentityOf(other)[..8]));
        Assert.Equal(2, open.Report().Count);
        Assert.True(SizeOf(_file) < before - 2000 * 32 * 4, $"{before} bytes before, {SizeOf(_file)} after");
        Assert.Equal(12, open.Clear("tiny"));
        Assert.Empty(open.Report());
        Embed(_model, Molecules, out EmbeddingEngine engine);
        Assert.Equal(6, engine.Computed);
        Assert.Equal(6, open.Clear());
    }

    [Fact]
    public void Clearing_under_a_run_never_files_its_embeddings_under_another_encoder()
    {
        string other = TinyCheckpoint.Write(_folder["other"], "roberta", seed: 2);
        using FrozenEncoder running = TinyCheckpoint.Open(_model), next = TinyCheckpoint.Open(other);
        using EmbeddingStore mine = EmbeddingStore.Open(_file), theirs = EmbeddingStore.Open(_file);
        long filed = mine.Register(running);
        theirs.Clear();
        long later = theirs.Register(next);
        byte[] key = new byte[32];
        mine.Add(filed, [(key, new Embedded(new float[16], 0))]);
        Assert.Null(theirs.Find(later, 16, [key])[0]);
        Assert.NotNull(mine.Find(mine.Register(running), 16, [key])[0]);
    }

    private static string IdentityOf(string folder, string options = "")
    {
        using FrozenEncoder encoder = TinyCheckpoint.Open(folder, options);
        return encoder.Identity!;
    }

    private static void AssertRefused(string file, string said)
    {
        EmbeddingStoreException refused = Assert.Throws<EmbeddingStoreException>(() => EmbeddingStore.Open(file).Dispose());
        Assert.StartsWith(file, refused.Message);
        Assert.Contains(said, refused.Message);
        Assert.Contains("--no-store", refused.Message);
    }

    private static long SizeOf(string file) => new[] { file, file + "-wal" }.Where(File.Exists).Sum(f => new FileInfo(f).Length);

    private static void Sql(string file, string statements)
    {
        using SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ToString());
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = statements;
        command.ExecuteNonQuery();
    }

    private Embedded?[] Embed(string model, string[] texts, out EmbeddingEngine engine, Action<int>? progress = null, CancellationToken? cancellation = null)
    {
        using FrozenEncoder encoder = TinyCheckpoint.Open(model);
        using EmbeddingStore store = EmbeddingStore.Open(_file);
        engine = new(encoder, store, CPU);
        return engine.Embed(texts, progress, cancellation ?? TestContext.Current.CancellationToken);
    }
}
