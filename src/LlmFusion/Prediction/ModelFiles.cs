using System.Security.Cryptography;

namespace LlmFusion.Prediction;

/// <summary>The files of a model folder: inside it, and the very bytes that were written.</summary>
internal static class ModelFiles
{
    /// <summary>Fails where a file is not what the manifest says.</summary>
    public static void RequireSame(string file, string? sha256)
    {
        if (Sha256(file) is var got && got != sha256) throw new InvalidDataException($"{file}: damaged or replaced, its sha256 is {got}, expected {sha256}");
    }

    /// <summary>A folder or file that the manifest names.</summary>
    public static string Inside(string folder, string? relative)
    {
        string root = Path.GetFullPath(folder) + Path.DirectorySeparatorChar;
        string path = relative is null ? "" : Path.GetFullPath(Path.Combine(folder, relative));
        return path.StartsWith(root, StringComparison.Ordinal) ? path
            : throw new InvalidDataException($"part of a model: got {relative ?? "nothing"}, expected a path inside the model's folder");
    }

    /// <summary>Hash of a file.</summary>
    public static string Sha256(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
