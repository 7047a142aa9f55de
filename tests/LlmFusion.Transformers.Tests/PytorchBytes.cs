using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

/// <summary>One file of a zip archive, and what its headers say about it where that is not the truth.</summary>
public sealed record ZipEntry(string Name, byte[] Data)
{
    public ushort Method { get; init; }

    public ushort Flags { get; init; }

    public ulong? ClaimedSize { get; init; }

    public ulong? ClaimedStored { get; init; }

    public ulong? ClaimedOffset { get; init; }

    public string? LocalName { get; init; }
}

/// <summary>Files as torch.save writes them, from pickles made by hand.</summary>
public static class PytorchBytes
{
    private static readonly Dictionary<ScalarType, string> storageTypes = new()
    {
        [ScalarType.Float64] = "DoubleStorage",
        [ScalarType.Float32] = "FloatStorage",
        [ScalarType.Float16] = "HalfStorage",
        [ScalarType.BFloat16] = "BFloat16Storage",
        [ScalarType.Int64] = "LongStorage",
        [ScalarType.Int32] = "IntStorage",
        [ScalarType.Int16] = "ShortStorage",
        [ScalarType.Int8] = "CharStorage",
        [ScalarType.Byte] = "ByteStorage",
        [ScalarType.Bool] = "BoolStorage",
    };

    /// <summary>A file of today's format.</summary>
    public static byte[] Zip(byte[] pickle, params (string Key, byte[] Data)[] storages) => Archive(
        [
            new ZipEntry("archive/data.pkl", pickle), new ZipEntry("archive/byteorder", "little"u8.ToArray()),
            .. storages.Select(storage => new ZipEntry($"archive/data/{storage.Key}", storage.Data)), new ZipEntry("archive/version", "3\n"u8.ToArray()),
        ]);

    /// <summary>A state dict in today's format.</summary>
    public static byte[] Zip(IReadOnlyDictionary<string, Tensor> tensors)
    {
        PickleWriter pickle = new PickleWriter().Protocol().New("collections", "OrderedDict").Raw("(");
        (string Key, byte[] Data)[] storages = [.. tensors.Values.Select((value, number) => (Key(number), Data(value)))];
        int next = 0;
        foreach ((string name, Tensor value) in tensors)
            pickle.Text(name).Tensor(writer => writer.Storage(Key(next++), value.NumberOfElements, storageTypes[value.dtype]), 0, value.shape, Strides(value.shape));
        return Zip(pickle.Raw("u").Stop(), storages);
    }

    /// <summary>A file of the older format.</summary>
    public static byte[] Legacy(byte[] pickle, params (string Key, long Count, byte[] Data)[] storages)
    {
        PickleWriter keys = new PickleWriter().Protocol().Raw("](");
        foreach ((string key, _, _) in storages)
            keys.Text(key);
        List<byte> file = [.. LegacyStart(), .. pickle, .. keys.Raw("e").Stop()];
        foreach ((_, long count, byte[] data) in storages)
            file.AddRange([.. BitConverter.GetBytes(count), .. data]);
        return [.. file];
    }

    /// <summary>The three pickles that the older format begins with.</summary>
    public static byte[] LegacyStart(long protocol = 1001, bool littleEndian = true) =>
    [
        .. new PickleWriter().Protocol().Number(BigInteger.Parse("119547037146038801333356", CultureInfo.InvariantCulture)).Stop(),
        .. new PickleWriter().Protocol().Number(protocol).Stop(),
        .. new PickleWriter().Protocol().Raw("}(").Text("protocol_version").Number(protocol).Text("little_endian").Flag(littleEndian).Raw("u").Stop(),
    ];

    /// <summary>A state dict in the older format.</summary>
    public static byte[] Legacy(IReadOnlyDictionary<string, Tensor> tensors)
    {
        PickleWriter pickle = new PickleWriter().Protocol().New("collections", "OrderedDict").Raw("(");
        (string Key, long Count, byte[] Data)[] storages = [.. tensors.Values.Select((value, number) => (Key(number), value.NumberOfElements, Data(value)))];
        int next = 0;
        foreach ((string name, Tensor value) in tensors)
            pickle.Text(name).Tensor(writer => writer.LegacyStorage(Key(next++), value.NumberOfElements, storageTypes[value.dtype]), 0, value.shape, Strides(value.shape));
        return Legacy(pickle.Raw("u").Stop(), storages);
    }

    /// <summary>A zip archive, true or not.</summary>
    public static byte[] Archive(ZipEntry[] entries, bool zip64 = false)
    {
        using MemoryStream file = new();
        using BinaryWriter writer = new(file);
        using MemoryStream directory = new();
        using BinaryWriter central = new(directory);
        foreach (ZipEntry entry in entries)
        {
            long offset = file.Position;
            byte[] localName = Encoding.UTF8.GetBytes(entry.LocalName ?? entry.Name), name = Encoding.UTF8.GetBytes(entry.Name);
            writer.Write(0x04034b50u);
            writer.Write((ushort)20);
            writer.Write(entry.Flags);
            writer.Write(entry.Method);
            writer.Write(new byte[16]);
            writer.Write((ushort)localName.Length);
            writer.Write((ushort)3); // PyTorch fills up so that tensors are aligned.
            writer.Write(localName);
            writer.Write(new byte[3]);
            writer.Write(entry.Data);

            ulong size = entry.ClaimedSize ?? (ulong)entry.Data.Length, stored = entry.ClaimedStored ?? size, place = entry.ClaimedOffset ?? (ulong)offset;
            bool wide = zip64 || size > uint.MaxValue || stored > uint.MaxValue || place > uint.MaxValue;
            central.Write(0x02014b50u);
            central.Write((ushort)20);
            central.Write((ushort)20);
            central.Write(entry.Flags);
            central.Write(entry.Method);
            central.Write(new byte[8]);
            central.Write(wide ? uint.MaxValue : (uint)stored);
            central.Write(wide ? uint.MaxValue : (uint)size);
            central.Write((ushort)name.Length);
            central.Write((ushort)(wide ? 28 : 0));
            central.Write(new byte[10]);
            central.Write(wide ? uint.MaxValue : (uint)place);
            central.Write(name);
            if (!wide)
                continue;
            central.Write((ushort)1);
            central.Write((ushort)24);
            central.Write(size);
            central.Write(stored);
            central.Write(place);
        }
        long start = file.Position;
        writer.Write(directory.ToArray());
        if (zip64)
        {
            long end64 = file.Position;
            writer.Write(0x06064b50u);
            writer.Write(44UL);
            writer.Write(new byte[12]);
            writer.Write((ulong)entries.Length);
            writer.Write((ulong)entries.Length);
            writer.Write(directory.Length);
            writer.Write(start);
            writer.Write(0x07064b50u);
            writer.Write(0u);
            writer.Write(end64);
            writer.Write(1u);
        }
        writer.Write(0x06054b50u);
        writer.Write(0u);
        writer.Write((ushort)entries.Length);
        writer.Write((ushort)entries.Length);
        writer.Write((uint)directory.Length);
        writer.Write((uint)start);
        writer.Write((ushort)0);
        writer.Flush();
        return file.ToArray();
    }

    public static byte[] Floats(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    private static string Key(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static byte[] Data(Tensor value) => [.. value.detach().contiguous().bytes];

    private static long[] Strides(long[] shape)
    {
        long[] strides = new long[shape.Length];
        long next = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = next;
            next *= Math.Max(shape[i], 1);
        }
        return strides;
    }
}
