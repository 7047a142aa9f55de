namespace LlmFusion;

/// <summary>Replaces files so that a reader sees the old content or the new, and a crash leaves one of the two.</summary>
public static class AtomicFile
{
    /// <summary>Writes text as UTF-8 beside <paramref name="path"/>, flushes it to the disk and renames it over the old file.</summary>
    public static void Write(string path, string text)
    {
        string part = path + ".part";
        using (FileStream stream = new(part, FileMode.Create, FileAccess.Write))
        {
            stream.Write(System.Text.Encoding.UTF8.GetBytes(text));
            stream.Flush(flushToDisk: true);
        }

        File.Move(part, path, overwrite: true);
    }

    /// <summary>Copies a file (through links, its content) beside <paramref name="to"/> and renames it over the old file.</summary>
    public static void Copy(string from, string to)
    {
        string part = to + ".part";
        using (FileStream source = File.OpenRead(from))
        using (FileStream stream = new(part, FileMode.Create, FileAccess.Write))
        {
            source.CopyTo(stream);
            stream.Flush(flushToDisk: true);
        }

        File.Move(part, to, overwrite: true);
    }
}
