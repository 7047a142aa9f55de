using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>One tensor in a safetensors file.</summary>
/// <param name="Name">Its key.</param>
/// <param name="DataType">Its element type.</param>
/// <param name="Shape">Its dimensions; empty for a scalar.</param>
/// <param name="Offset">Where its bytes begin in the file.</param>
/// <param name="Length">How many bytes it has.</param>
public sealed record SafetensorsEntry(string Name, ScalarType DataType, IReadOnlyList<long> Shape, long Offset, long Length);

/// <summary>The header of a safetensors file.</summary>
/// <param name="Entries">Its tensors in the order of their bytes.</param>
/// <param name="Metadata">Its <c>__metadata__</c>.</param>
public sealed record SafetensorsHeader(IReadOnlyList<SafetensorsEntry> Entries, IReadOnlyDictionary<string, string> Metadata);

/// <summary>
/// The safetensors format: 8 bytes header length (little endian), a JSON header of names, types, shapes and ranges,
/// then the tensors' bytes without holes. Everything a header says is checked before any memory is asked for.
/// </summary>
public static class Safetensors
{
    /// <summary>The longest header that the format's own library accepts, in bytes.</summary>
    public const long MaxHeaderLength = 100_000_000;

    private const string MetadataKey = "__metadata__";

    private static readonly (string Name, ScalarType Type, int Size)[] Types =
    [
        ("F64", ScalarType.Float64, 8), ("I64", ScalarType.Int64, 8),
        ("F32", ScalarType.Float32, 4), ("I32", ScalarType.Int32, 4),
        ("F16", ScalarType.Float16, 2), ("BF16", ScalarType.BFloat16, 2), ("I16", ScalarType.Int16, 2),
        ("I8", ScalarType.Int8, 1), ("U8", ScalarType.Byte, 1), ("BOOL", ScalarType.Bool, 1),
    ];

    /// <summary>Reads and checks a file's header.</summary>
    /// <exception cref="CheckpointException">The file is missing, truncated or damaged.</exception>
    public static SafetensorsHeader ReadHeader(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Header;
    }

    /// <summary>Reads a file's tensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="wanted">Which names to read; null: all.</param>
    /// <returns>CPU tensors by name. They belong to the caller, or to the scope that is open.</returns>
    /// <exception cref="CheckpointException">The file is missing, truncated or damaged.</exception>
    public static Dictionary<string, Tensor> Read(string path, Func<string, bool>? wanted = null)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.ReadAll(wanted);
    }

    /// <summary>
    /// Writes a file in one step: it appears complete under its name, or not at all. The same tensors give the same
    /// bytes, whatever their order.
    /// </summary>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="tensors">Names and values, on any device.</param>
    /// <param name="metadata">Goes into the header's <c>__metadata__</c>.</param>
    /// <exception cref="ArgumentException">A name is reserved, or an element type has no place in the format.</exception>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        // Wider types first, so that each tensor is aligned to its own elements; then by name.
        (string Name, Tensor Value, string Type, int Size)[] ordered =
        [
            .. tensors.Select(pair => (pair.Key, pair.Value, TypeOf(pair.Key, pair.Value).Name, TypeOf(pair.Key, pair.Value).Size))
                .OrderByDescending(item => item.Size).ThenBy(item => item.Key, StringComparer.Ordinal),
        ];
        byte[] header = WriteHeader(ordered, metadata);
        string temporary = $"{path}.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
            {
                Span<byte> length = stackalloc byte[8];
                BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
                stream.Write(length);
                stream.Write(header);
                foreach ((_, Tensor value, _, _) in ordered)
                {
                    using DisposeScope scope = NewDisposeScope();
                    TensorMemory.EachChunk(value.detach().cpu().contiguous(), bytes => stream.Write(bytes));
                }
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    internal static SafetensorsHeader ReadHeader(FileStream stream, string path)
    {
        CheckpointException Damaged(string what, Exception? cause = null) => new($"{path}: not a safetensors file: {what}", cause);

        if (stream.Length < 8)
            throw Damaged($"{stream.Length} bytes, expected at least 8");
        Span<byte> prefix = stackalloc byte[8];
        stream.ReadExactly(prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > (ulong)Math.Min(MaxHeaderLength, stream.Length - 8))
            throw Damaged($"its header claims {length} bytes, the file has {stream.Length} (the limit is {MaxHeaderLength})");
        byte[] header = new byte[length];
        stream.ReadExactly(header);

        try
        {
            using JsonDocument json = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 8 });
            return ParseHeader(json.RootElement, dataStart: 8 + (long)length, dataLength: stream.Length - 8 - (long)length);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw Damaged($"its header is not the JSON expected ({HostileText.Show(error.Message)})", error);
        }
        catch (FormatException error)
        {
            throw Damaged(error.Message, error);
        }
    }

    /// <exception cref="FormatException">What is wrong, without the file's name.</exception>
    private static SafetensorsHeader ParseHeader(JsonElement root, long dataStart, long dataLength)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new FormatException($"its header is a JSON {root.ValueKind}, expected an object");
        Dictionary<string, string> metadata = [];
        List<SafetensorsEntry> entries = [];
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.Name == MetadataKey)
                metadata = ParseMetadata(property.Value);
            else
                entries.Add(ParseEntry(property.Name, property.Value, dataStart, dataLength));
        }
        // Empty tensors may share an offset with what follows.
        entries.Sort((a, b) => a.Offset != b.Offset ? a.Offset.CompareTo(b.Offset) : a.Length.CompareTo(b.Length));
        long end = dataStart;
        foreach (SafetensorsEntry entry in entries)
        {
            if (entry.Offset != end)
                throw new FormatException($"'{HostileText.Show(entry.Name)}' begins at byte {entry.Offset - dataStart} of the data, expected "
                    + $"{end - dataStart} ({(entry.Offset < end ? "tensors overlap" : "bytes that belong to no tensor")})");
            end += entry.Length;
        }
        if (end != dataStart + dataLength)
            throw new FormatException($"its tensors have {end - dataStart} bytes, the file has {dataLength} for them");
        return new SafetensorsHeader(entries, metadata);
    }

    private static Dictionary<string, string> ParseMetadata(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object || value.EnumerateObject().Any(item => item.Value.ValueKind != JsonValueKind.String))
            throw new FormatException($"its {MetadataKey} is not a map of strings");
        return value.EnumerateObject().ToDictionary(item => item.Name, item => item.Value.GetString()!);
    }

    private static SafetensorsEntry ParseEntry(string name, JsonElement value, long dataStart, long dataLength)
    {
        if (value.ValueKind != JsonValueKind.Object
            || !value.TryGetProperty("dtype", out JsonElement type) || type.ValueKind != JsonValueKind.String
            || !value.TryGetProperty("shape", out JsonElement dimensions) || dimensions.ValueKind != JsonValueKind.Array
            || !value.TryGetProperty("data_offsets", out JsonElement offsets) || offsets.ValueKind != JsonValueKind.Array)
            throw new FormatException($"'{HostileText.Show(name)}' lacks dtype, shape or data_offsets");
        (string typeName, ScalarType scalar, int size) = Types.FirstOrDefault(known => known.Name == type.GetString());
        if (typeName is null)
            throw new FormatException($"'{HostileText.Show(name)}' has the type {HostileText.Show(type.GetString())}, known are {string.Join(", ", Types.Select(known => known.Name))}");

        long[] shape = [.. dimensions.EnumerateArray().Select(item => Count(name, "shape", item))];
        if (shape.Length > WeightsFile.MaxDimensions)
            throw new FormatException($"'{HostileText.Show(name)}' has {shape.Length} dimensions, expected at most {WeightsFile.MaxDimensions}");
        long[] range = [.. offsets.EnumerateArray().Select(item => Count(name, "data_offsets", item))];
        if (range.Length != 2 || range[0] > range[1] || range[1] > dataLength)
            throw new FormatException($"'{HostileText.Show(name)}' lies at {HostileText.Show(range)}, expected a range within the {dataLength} bytes of data");
        long length = range[1] - range[0];
        if (TensorMemory.Bytes(shape, size) is not long bytes || bytes != length)
            throw new FormatException($"'{HostileText.Show(name)}' has {length} bytes, which is not {typeName} {HostileText.Show(shape)}");
        return new SafetensorsEntry(name, scalar, shape, dataStart + range[0], length);
    }

    private static long Count(string name, string key, JsonElement item) =>
        item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out long number) && number >= 0
            ? number
            : throw new FormatException($"'{HostileText.Show(name)}' has {HostileText.Show(item.GetRawText())} in its {key}, expected an integer from 0");

    private static byte[] WriteHeader((string Name, Tensor Value, string Type, int Size)[] ordered, IReadOnlyDictionary<string, string>? metadata)
    {
        using MemoryStream buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(MetadataKey);
                foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }
            long offset = 0;
            foreach ((string name, Tensor value, string type, int size) in ordered)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (long dimension in value.shape)
                    json.WriteNumberValue(dimension);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                offset += value.NumberOfElements * size;
                json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        // Spaces, so that the data begins at a multiple of eight.
        buffer.Write(Encoding.ASCII.GetBytes(new string(' ', (int)((8 - (buffer.Length % 8)) % 8))));
        return buffer.ToArray();
    }

    private static (string Name, int Size) TypeOf(string name, Tensor value)
    {
        if (name == MetadataKey)
            throw new ArgumentException($"no tensor can be named {MetadataKey}: the format keeps that name");
        (string typeName, _, int size) = Types.FirstOrDefault(known => known.Type == value.dtype);
        return typeName is not null
            ? (typeName, size)
            : throw new ArgumentException($"'{name}' holds {value.dtype}, which safetensors files here do not have");
    }
}
