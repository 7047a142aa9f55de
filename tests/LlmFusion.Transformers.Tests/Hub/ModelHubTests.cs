using System.Diagnostics;
using System.Text;
using LlmFusion.Transformers.Hub;
using Xunit;

namespace LlmFusion.Transformers.Tests.Hub;

/// <summary>The hub's client and cache, end to end against a server that behaves as the hub does.</summary>
public sealed class ModelHubTests : IDisposable
{
    private const string Id = "lab/tiny";

    private readonly LoopbackHub server = new();
    private readonly TemporaryFolder folder = new();
    private readonly List<HubProgress> events = [];

    public void Dispose()
    {
        server.Dispose();
        folder.Dispose();
    }

    private static byte[] Bytes(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static Dictionary<string, byte[]> Files(params (string Name, byte[] Bytes)[] more)
    {
        Dictionary<string, byte[]> files = new()
        {
            ["README.md"] = "a card"u8.ToArray(),
            ["config.json"] = """{"model_type":"gpt2"}"""u8.ToArray(),
            ["vocab.json"] = "{}"u8.ToArray(),
            ["merges.txt"] = "#version: 0.2\n"u8.ToArray(),
            ["tf_model.h5"] = Bytes(10),
            ["pytorch_model.bin"] = Bytes(5000, seed: 2),
            ["model.safetensors"] = Bytes(300_000),
        };
        foreach ((string name, byte[] bytes) in more)
            files[name] = bytes;
        return files;
    }

    private HubOptions Options => server.Options(folder["hub"]);

    private ModelFolder Get(string name = Id, string? revision = null, HubOptions? options = null) => new ModelHub(options ?? Options).Get(name, revision, happened =>
    {
        lock (events) events.Add(happened);
    });

    private string Refused(string name = Id, string? revision = null, HubOptions? options = null) => Assert.Throws<HubException>(() => Get(name, revision, options)).Message;

    private string[] Left() => [.. Directory.EnumerateFiles(folder["hub"], "*", SearchOption.AllDirectories)
        .Where(file => file.EndsWith(".incomplete", StringComparison.Ordinal) || file.EndsWith(".tmp", StringComparison.Ordinal))];

    /// <summary>Interferes with bytes of the large file, a number of times.</summary>
    private void Storage(int times, Func<LoopbackRequest, LoopbackAnswer> answer)
    {
        int left = times;
        server.Interfere = request => request.Storage && Interlocked.Decrement(ref left) >= 0 ? answer(request) : null;
    }

    // --- What a pull leaves -------------------------------------------------------------------------------------

    [Fact]
    public void A_pull_leaves_what_Hugging_Faces_library_would()
    {
        Dictionary<string, byte[]> files = Files();
        string commit = server.Publish(Id, files);
        ModelFolder model = Get();

        string repository = Path.Combine(folder["hub"], "models--lab--tiny");
        Assert.Equal(new ModelFolder(Path.Combine(repository, "snapshots", commit), Id, commit), model);
        Assert.Equal(["config.json", "merges.txt", "model.safetensors", "vocab.json"], Directory.GetFiles(model.Path).Select(f => Path.GetFileName(f)).Order());
        foreach (string file in Directory.GetFiles(model.Path).Select(f => Path.GetFileName(f)))
        {
            Assert.Equal(files[file], File.ReadAllBytes(Path.Combine(model.Path, file)));
            Assert.Equal($"../../blobs/{LoopbackHub.ETagOf(file, files[file])}", new FileInfo(Path.Combine(model.Path, file)).LinkTarget);
            Assert.True(File.Exists(Path.Combine(folder["hub"], ".locks", "models--lab--tiny", LoopbackHub.ETagOf(file, files[file]) + ".lock")));
        }
        Assert.Equal(commit, File.ReadAllText(Path.Combine(repository, "refs", "main")));
        Assert.Empty(Left());
    }

    [Fact]
    public void What_is_here_costs_one_request_and_a_commit_none()
    {
        string commit = server.Publish(Id, Files());
        Get();
        int before = server.Requests.Count;
        Get();
        Assert.Equal([$"/api/models/{Id}/revision/main"], server.Requests.Skip(before).Select(request => request.Path));
        Get(revision: commit);
        Assert.Equal(before + 1, server.Requests.Count);
    }

    [Fact]
    public void A_new_commit_is_fetched_and_shares_the_blobs_that_stayed()
    {
        string first = server.Publish(Id, Files());
        ModelFolder old = Get();
        string second = server.Publish(Id, Files(("vocab.json", "{\"a\":0}"u8.ToArray())));
        int before = server.Requests.Count(request => request.Storage);
        ModelFolder now = Get();
        Assert.Equal((first, second), (old.Commit, now.Commit));
        Assert.Equal("{}", File.ReadAllText(Path.Combine(old.Path, "vocab.json")));
        Assert.Equal("{\"a\":0}", File.ReadAllText(Path.Combine(now.Path, "vocab.json")));
        Assert.Equal(before, server.Requests.Count(request => request.Storage));
        Assert.Equal(second, File.ReadAllText(Path.Combine(folder["hub"], "models--lab--tiny", "refs", "main")));
    }

    [Fact]
    public void A_branch_with_a_slash_has_its_own_ref()
    {
        string commit = server.Publish(Id, Files(), revision: "refs/pr/1");
        Assert.Equal(commit, Get(revision: "refs/pr/1").Commit);
        Assert.Equal(commit, File.ReadAllText(Path.Combine(folder["hub"], "models--lab--tiny", "refs", "refs", "pr", "1")));
        Assert.Contains(server.Requests, request => request.Path.EndsWith("/revision/refs%2Fpr%2F1", StringComparison.Ordinal));
    }

    [Fact]
    public void Shards_come_with_their_index_and_progress_counts_all_bytes()
    {
        byte[] index = """{"metadata":{},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors","c":"model-1.safetensors"}}"""u8.ToArray();
        Dictionary<string, byte[]> files = Files(("model.safetensors.index.json", index), ("model-1.safetensors", Bytes(1000, 3)), ("model-2.safetensors", Bytes(2000, 4)), ("model-3.safetensors", Bytes(10)));
        files.Remove("model.safetensors");
        server.Publish(Id, files);
        ModelFolder model = Get();
        Assert.Equal(
            ["config.json", "merges.txt", "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json", "vocab.json"],
            Directory.GetFiles(model.Path).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal));
        HubProgress last = events.Last(happened => happened.Stage == HubStage.Downloading);
        Assert.Equal(Directory.GetFiles(model.Path).Sum(file => File.ReadAllBytes(file).Length), last.Total);
        Assert.Equal(last.Total, last.Bytes);
        // A shard that is gone makes the snapshot incomplete; it is fetched again.
        File.Delete(Path.Combine(model.Path, "model-2.safetensors"));
        Assert.Null(new ModelHub(Options).Find(Id));
        Assert.Equal(files["model-2.safetensors"], File.ReadAllBytes(Path.Combine(Get().Path, "model-2.safetensors")));
    }

    [Fact]
    public void Without_safetensors_the_older_weights_are_taken()
    {
        Dictionary<string, byte[]> files = Files();
        files.Remove("model.safetensors");
        server.Publish(Id, files);
        Assert.True(File.Exists(Path.Combine(Get().Path, "pytorch_model.bin")));
        files.Remove("pytorch_model.bin");
        server.Publish("lab/keras", files);
        Assert.Contains("has none of model.safetensors", Refused("lab/keras"), StringComparison.Ordinal);
        files.Remove("config.json");
        server.Publish("lab/none", files);
        Assert.Contains("has no config.json", Refused("lab/none"), StringComparison.Ordinal);
    }

    // --- What Python has fetched --------------------------------------------------------------------------------

    /// <summary>The layout as huggingface_hub writes it, by hand.</summary>
    private string FetchedByPython(string id, Dictionary<string, byte[]> files, string commit, string revision = "main")
    {
        string repository = Path.Combine(folder["hub"], "models--" + id.Replace("/", "--", StringComparison.Ordinal));
        string snapshot = Directory.CreateDirectory(Path.Combine(repository, "snapshots", commit)).FullName;
        Directory.CreateDirectory(Path.Combine(repository, "blobs"));
        Directory.CreateDirectory(Path.Combine(repository, "refs"));
        Directory.CreateDirectory(Path.Combine(repository, ".no_exist", commit));
        File.WriteAllText(Path.Combine(repository, "refs", revision), commit);
        foreach ((string name, byte[] bytes) in files)
        {
            File.WriteAllBytes(Path.Combine(repository, "blobs", LoopbackHub.ETagOf(name, bytes)), bytes);
            File.CreateSymbolicLink(Path.Combine(snapshot, name), $"../../blobs/{LoopbackHub.ETagOf(name, bytes)}");
        }
        return snapshot;
    }

    [Fact]
    public void Files_fetched_by_Python_are_used()
    {
        Dictionary<string, byte[]> files = Files();
        string commit = server.Publish(Id, files);
        string snapshot = FetchedByPython(Id, files, commit);
        Assert.Equal(snapshot, Get().Path);
        Assert.Single(server.Requests);
        Assert.Equal(new ModelFolder(snapshot, Id, commit), Get(options: Options with { Offline = true }));
        Assert.Equal(snapshot, new ModelHub(Options).Find(Id)!.Path);
        Assert.Single(server.Requests);
    }

    [Fact]
    public void What_Python_did_not_fetch_is_added()
    {
        Dictionary<string, byte[]> files = Files();
        string commit = server.Publish(Id, files);
        string snapshot = FetchedByPython(Id, files.Where(file => file.Key is "config.json" or "model.safetensors").ToDictionary(), commit);
        Assert.Equal(snapshot, Get().Path);
        Assert.True(File.Exists(Path.Combine(snapshot, "vocab.json")));
        Assert.DoesNotContain(server.Requests, request => request.Storage || request.Path.EndsWith("config.json", StringComparison.Ordinal));
    }

    [Fact]
    public void A_renamed_repository_is_found_under_its_former_name()
    {
        ModelPreset gpt2 = ModelPresets.Find("gpt2")!;
        Dictionary<string, byte[]> files = Files();
        string commit = server.Publish(gpt2.Id, files);
        string snapshot = FetchedByPython("gpt2", files, commit);
        Assert.Equal(snapshot, Get("gpt2", options: Options with { Offline = true }).Path);
        Assert.Equal(snapshot, Get("GPT2").Path);
        Assert.Single(server.Requests);
        // Under the former id itself the hub redirects.
        server.Publish("org/new", files);
        server.Rename("old", "org/new");
        Assert.EndsWith(Path.Combine("models--old", "snapshots", Get("old").Commit!), Get("old").Path, StringComparison.Ordinal);
    }

    // --- Offline ------------------------------------------------------------------------------------------------

    [Fact]
    public void Offline_what_is_here_is_used_without_a_request()
    {
        string commit = server.Publish(Id, Files());
        Get();
        int before = server.Requests.Count;
        Assert.Equal(commit, Get(options: Options with { Offline = true }).Commit);
        Assert.Equal(commit, Get(revision: commit, options: Options with { Offline = true }).Commit);
        Assert.Equal(before, server.Requests.Count);
    }

    [Fact]
    public void Offline_with_nothing_here_names_the_model_and_the_ways_out()
    {
        string message = Refused("seyonec/ChemBERTa-zinc-base-v1", options: Options with { Offline = true });
        Assert.StartsWith($"seyonec/ChemBERTa-zinc-base-v1 is not in the cache {folder["hub"]}, and HF_HUB_OFFLINE is set", message, StringComparison.Ordinal);
        Assert.Contains("models pull seyonec/ChemBERTa-zinc-base-v1", message, StringComparison.Ordinal);
        Assert.Contains("models--seyonec--ChemBERTa-zinc-base-v1", message, StringComparison.Ordinal);
        Assert.Contains("HF_HUB_CACHE", message, StringComparison.Ordinal);
        Assert.Contains("or name a local folder", message, StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public void A_hub_that_cannot_be_reached_leaves_the_cache()
    {
        string commit = server.Publish(Id, Files());
        Get();
        HubOptions dead = Options;
        server.Dispose();
        events.Clear();
        Assert.Equal(commit, Get(options: dead).Commit);
        Assert.Contains("cannot be reached", events.Single(happened => happened.Stage == HubStage.UsingCache).Reason!, StringComparison.Ordinal);
        string message = Refused("lab/other", options: dead);
        Assert.Contains("lab/other is not in the cache", message, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1 cannot be reached", message, StringComparison.Ordinal);
        Assert.Contains("models pull lab/other", message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_incomplete_snapshot_is_not_used_offline()
    {
        server.Publish(Id, Files());
        ModelFolder model = Get();
        File.Delete(Path.Combine(model.Path, "model.safetensors"));
        Assert.Contains("lacks model.safetensors or pytorch_model.bin in the cache", Refused(options: Options with { Offline = true }), StringComparison.Ordinal);
    }

    // --- Refusals -----------------------------------------------------------------------------------------------

    [Fact]
    public void A_gated_model_asks_for_a_token_and_for_access()
    {
        string commit = server.Publish(Id, Files(), token: "hf_right");
        string without = Refused();
        Assert.Contains("401", without, StringComparison.Ordinal);
        Assert.Contains("set HF_TOKEN", without, StringComparison.Ordinal);
        Assert.Contains($"{server.Endpoint}/{Id}", without, StringComparison.Ordinal);
        string wrong = Refused(options: Options with { Token = "hf_wrong" });
        Assert.Contains("403", wrong, StringComparison.Ordinal);
        Assert.Contains($"Accept its terms on {server.Endpoint}/{Id}", wrong, StringComparison.Ordinal);
        Assert.DoesNotContain("hf_wrong", wrong, StringComparison.Ordinal);
        Assert.Equal(commit, Get(options: Options with { Token = "hf_right" }).Commit);
    }

    [Fact]
    public void What_is_in_the_cache_is_used_when_a_token_is_no_longer_good()
    {
        string commit = server.Publish(Id, Files(), token: "hf_right");
        Get(options: Options with { Token = "hf_right" });
        Assert.Equal(commit, Get(options: Options with { Token = "hf_old" }).Commit);
        Assert.Equal(commit, Get().Commit);
    }

    [Fact]
    public void The_token_goes_to_the_hub_alone()
    {
        server.Publish(Id, Files(), token: "hf_secret");
        Get(options: Options with { Token = "hf_secret" });
        Assert.Contains(server.Requests, request => request.Storage);
        Assert.All(server.Requests, request => Assert.Equal(request.Storage ? null : "hf_secret", request.Token));
        Assert.DoesNotContain("hf_secret", (Options with { Token = "hf_secret" }).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_exist_is_named()
    {
        server.Publish(Id, Files());
        Assert.Contains($"no model lab/tinny at {server.Endpoint}: check its spelling", Refused("lab/tinny"), StringComparison.Ordinal);
        Assert.Contains("no model lab/tinny", Refused("lab/tinny", options: Options with { Token = "hf_a" }), StringComparison.Ordinal);
        Assert.Contains($"{Id} has no revision v9", Refused(revision: "v9"), StringComparison.Ordinal);
        Assert.Contains("no revision 0123456789012345678901234567890123456789", Refused(revision: "0123456789012345678901234567890123456789"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../../../evil.txt")]
    [InlineData("/etc/evil")]
    [InlineData("a\\..\\evil")]
    [InlineData("C:evil")]
    [InlineData("a//b")]
    [InlineData("a/./b")]
    [InlineData("")]
    public void A_hostile_file_name_is_refused(string name)
    {
        server.Publish(Id, Files((name, Bytes(3))));
        Assert.Contains("would not lie in the model's folder", Refused(), StringComparison.Ordinal);
        Assert.Single(server.Requests);
    }

    [Theory]
    [InlineData("{\"weight_map\":{\"a\":\"../../../../evil.safetensors\"}}", "\"../../../../evil.safetensors\"")]
    [InlineData("{\"weight_map\":{\"a\":\"/evil.safetensors\"}}", "\"/evil.safetensors\"")]
    [InlineData("{\"weight_map\":{\"a\":7}}", "weight_map")]
    [InlineData("{\"weight_map\":{}}", "lists no shards")]
    [InlineData("[]", "weight_map")]
    [InlineData("{", "weight_map")]
    public void A_hostile_list_of_shards_is_refused(string index, string expected)
    {
        Dictionary<string, byte[]> files = Files(("model.safetensors.index.json", Encoding.UTF8.GetBytes(index)));
        files.Remove("model.safetensors");
        server.Publish(Id, files);
        Assert.Contains(expected, Refused(), StringComparison.Ordinal);
        Assert.Contains(expected, Refused(), StringComparison.Ordinal);
        Assert.Null(new ModelHub(Options).Find(Id));
        Assert.DoesNotContain(Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories), file => file.Contains("evil", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("\"../../evil\"")]
    [InlineData("\"\"")]
    public void A_hostile_ETag_is_refused(string etag)
    {
        server.Publish(Id, Files());
        server.Interfere = request => request.Method == "HEAD" ? new LoopbackAnswer(200, new Dictionary<string, string> { ["ETag"] = etag }) : null;
        Assert.Contains("expected letters and digits", Refused(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html>a login page</html>")]
    [InlineData("{\"sha\":\"../../evil\",\"siblings\":[]}")]
    [InlineData("{\"sha\":\"0123456789012345678901234567890123456789\"}")]
    public void An_answer_that_is_no_hubs_is_refused(string body)
    {
        server.Interfere = _ => new LoopbackAnswer(200, Body: Encoding.UTF8.GetBytes(body));
        Assert.Contains(Id, Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void Redirects_without_end_are_refused()
    {
        server.Interfere = request => new LoopbackAnswer(302, new Dictionary<string, string> { ["Location"] = request.Path });
        Assert.Contains("redirects", Refused(), StringComparison.Ordinal);
    }

    // --- Trouble that passes ------------------------------------------------------------------------------------

    [Theory]
    [InlineData(429, "0")]
    [InlineData(503, "1")]
    [InlineData(429, "Wed, 21 Oct 2015 07:28:00 GMT")]
    [InlineData(500, null)]
    public void A_busy_hub_is_asked_again_when_it_says(int status, string? retryAfter)
    {
        server.Publish(Id, Files());
        int left = 2;
        server.Interfere = request => request.Storage || Interlocked.Decrement(ref left) < 0
            ? null
            : new LoopbackAnswer(status, retryAfter is null ? null : new Dictionary<string, string> { ["Retry-After"] = retryAfter });
        Stopwatch clock = Stopwatch.StartNew();
        Get();
        Assert.True(clock.Elapsed >= TimeSpan.FromSeconds(retryAfter == "1" ? 1.9 : 0));
        Assert.Equal(2, events.Count(happened => happened.Stage == HubStage.Retrying && happened.Reason!.Contains($"answered {status}", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_hub_that_stays_busy_is_given_up()
    {
        server.Publish(Id, Files());
        server.Interfere = _ => new LoopbackAnswer(429);
        Assert.Contains("429 TooManyRequests, 5 times; try again later", Refused(), StringComparison.Ordinal);
        Assert.Equal(5, server.Requests.Count);
        server.Interfere = _ => new LoopbackAnswer(429, new Dictionary<string, string> { ["Retry-After"] = "3600" });
        Assert.Contains("asks to wait 3600 s", Refused(), StringComparison.Ordinal);
        server.Interfere = null;
        Get();
        server.Interfere = _ => new LoopbackAnswer(503);
        Assert.Equal(Id, Get().Id);
        Assert.Contains(events, happened => happened.Stage == HubStage.UsingCache);
    }

    [Fact]
    public void A_download_cut_off_goes_on_where_it_was()
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        byte[] weights = files["model.safetensors"];
        Storage(3, request => new LoopbackAnswer(request.From > 0 ? 206 : 200,
            new Dictionary<string, string> { ["Content-Range"] = $"bytes {request.From}-{weights.Length - 1}/{weights.Length}" }, weights[request.From..], CutAfter: 70_000));
        Assert.Equal(weights, File.ReadAllBytes(Path.Combine(Get().Path, "model.safetensors")));
        Assert.Equal([0, 70_000, 140_000, 210_000], server.Requests.Where(request => request.Storage).Select(request => request.From));
        Assert.Equal(3, events.Count(happened => happened.Stage == HubStage.Retrying));
        Assert.Empty(Left());
    }

    [Fact]
    public void A_download_always_cut_off_is_given_up_and_resumed_the_next_time()
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        byte[] weights = files["model.safetensors"];
        Storage(5, request => new LoopbackAnswer(request.From > 0 ? 206 : 200,
            new Dictionary<string, string> { ["Content-Range"] = $"bytes {request.From}-{weights.Length - 1}/{weights.Length}" }, weights[request.From..], CutAfter: 10_000));
        string message = Refused();
        Assert.Contains("model.safetensors", message, StringComparison.Ordinal);
        Assert.Contains("5 times; what has come is kept", message, StringComparison.Ordinal);
        Assert.Equal(50_000, new FileInfo(Assert.Single(Left())).Length);
        Assert.Null(new ModelHub(Options).Find(Id));
        Assert.Equal(weights, File.ReadAllBytes(Path.Combine(Get().Path, "model.safetensors")));
        Assert.Equal(50_000, server.Requests.Last(request => request.Storage).From);
    }

    /// <summary>A broken-off download as another run, or Python, left it.</summary>
    private string LeaveIncomplete(Dictionary<string, byte[]> files, byte[] part)
    {
        string blobs = Directory.CreateDirectory(Path.Combine(folder["hub"], "models--lab--tiny", "blobs")).FullName;
        string path = Path.Combine(blobs, LoopbackHub.ETagOf("model.safetensors", files["model.safetensors"]) + ".incomplete");
        File.WriteAllBytes(path, part);
        return path;
    }

    [Fact]
    public void A_download_broken_off_before_is_resumed()
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        LeaveIncomplete(files, files["model.safetensors"][..123_456]);
        Assert.Equal(files["model.safetensors"], File.ReadAllBytes(Path.Combine(Get().Path, "model.safetensors")));
        Assert.Equal([123_456], server.Requests.Where(request => request.Storage).Select(request => request.From));
        Assert.Empty(Left());
    }

    [Fact]
    public void What_was_left_is_dropped_where_it_does_not_fit()
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        byte[] weights = files["model.safetensors"];
        string place = Path.Combine("snapshots", server.Publish(Id, files), "model.safetensors");
        // Damaged, too long, or complete but damaged: the hash shows it, and it starts over.
        foreach (byte[] left in new[] { Bytes(1000, seed: 9), Bytes(400_000, seed: 9), Bytes(weights.Length, seed: 9) })
        {
            LeaveIncomplete(files, left);
            Assert.Equal(weights, File.ReadAllBytes(Path.Combine(Get().Path, "model.safetensors")));
            Assert.Empty(Left());
            Directory.Delete(folder["hub"], recursive: true);
        }
        // Complete and right: nothing is asked of the storage.
        int before = server.Requests.Count(request => request.Storage);
        LeaveIncomplete(files, weights);
        Assert.EndsWith(place, Path.Combine(Get().Path, "model.safetensors"), StringComparison.Ordinal);
        Assert.Equal(before, server.Requests.Count(request => request.Storage));
    }

    [Theory]
    [InlineData(200)]
    [InlineData(416)]
    public void A_server_that_does_not_go_on_is_asked_from_the_beginning(int status)
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        LeaveIncomplete(files, files["model.safetensors"][..1000]);
        Storage(1, _ => new LoopbackAnswer(status, Body: status == 200 ? files["model.safetensors"] : null));
        Assert.Equal(files["model.safetensors"], File.ReadAllBytes(Path.Combine(Get().Path, "model.safetensors")));
    }

    [Fact]
    public void A_part_from_another_place_is_not_appended()
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        LeaveIncomplete(files, files["model.safetensors"][..1000]);
        Storage(1, _ => new LoopbackAnswer(206, new Dictionary<string, string> { ["Content-Range"] = "bytes 5-9/300000" }, Bytes(5)));
        Assert.Equal(files["model.safetensors"], File.ReadAllBytes(Path.Combine(Get().Path, "model.safetensors")));
    }

    [Theory]
    [InlineData("model.safetensors", "sha256")]
    [InlineData("vocab.json", "git blob id")]
    public void A_body_with_the_wrong_hash_is_deleted_and_named(string file, string hash)
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        byte[] wrong = [.. files[file]];
        wrong[^1] ^= 1;
        server.Interfere = request => request.Method == "GET" && (file == "vocab.json" ? request.Path.EndsWith(file, StringComparison.Ordinal) : request.Storage)
            ? new LoopbackAnswer(200, Body: wrong)
            : null;
        string message = Refused();
        Assert.Contains($"{Id}: {file} came with the {hash} ", message, StringComparison.Ordinal);
        Assert.Contains($"expected {LoopbackHub.ETagOf(file, files[file])}; it was deleted", message, StringComparison.Ordinal);
        Assert.Empty(Left());
        Assert.Null(new ModelHub(Options).Find(Id));
        Assert.False(File.Exists(Path.Combine(folder["hub"], "models--lab--tiny", "refs", "main")));
        server.Interfere = null;
        Assert.Equal(files[file], File.ReadAllBytes(Path.Combine(Get().Path, file)));
    }

    [Fact]
    public void A_body_of_another_length_is_refused()
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        Storage(int.MaxValue, _ => new LoopbackAnswer(200, Body: Bytes(300_001)));
        Assert.Contains("model.safetensors", Refused(), StringComparison.Ordinal);
        Storage(int.MaxValue, _ => new LoopbackAnswer(200, Body: Bytes(200)));
        Assert.Contains("ended after 200 of 300000 bytes", Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_falls_silent_is_left()
    {
        server.Publish(Id, Files());
        using ManualResetEventSlim end = new();
        server.Interfere = request =>
        {
            if (request.Storage) end.Wait(TimeSpan.FromSeconds(20));
            return null;
        };
        Assert.Contains("did not answer (nothing for 1 s)", Refused(options: Options with { Timeout = TimeSpan.FromMilliseconds(150), Tries = 2 }), StringComparison.Ordinal);
        end.Set();
    }

    // --- Several at once ----------------------------------------------------------------------------------------

    [Fact]
    public async Task Several_pulls_at_once_fetch_each_file_once()
    {
        Dictionary<string, byte[]> files = Files();
        string commit = server.Publish(Id, files);
        server.Interfere = request =>
        {
            if (request.Storage) Thread.Sleep(200);
            return null;
        };
        ModelHub shared = new(Options);
        ModelFolder[] models = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => i % 2 == 0 ? shared.Get(Id) : Get())));
        Assert.All(models, model => Assert.Equal(commit, model.Commit));
        Assert.Equal(files["model.safetensors"], File.ReadAllBytes(Path.Combine(models[0].Path, "model.safetensors")));
        Assert.Single(server.Requests, request => request.Storage);
        Assert.Contains(events, happened => happened.Stage == HubStage.Waiting);
        Assert.Empty(Left());
    }

    [Fact]
    public void A_lock_that_another_process_holds_is_waited_for()
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        string locks = Directory.CreateDirectory(Path.Combine(folder["hub"], ".locks", "models--lab--tiny")).FullName;
        string held = Path.Combine(locks, LoopbackHub.ETagOf("model.safetensors", files["model.safetensors"]) + ".lock");
        // util-linux's flock takes the same kernel lock as Python's fcntl.flock.
        using Process other = Process.Start(new ProcessStartInfo("flock", [held, "-c", "echo held; sleep 0.7"]) { RedirectStandardOutput = true })!;
        Assert.Equal("held", other.StandardOutput.ReadLine());
        Get();
        Assert.True(other.WaitForExit(0));
        Assert.Equal("model.safetensors", events.Single(happened => happened.Stage == HubStage.Waiting).File);
    }

    [Fact]
    public void A_pull_can_be_stopped_and_keeps_what_has_come()
    {
        Dictionary<string, byte[]> files = Files();
        server.Publish(Id, files);
        using CancellationTokenSource stop = new();
        Assert.ThrowsAny<OperationCanceledException>(() => new ModelHub(Options).Get(Id, null, happened =>
        {
            if (happened.File == "model.safetensors" && happened.Bytes > 1000) stop.Cancel();
        }, stop.Token));
        Assert.Single(Left());
        Assert.Equal(files["model.safetensors"], File.ReadAllBytes(Path.Combine(Get().Path, "model.safetensors")));
        Assert.True(server.Requests.Last(request => request.Storage).From > 0);
    }

    // --- Names --------------------------------------------------------------------------------------------------

    [Fact]
    public void An_existing_folder_wins()
    {
        string local = Directory.CreateDirectory(folder["models/gpt2"]).FullName;
        File.WriteAllText(Path.Combine(local, "config.json"), "{}");
        Assert.Equal(new ModelFolder(local, null, null), Get(local));
        Assert.Equal(local, Get(local + "/").Path);
        Assert.Contains("has no revisions", Refused(local, revision: "main"), StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public void What_is_neither_folder_nor_id_is_refused_without_a_request()
    {
        string empty = Directory.CreateDirectory(folder["empty"]).FullName;
        Assert.Contains("is a folder without config.json", Refused(empty), StringComparison.Ordinal);
        Assert.Contains("no such folder", Refused("./nothing/here"), StringComparison.Ordinal);
        Assert.Contains("no such folder", Refused(""), StringComparison.Ordinal);
        foreach (string bad in new[] { "a/b/c", "a b", "lab/a..b", "lab--x/y", "lab/tiny?x", "lab/tiny.git", "lab/" })
            Assert.Contains("neither a folder nor a preset", Refused(bad), StringComparison.Ordinal);
        foreach (string bad in new[] { "../main", "/main", "a\\b", "", "a//b" })
            Assert.Contains("revision: got", Refused(revision: bad), StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    // --- What is here -------------------------------------------------------------------------------------------

    [Fact]
    public void The_cache_lists_its_models()
    {
        Assert.Empty(new ModelHub(Options).Cached());
        string first = server.Publish(Id, Files()), second = server.Publish(Id, Files(("vocab.json", "{\"a\":0}"u8.ToArray())), revision: "v2");
        Get();
        Get(revision: "v2");
        File.Delete(Path.Combine(Get(revision: "v2").Path, "model.safetensors"));
        Directory.CreateDirectory(Path.Combine(folder["hub"], "models--..--evil", "snapshots"));
        Directory.CreateDirectory(Path.Combine(folder["hub"], "datasets--a--b", "snapshots"));
        CachedModel model = Assert.Single(new ModelHub(Options).Cached());
        Assert.Equal(Id, model.Id);
        Assert.Equal(
            new[] { (first, "main", true), (second, "v2", false) }.Order(),
            model.Commits.Select(commit => (commit.Commit, Assert.Single(commit.Revisions), commit.Complete)).Order());
        Assert.InRange(model.Bytes, 300_000, 310_000);
    }
}
