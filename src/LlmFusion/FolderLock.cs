namespace LlmFusion;

/// <summary>One process at a time in a folder.</summary>
internal static class FolderLock
{
    /// <summary>The file that is locked where none is named.</summary>
    public const string FileName = "run.lock";

    /// <summary>The kernel's lock on a folder, which no killed process can leave behind.</summary>
    /// <param name="path">The folder; created where it is missing.</param>
    /// <param name="name">Name of the file that is locked, which is removed with the lock.</param>
    /// <exception cref="InvalidDataException">Another process has it.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static FileStream Take(string path, string name = FileName)
    {
        string file = Path.Combine(path, name);
        try
        {
            Directory.CreateDirectory(path);
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e) when (File.Exists(file))
        {
            throw new InvalidDataException($"{path}: another process works in this folder ({name}); wait for it or stop it", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{path}: cannot be written ({e.Message}); expected a folder to write to", e);
        }
    }
}
