using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using LlmFusion.Transformers;

namespace LlmFusion.Cli;

/// <summary>
/// Lets the program compute with the libtorch that the user chose. TorchSharp loads the one beside the program by its whole path,
/// and two in one process end it. So the program is started anew from a folder in the user's cache that is the same but has none.
/// </summary>
internal static unsafe partial class OtherLibtorch
{
    private static readonly string Native = Path.Combine("runtimes", "linux-x64", "native");
    private static readonly string[] Own = ["libtorch", "libc10"];

    /// <summary>Does not return where another libtorch is chosen and can be used; what stands against one is told later, by <see cref="Libtorch.Use"/>.</summary>
    public static void StartAnew(string[] arguments)
    {
        if (Libtorch.Folder is null || !Libtorch.HasOwn || Libtorch.ProblemOf(Libtorch.Folder) is not null) return;
        string program = Path.Combine(Without(AppContext.BaseDirectory), Path.GetFileName(Environment.ProcessPath!));
        nint[] strings = [.. arguments.Prepend(program).Select(Marshal.StringToCoTaskMemUTF8), 0];
        fixed (nint* argv = strings) _ = Execute(program, argv);
        throw new IOException($"{program} cannot be started: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>The folder with this program and without its libtorch; made where it is not there yet.</summary>
    private static string Without(string program)
    {
        string[] files = [.. Directory.EnumerateFiles(program, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(program, f))
            .Where(f => !f.StartsWith("runtimes/", StringComparison.Ordinal) || f.StartsWith(Native, StringComparison.Ordinal))
            .Where(f => !(f.StartsWith(Native, StringComparison.Ordinal) && Own.Any(o => Path.GetFileName(f).StartsWith(o, StringComparison.Ordinal))))
            .Order(StringComparer.Ordinal)];
        string about = string.Join('\n', files.Select(f => $"{f} {new FileInfo(Path.Combine(program, f)).Length} {File.GetLastWriteTimeUtc(Path.Combine(program, f)).Ticks}").Prepend(program));
        string folder = Path.Combine(UserCache.Folder("programs", "LLMFUSION_PROGRAMS"), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(about)))[..16]);
        if (Directory.Exists(folder)) return folder;
        string part = $"{folder}.{Environment.ProcessId}";
        foreach (string file in files)
        {
            string target = Path.Combine(part, file);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(Path.Combine(program, file), target);
        }

        try
        {
            Directory.Move(part, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            Directory.Delete(part, recursive: true); // another process was faster
        }

        return folder;
    }

    [LibraryImport("libc.so.6", EntryPoint = "execv", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string program, nint* arguments);
}
