using System.Text;
using System.Text.Json;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>One of a tokenizer's files: read whole, its errors named after it.</summary>
internal sealed class TokenizerFile
{
    /// <summary>The longest file that is read, in bytes: the largest real tokenizer.json have 35 million.</summary>
    public const long MaximumLength = 1 << 28;

    private const int Shown = 8;

    private TokenizerFile(string path) => Path = path;

    public string Path { get; }

    /// <summary>The file of that name; null if the folder has none.</summary>
    public static TokenizerFile? Find(string folder, string name)
    {
        string path = System.IO.Path.Combine(folder, name);
        return File.Exists(path) ? new TokenizerFile(path) : null;
    }

    /// <summary>An error in this file.</summary>
    public CheckpointException Wrong(string what, Exception? cause = null) => new($"{Path}: {what}", cause);

    /// <summary>Parses the file and hands its root over; what is wrong with it becomes a message that names the file.</summary>
    public T Read<T>(Func<JsonSection, T> from)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(Bytes(), new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 32 });
            return from(new JsonSection(this, "", document.RootElement));
        }
        // InvalidOperationException: a string with half of a surrogate pair.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw Wrong($"not the JSON expected ({error.Message})", error);
        }
    }

    /// <summary>The lines of a text file; a line break at its end begins no further line.</summary>
    public string[] Lines()
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Bytes());
        }
        catch (DecoderFallbackException error)
        {
            throw Wrong($"not UTF-8 ({error.Message})", error);
        }
        string[] lines = text.Split('\n');
        if (lines[^1].Length == 0)
            lines = lines[..^1];
        return [.. lines.Select(line => line.EndsWith('\r') ? line[..^1] : line)];
    }

    /// <summary>Names in a message: the first few.</summary>
    public static string List(IEnumerable<string> names)
    {
        string[] all = [.. names];
        return string.Join(", ", all.Take(Shown)) + (all.Length > Shown ? $" and {all.Length - Shown} more" : "");
    }

    private byte[] Bytes()
    {
        try
        {
            long length = new FileInfo(Path).Length;
            return length <= MaximumLength ? File.ReadAllBytes(Path) : throw Wrong($"{length} bytes, expected at most {MaximumLength}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{Path}: cannot be read ({error.Message})", error);
        }
    }
}
