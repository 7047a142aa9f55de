using System.Diagnostics;
using System.Runtime.InteropServices;

namespace LlmFusion.Packaging;

/// <summary>What native libraries need besides themselves, as the dynamic linker of this machine finds it.</summary>
internal static partial class NativeDependencies
{
    private static readonly string[] Linkers = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

    /// <summary>glibc's own libraries: they belong to the kernel's side of a machine, and must never be carried to another.</summary>
    private static readonly HashSet<string> glibc =
    [
        "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1",
        "libresolv.so.2", "libutil.so.1", "libanl.so.1", "libthread_db.so.1", "linux-vdso.so.1",
    ];

    /// <summary>Whether every Linux with this glibc has the library.</summary>
    public static bool IsGlibc(string name) => glibc.Contains(Path.GetFileName(name));

    /// <summary>Whether a file is a program or library for Linux (ELF).</summary>
    public static bool IsElf(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return file.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("\u007fELF"u8);
    }

    /// <summary>Names and files of everything that a library needs, directly or not; the file is null where it was not found.</summary>
    public static IReadOnlyList<(string Name, string? File)> Of(string library)
    {
        string linker = Linkers.FirstOrDefault(File.Exists) ?? throw new NotSupportedException($"no dynamic linker of glibc here (looked for {string.Join(", ", Linkers)})");
        ProcessStartInfo start = new(linker, ["--list", library]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            return error.GetAwaiter().GetResult() is { } text && text.Contains("statically linked", StringComparison.Ordinal) ? []
                : throw new IOException($"{library}: the dynamic linker says: {error.GetAwaiter().GetResult().Trim()}");
        }

        // "	libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x..)", "	libq.so => not found"
        return [.. output.Split('\n').Select(l => l.Split(" => ", 2)).Where(l => l.Length == 2)
            .Select(l => (l[0].Trim(), l[1].StartsWith('/') ? l[1][..l[1].LastIndexOf(" (", StringComparison.Ordinal)] : null))];
    }

    /// <summary>The file that the dynamic linker takes for a name; null where it finds none.</summary>
    public static string? Find(string name)
    {
        if (!NativeLibrary.TryLoad(name, out _) || !File.Exists("/proc/self/maps")) return null;
        // The maps show the file behind the name: libssl.so.3, libxgboost.so.1.6.0.
        string stem = name[..name.IndexOf(".so", StringComparison.Ordinal)] + ".";
        return File.ReadLines("/proc/self/maps").Where(l => l.Contains('/', StringComparison.Ordinal)).Select(l => l[l.IndexOf('/', StringComparison.Ordinal)..])
            .FirstOrDefault(p => Path.GetFileName(p).StartsWith(stem, StringComparison.Ordinal) || Path.GetFileName(p).StartsWith(stem[..^1] + "p", StringComparison.Ordinal));
    }

    /// <summary>This machine's glibc, the oldest that is sure to do for what was found on it.</summary>
    public static string GlibcVersion() => Marshal.PtrToStringUTF8(Version())!;

    [LibraryImport("libc.so.6", EntryPoint = "gnu_get_libc_version")]
    private static partial nint Version();
}
