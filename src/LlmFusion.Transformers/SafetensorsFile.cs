using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>An open safetensors file; <see cref="Safetensors"/> describes the format and reads or writes whole files.</summary>
public sealed class SafetensorsFile : WeightsFile
{
    private readonly Dictionary<string, SafetensorsEntry> entries;

    private SafetensorsFile(string path, FileStream stream, SafetensorsHeader header) : base(path, stream)
    {
        Header = header;
        entries = header.Entries.ToDictionary(entry => entry.Name);
        Entries = [.. header.Entries.Select(entry => new CheckpointEntry(entry.Name, entry.DataType, entry.Shape, path))];
    }

    /// <summary>The file's header.</summary>
    public SafetensorsHeader Header { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<CheckpointEntry> Entries { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="CheckpointException">The file is missing, truncated or damaged.</exception>
    public static new SafetensorsFile Open(string path)
    {
        FileStream stream = OpenStream(path, "a safetensors file");
        try
        {
            return new SafetensorsFile(path, stream, Safetensors.ReadHeader(stream, path));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override Tensor Read(string name)
    {
        SafetensorsEntry entry = entries[name];
        return ReadRange(entry.DataType, [.. entry.Shape], entry.Offset);
    }
}
