using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public sealed class CheckpointFilesTests : IDisposable
{
    private static readonly Gpt2Config config = new() { VocabSize = 30, Positions = 16, Width = 16, Layers = 2, Heads = 2 };
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData("safetensors", 1)]
    [InlineData("safetensors", 3)]
    [InlineData("bin", 1)]
    [InlineData("bin", 3)]
    public void A_folder_of_any_layout_loads_bit_for_bit(string format, int shards)
    {
        using Gpt2 model = new(config);
        Save(Checkpoint.StateOf(model), format, shards);
        using Gpt2 again = Gpt2.Load(folder.Path);
        Same(Checkpoint.StateOf(model), Checkpoint.StateOf(again));
        IReadOnlyList<CheckpointEntry> entries = CheckpointFiles.Entries(folder.Path);
        Assert.Equal(Checkpoint.StateOf(model).Keys.Order(StringComparer.Ordinal), entries.Select(entry => entry.Name).Order(StringComparer.Ordinal));
        Assert.Equal(shards, entries.Select(entry => entry.File).Distinct().Count());
        Assert.All(entries, entry => Assert.Equal((ScalarType.Float32, Text(Checkpoint.StateOf(model)[entry.Name].shape)), (entry.DataType, Text(entry.Shape))));
    }

    [Fact]
    public void Shards_written_by_transformers_are_read()
    {
        string path = GoldenFolder.Of("llama-tiny-sharded");
        JsonNode index = JsonNode.Parse(File.ReadAllBytes(Path.Combine(path, "model.safetensors.index.json")))!;
        using CheckpointFiles files = CheckpointFiles.Open(path);
        Assert.Equal(index["weight_map"]!.AsObject().Count, files.Tensors.Count);
        Assert.Equal(index["metadata"]!["total_size"]!.GetValue<long>(), files.Tensors.Sum(entry => files.Read(entry.Name).bytes.Length));
    }

    [Theory]
    [InlineData("safetensors", ScalarType.BFloat16)]
    [InlineData("safetensors", ScalarType.Float16)]
    [InlineData("safetensors", ScalarType.Float64)]
    [InlineData("bin", ScalarType.BFloat16)]
    [InlineData("bin", ScalarType.Float16)]
    [InlineData("bin", ScalarType.Float64)]
    public void Weights_of_other_precision_become_float32_as_torch_converts_them(string format, ScalarType type)
    {
        using Gpt2 model = new(config);
        Dictionary<string, Tensor> stored = Checkpoint.StateOf(model).ToDictionary(pair => pair.Key, pair => (pair.Value.detach().to_type(ScalarType.Float64) / 3).to_type(type));
        Save(stored, format, 1);
        using Gpt2 again = Gpt2.Load(folder.Path);
        Same(stored.ToDictionary(pair => pair.Key, pair => pair.Value.to_type(ScalarType.Float32)), Checkpoint.StateOf(again));
    }

    [Fact]
    public void Safetensors_go_before_PyTorchs_format_and_whole_files_before_shards()
    {
        foreach ((string format, int shards, float value) in new[] { ("bin", 2, 1f), ("bin", 1, 2f), ("safetensors", 2, 3f), ("safetensors", 1, 4f) })
        {
            Save(new Dictionary<string, Tensor> { ["a"] = full(2, value), ["b"] = full(2, value) }, format, shards);
            using CheckpointFiles files = CheckpointFiles.Open(folder.Path);
            Assert.Equal(value, files.Read("a")[0].item<float>());
        }
    }

    [Fact]
    public void A_folder_without_weights_says_what_was_looked_for()
    {
        string message = Assert.Throws<CheckpointException>(() => CheckpointFiles.Open(folder.Path)).Message;
        Assert.Equal($"{folder["model.safetensors"]}: not found, nor model.safetensors.index.json, pytorch_model.bin or pytorch_model.bin.index.json beside it: the folder holds no weights", message);
        Assert.Equal(message, Assert.Throws<CheckpointException>(() => CheckpointFiles.Sha256(folder.Path)).Message);
    }

    [Theory]
    [InlineData("safetensors")]
    [InlineData("bin")]
    public void What_does_not_fit_leaves_the_module_as_it_was(string format)
    {
        using Gpt2 model = new(config);
        Dictionary<string, Tensor> before = Checkpoint.StateOf(model).ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        Dictionary<string, Tensor> stored = before.ToDictionary(pair => pair.Key, pair => zeros_like(pair.Value));
        stored["wpe.weight"] = ones(17, 16);
        stored.Remove("ln_f.bias");
        Save(stored, format, 2);
        string message = Assert.Throws<CheckpointException>(() => Checkpoint.LoadFolder(model, folder.Path)).Message;
        Assert.Contains("does not fit the model: 'wpe.weight' has the shape [17, 16], expected [16, 16]; 'ln_f.bias' ([16]) is missing", message);
        Same(before, Checkpoint.StateOf(model));

        stored = before.ToDictionary(pair => pair.Key, pair => zeros_like(pair.Value));
        stored["other.weight"] = ones(30, 16);
        Save(stored, format, 2);
        message = Assert.Throws<CheckpointException>(() => Checkpoint.LoadFolder(model, folder.Path, key => key == "other.weight" ? "wte.weight" : key)).Message;
        Assert.Contains("are one weight in the model, but differ", message);
        Same(before, Checkpoint.StateOf(model));
    }

    [Theory]
    [InlineData("safetensors", 1)]
    [InlineData("safetensors", 4)]
    [InlineData("bin", 1)]
    [InlineData("bin", 4)]
    public void Loading_holds_one_tensor_at_a_time_and_leaves_none(string format, int shards)
    {
        using Gpt2 model = new(config);
        Save(Checkpoint.StateOf(model), format, shards);
        Checkpoint.LoadFolder(model, folder.Path);
        long before = LiveTensors.Count(), most = 0;
        // One by one as LoadFolder reads them.
        using (CheckpointFiles files = CheckpointFiles.Open(folder.Path))
        {
            Assert.Equal(before, Tensor.TotalCount);
            foreach (CheckpointEntry entry in files.Tensors)
            {
                using Tensor tensor = files.Read(entry.Name);
                most = Math.Max(most, Tensor.TotalCount - before);
            }
        }
        Assert.Equal(1, most);
        Checkpoint.LoadFolder(model, folder.Path);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void The_hash_is_that_of_the_file_or_of_what_sha256sum_says_about_the_shards()
    {
        Dictionary<string, Tensor> tensors = new() { ["a"] = ones(2), ["b"] = ones(3), ["c"] = ones(4) };
        Save(tensors, "safetensors", 2);
        string expected = string.Concat(Directory.GetFiles(folder.Path, "*.safetensors").Order(StringComparer.Ordinal)
            .Select(path => $"{Hash(File.ReadAllBytes(path))}  {Path.GetFileName(path)}\n"));
        string sharded = CheckpointFiles.Sha256(folder.Path);
        Assert.Equal(Hash(Encoding.UTF8.GetBytes(expected)), sharded);
        string shard = folder["model-00001-of-00002.safetensors"];
        byte[] bytes = File.ReadAllBytes(shard);
        bytes[^1] ^= 1;
        File.WriteAllBytes(shard, bytes);
        Assert.NotEqual(sharded, CheckpointFiles.Sha256(folder.Path));
        Save(tensors, "safetensors", 1);
        Assert.Equal(Hash(File.ReadAllBytes(folder["model.safetensors"])), CheckpointFiles.Sha256(folder.Path));
    }

    [Theory]
    [InlineData("", "not the JSON expected")]
    [InlineData("{", "not the JSON expected")]
    [InlineData("[]", "it has no weight_map")]
    [InlineData("{}", "it has no weight_map")]
    [InlineData("{\"weight_map\": []}", "it has no weight_map")]
    [InlineData("{\"weight_map\": {}}", "its weight_map is empty")]
    [InlineData("{\"weight_map\": {\"a\": 1}}", "'a' is in 1, expected the name of a file beside the index")]
    [InlineData("{\"weight_map\": {\"a\": \"../a.safetensors\"}}", "'a' is in \"../a.safetensors\", expected")]
    [InlineData("{\"weight_map\": {\"a\": \"..\\\\a.safetensors\"}}", "expected the name of a file")]
    [InlineData("{\"weight_map\": {\"a\": \"/etc/a.safetensors\"}}", "expected the name of a file")]
    [InlineData("{\"weight_map\": {\"a\": \"C:a.safetensors\"}}", "expected the name of a file")]
    [InlineData("{\"weight_map\": {\"a\": \"x/a.safetensors\"}}", "expected the name of a file")]
    [InlineData("{\"weight_map\": {\"a\": \"a.safetensors\\u0000\"}}", "expected the name of a file")]
    [InlineData("{\"weight_map\": {\"a\": \"\\u0000a.safetensors\"}}", "expected the name of a file")]
    [InlineData("{\"weight_map\": {\"a\": \".safetensors\"}}", "expected the name of a file")]
    [InlineData("{\"weight_map\": {\"a\": \"\"}}", "expected the name of a file")]
    [InlineData("{\"weight_map\": {\"a\": \"pytorch_model.bin\"}}", "ends with .safetensors")]
    [InlineData("{\"weight_map\": {\"a\": \"none.safetensors\"}}", "none.safetensors: not found")]
    [InlineData("{\"weight_map\": {\"a\": \"s.safetensors\", \"a\": \"s.safetensors\"}}", "not the JSON expected")]
    [InlineData("{\"weight_map\": {\"\\ud800\": \"s.safetensors\"}}", "not the JSON expected")]
    [InlineData("{\"weight_map\": {\"a\": \"s.safetensors\"}}", "'b' is in s.safetensors, the index has it nowhere")]
    [InlineData("{\"weight_map\": {\"a\": \"s.safetensors\", \"b\": \"s.safetensors\", \"c\": \"s.safetensors\"}}", "'c' is missing in s.safetensors")]
    [InlineData("{\"weight_map\": {\"a\": \"s.safetensors\", \"b\": \"t.safetensors\"}}", "'b' is in s.safetensors, the index has it in t.safetensors; 'b' is missing in t.safetensors")]
    public void A_hostile_index_is_refused(string json, string expected)
    {
        Safetensors.Write(folder["s.safetensors"], new Dictionary<string, Tensor> { ["a"] = ones(2), ["b"] = ones(2) });
        Safetensors.Write(folder["t.safetensors"], new Dictionary<string, Tensor>());
        File.WriteAllText(folder["model.safetensors.index.json"], json);
        string message = Assert.Throws<CheckpointException>(() => CheckpointFiles.Open(folder.Path)).Message;
        Assert.Contains(expected, message);
        Assert.Contains(folder.Path, message);
    }

    [Fact]
    public void An_index_of_more_files_than_can_be_open_is_refused()
    {
        JsonObject map = [];
        for (int i = 0; i < 501; i++)
            map[$"t{i}"] = $"model-{i}.safetensors";
        File.WriteAllText(folder["model.safetensors.index.json"], new JsonObject { ["weight_map"] = map }.ToJsonString());
        Assert.Contains("it names 501 files, expected at most 500", Assert.Throws<CheckpointException>(() => CheckpointFiles.Entries(folder.Path)).Message);
    }

    private void Save(IReadOnlyDictionary<string, Tensor> tensors, string format, int shards)
    {
        File.WriteAllText(folder["config.json"], config.ToJson().ToJsonString());
        string name = format == "bin" ? "pytorch_model" : "model";
        if (shards == 1)
        {
            Write(folder[$"{name}.{format}"], tensors);
            return;
        }
        JsonObject map = [];
        foreach ((int number, KeyValuePair<string, Tensor>[] part) in tensors.Chunk((tensors.Count + shards - 1) / shards).Index())
        {
            string shard = $"{name}-{number + 1:D5}-of-{shards:D5}.{format}";
            Write(folder[shard], part.ToDictionary());
            foreach ((string key, _) in part)
                map[key] = shard;
        }
        File.WriteAllText(folder[$"{name}.{format}.index.json"], JsonSerializer.Serialize(new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }));
    }

    private static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors)
    {
        if (path.EndsWith(".bin", StringComparison.Ordinal))
            File.WriteAllBytes(path, PytorchBytes.Zip(tensors));
        else
            Safetensors.Write(path, tensors);
    }

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static string Text(IEnumerable<long> shape) => string.Join(",", shape);

    private static void Same(IReadOnlyDictionary<string, Tensor> expected, IReadOnlyDictionary<string, Tensor> actual)
    {
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
        Assert.All(expected, pair =>
        {
            Assert.Equal(pair.Value.dtype, actual[pair.Key].dtype);
            Assert.True(pair.Value.eq(actual[pair.Key]).all().item<bool>(), pair.Key);
        });
    }
}
