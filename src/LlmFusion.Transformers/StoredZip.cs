using System.Buffers.Binary;
using System.Text;

namespace LlmFusion.Transformers;

/// <summary>
/// The places of the files in a zip archive whose files are stored, not compressed, as PyTorch writes it (PKWARE's
/// APPNOTE.TXT: end record, central directory, local headers, with their 64-bit forms). Nothing is unpacked and no name
/// becomes a path. Checksums are not compared: PyTorch can be told to write none, and compares none either.
/// </summary>
internal static class StoredZip
{
    /// <summary>One file in the archive.</summary>
    public readonly record struct Entry(long Offset, long Length);

    private const int EndLength = 22, End64LocatorLength = 20, End64Length = 56, CentralLength = 46, LocalLength = 30;
    private const uint EndSignature = 0x06054b50, End64LocatorSignature = 0x07064b50, End64Signature = 0x06064b50,
        CentralSignature = 0x02014b50, LocalSignature = 0x04034b50;

    private static readonly UTF8Encoding strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Whether the file begins as such an archive does.</summary>
    public static bool Begins(ReadOnlySpan<byte> start) => start.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(start) == LocalSignature;

    /// <summary>The archive's files by name.</summary>
    /// <exception cref="FormatException">It is damaged, compressed, or names what no archive of tensors names.</exception>
    public static Dictionary<string, Entry> Read(FileStream stream)
    {
        (long count, long start, long length) = CentralDirectory(stream);
        if (length > Safetensors.MaxHeaderLength)
            throw new FormatException($"its directory has {length} bytes, expected at most {Safetensors.MaxHeaderLength}");
        byte[] directory = ReadAt(stream, start, length);
        Dictionary<string, Entry> entries = [];
        List<(long Begin, long End, string Name)> ranges = [];
        int position = 0;
        for (long number = 0; number < count; number++)
        {
            ReadOnlySpan<byte> record = directory.AsSpan(position);
            if (record.Length < CentralLength || U32(record, 0) != CentralSignature)
                throw new FormatException($"its directory is damaged at entry {number} of {count}");
            int nameLength = U16(record, 28), extraLength = U16(record, 30);
            long total = (long)CentralLength + nameLength + extraLength + U16(record, 32);
            if (total > record.Length)
                throw new FormatException($"its directory is damaged at entry {number} of {count}");
            string name = Name(record.Slice(CentralLength, nameLength));
            if ((U16(record, 8) & 1) != 0)
                throw new FormatException($"its entry '{HostileText.Show(name)}' is encrypted");
            if (U16(record, 10) is not 0 and var method)
                throw new FormatException($"its entry '{HostileText.Show(name)}' is compressed (method {method}), expected stored as torch.save does");
            (ulong packed, ulong size, ulong local) = Sizes(record, record.Slice(CentralLength + nameLength, extraLength), name);
            if (packed != size || local > (ulong)start || size > (ulong)start)
                throw new FormatException($"its entry '{HostileText.Show(name)}' claims {size} bytes ({packed} stored) at byte {local}, the file has {stream.Length}");
            long data = LocalData(stream, (long)local, record.Slice(CentralLength, nameLength), name);
            if (size > (ulong)start || data > start - (long)size)
                throw new FormatException($"its entry '{HostileText.Show(name)}' claims {size} bytes at byte {data}, the file has {stream.Length}");
            if (!entries.TryAdd(name, new Entry(data, (long)size)))
                throw new FormatException($"its entry '{HostileText.Show(name)}' stands there twice");
            ranges.Add(((long)local, data + (long)size, name));
            position += (int)total;
        }
        if (position != directory.Length)
            throw new FormatException($"its directory has {directory.Length} bytes, its {count} entries {position}");
        ranges.Sort((a, b) => a.Begin.CompareTo(b.Begin));
        for (int i = 1; i < ranges.Count; i++)
        {
            if (ranges[i].Begin < ranges[i - 1].End)
                throw new FormatException($"its entries '{HostileText.Show(ranges[i - 1].Name)}' and '{HostileText.Show(ranges[i].Name)}' overlap");
        }
        return entries;
    }

    /// <summary>A range of the file, which is checked to be within it before memory is asked for.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static byte[] ReadAt(FileStream stream, long offset, long length)
    {
        if (offset < 0 || length < 0 || length > Array.MaxLength || offset > stream.Length - length)
            throw new FormatException($"bytes {offset} to {(Int128)offset + length} are needed, the file has {stream.Length}: is it truncated?");
        byte[] bytes = new byte[length];
        stream.Position = offset;
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static (long Count, long Start, long Length) CentralDirectory(FileStream stream)
    {
        long tailStart = Math.Max(0, stream.Length - EndLength - ushort.MaxValue);
        byte[] tail = ReadAt(stream, tailStart, stream.Length - tailStart);
        int end = tail.Length - EndLength;
        while (end >= 0 && !(U32(tail, end) == EndSignature && end + EndLength + U16(tail, end + 20) == tail.Length))
            end--;
        if (end < 0)
            throw new FormatException($"it is a zip archive without an end ({stream.Length} bytes): is it truncated?");
        long endStart = tailStart + end, limit = endStart;
        ulong count = (ulong)U16(tail, end + 10), length = U32(tail, end + 12), start = U32(tail, end + 16);
        // PyTorch always writes the 64-bit form as well.
        if (end >= End64LocatorLength && U32(tail, end - End64LocatorLength) == End64LocatorSignature)
        {
            ulong place = U64(tail, end - End64LocatorLength + 8);
            if (place > (ulong)Math.Max(0, endStart - End64LocatorLength - End64Length))
                throw new FormatException($"its 64-bit end is said to be at byte {place}, the file has {stream.Length}");
            byte[] end64 = ReadAt(stream, (long)place, End64Length);
            if (U32(end64, 0) != End64Signature)
                throw new FormatException($"there is no 64-bit end at byte {place}, where it is said to be");
            (count, length, start, limit) = (U64(end64, 32), U64(end64, 40), U64(end64, 48), (long)place);
        }
        if (length > (ulong)limit || start != (ulong)limit - length || count > length / CentralLength)
            throw new FormatException($"its directory of {count} entries is said to be {length} bytes at byte {start}, expected to end at byte {limit}");
        return ((long)count, (long)start, (long)length);
    }

    /// <summary>Sizes and place, from the record or, where it has no room for them, from its 64-bit extra field.</summary>
    private static (ulong Packed, ulong Size, ulong Local) Sizes(ReadOnlySpan<byte> record, ReadOnlySpan<byte> extra, string name)
    {
        ulong packed = U32(record, 20), size = U32(record, 24), local = U32(record, 42);
        while (extra.Length >= 4)
        {
            int id = U16(extra, 0), length = U16(extra, 2);
            if (length > extra.Length - 4)
                break;
            ReadOnlySpan<byte> field = extra.Slice(4, length);
            extra = extra[(4 + length)..];
            if (id != 1)
                continue;
            foreach (int which in (ReadOnlySpan<int>)[0, 1, 2])
            {
                ref ulong value = ref packed;
                if (which == 0)
                    value = ref size;
                else if (which == 2)
                    value = ref local;
                if (value != uint.MaxValue)
                    continue;
                if (field.Length < 8)
                    throw new FormatException($"its entry '{HostileText.Show(name)}' has no 64-bit size");
                value = U64(field, 0);
                field = field[8..];
            }
        }
        return (packed, size, local);
    }

    /// <summary>Where an entry's bytes begin: after its local header, which must agree on the name.</summary>
    private static long LocalData(FileStream stream, long local, ReadOnlySpan<byte> centralName, string name)
    {
        byte[] header = ReadAt(stream, local, (long)LocalLength + centralName.Length);
        int nameLength = U16(header, 26), extraLength = U16(header, 28);
        if (U32(header, 0) != LocalSignature || nameLength != centralName.Length || !centralName.SequenceEqual(header.AsSpan(LocalLength)))
            throw new FormatException($"its entry '{HostileText.Show(name)}' is not at byte {local}, where its directory says");
        return local + LocalLength + nameLength + extraLength;
    }

    private static string Name(ReadOnlySpan<byte> bytes)
    {
        string name;
        try
        {
            name = strictUtf8.GetString(bytes);
        }
        catch (ArgumentException)
        {
            throw new FormatException("the name of an entry is not UTF-8");
        }
        // Names of folders end in '/'.
        string[] parts = (name.EndsWith('/') ? name[..^1] : name).Split('/');
        if (name.Contains('\\') || name.Contains('\0') || parts.Any(part => part is "" or "." or ".."))
            throw new FormatException($"its entry '{HostileText.Show(name)}' has a name that leads outside the archive");
        return name;
    }

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
