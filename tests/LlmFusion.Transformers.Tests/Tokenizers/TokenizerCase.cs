using System.IO.Compression;
using System.Text.Json;
using LlmFusion.Transformers.Tokenizers;

namespace LlmFusion.Transformers.Tests.Tokenizers;

/// <summary>A folder of Golden/tokenizers: a tokenizer's files, and what Hugging Face made of nasty texts.</summary>
public sealed class TokenizerCase : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public TokenizerCase(string name)
    {
        foreach (string file in Directory.GetFiles(Path.Combine(Golden, name)))
        {
            if (!file.EndsWith(".gz", StringComparison.Ordinal))
                File.Copy(file, folder[Path.GetFileName(file)]);
            else if (!file.EndsWith("golden.jsonl.gz", StringComparison.Ordinal))
                File.WriteAllBytes(folder[Path.GetFileNameWithoutExtension(file)], Unpacked(file));
        }
        Lines = [.. JsonLines(Path.Combine(Golden, name, "golden.jsonl.gz"))];
    }

    public static string Golden => GoldenFolder.Of("tokenizers");

    public string this[string file] => folder[file];

    public string Folder => folder.Path;

    public IReadOnlyList<JsonElement> Lines { get; }

    public static IEnumerable<JsonElement> JsonLines(string path) =>
        System.Text.Encoding.UTF8.GetString(Unpacked(path)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement);

    public Tokenizer Load() => Tokenizer.Load(Folder);

    public void Dispose() => folder.Dispose();

    private static byte[] Unpacked(string path)
    {
        using GZipStream packed = new(File.OpenRead(path), CompressionMode.Decompress);
        using MemoryStream unpacked = new();
        packed.CopyTo(unpacked);
        return unpacked.ToArray();
    }
}
