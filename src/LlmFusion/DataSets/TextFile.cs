using System.IO.Compression;
using System.Text;

namespace LlmFusion.DataSets;

/// <summary>Opens text for reading: UTF-8 with or without byte order mark, gzip by name; binary data is refused with its kind.</summary>
internal static class TextFile
{
    // A gzip file cut short must not end as if it were whole; the runtime checks only with this switch.
    static TextFile() => AppContext.SetSwitch("System.IO.Compression.UseStrictValidation", true);

    /// <summary>A reader from the first character on; bytes that are not UTF-8 read as U+FFFD.</summary>
    /// <exception cref="DataFileException">The file is empty or binary.</exception>
    public static StreamReader Open(string path)
    {
        Stream stream = new FileStream(path, new FileStreamOptions { Options = FileOptions.SequentialScan, BufferSize = 1 << 16 });
        try
        {
            if (path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase))
                stream = new GZipStream(stream, CompressionMode.Decompress);
            var buffered = new BufferedStream(stream, 1 << 16);
            stream = buffered;
            Check(path, new FileInfo(path).Length);
            return new StreamReader(buffered, new UTF8Encoding(false), detectEncodingFromByteOrderMarks: true, 1 << 14);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    private static void Check(string path, long length)
    {
        byte[] start = new byte[4096];
        int count;
        bool gzip = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        try
        {
            using Stream file = File.OpenRead(path);
            if (gzip)
            {
                byte[] magic = new byte[2];
                if (length > 0 && (file.ReadAtLeast(magic, 2, throwOnEndOfStream: false) < 2 || magic is not [0x1f, 0x8b]))
                    throw Refuse(path, "data that is not gzip", "a gzip file, as the name says");
                file.Position = 0;
                using var unpacked = new GZipStream(file, CompressionMode.Decompress);
                count = unpacked.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            }
            else
            {
                count = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            }
        }
        catch (InvalidDataException e)
        {
            throw Refuse(path, "damaged gzip data", "a whole gzip file", e);
        }

        ReadOnlySpan<byte> bytes = start.AsSpan(0, count);
        if (Kind(bytes) is { } kind)
            throw Refuse(path, kind, "UTF-8 text");
        if (bytes.IsEmpty || bytes.SequenceEqual(Encoding.UTF8.Preamble))
            throw Refuse(path, "an empty file", "a header and rows");
    }

    private static string? Kind(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith("PK\x03\x04"u8))
            return "a zip archive (a spreadsheet?)";
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]))
            return "gzip data (name the file .gz)";
        if (bytes.StartsWith("PAR1"u8))
            return "Parquet data (name the file .parquet)";
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xff, 0xfe]) || bytes.StartsWith((ReadOnlySpan<byte>)[0xfe, 0xff]))
            return "UTF-16 text";
        foreach (byte b in bytes)
        {
            if (b < 0x20 && b is not ((byte)'\t' or (byte)'\n' or (byte)'\r' or 0x0c or 0x0b or 0x1a))
                return $"binary data (a byte 0x{b:x2})";
        }

        return null;
    }

    private static DataFileException Refuse(string path, string found, string expected, Exception? inner = null) =>
        new(new RowError(path, 0, null, found, expected), inner);
}
