using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace LlmFusion.Transformers;

/// <summary>The libtorch that was asked for cannot be used.</summary>
public sealed class LibtorchException(string message) : Exception(message);

/// <summary>
/// Which libtorch computes: the one that the program was built with, or the one in the folder that <see cref="FolderVariable"/>
/// names. Nothing of TorchSharp is touched here before the choice: its first use loads the program's own.
/// </summary>
public static partial class Libtorch
{
    /// <summary>The variable that names a folder with another libtorch, such as <c>torch/lib</c> of an installed PyTorch.</summary>
    public const string FolderVariable = "LLMFUSION_LIBTORCH";

    private const string Driver = "libcuda.so.1", Cuda = "libtorch_cuda.so";
    private static readonly string Shipped = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
    private static readonly string[] Cpu = ["libtorch.so", "libtorch_cpu.so", "libc10.so"];

    private static readonly Lazy<LibtorchException?> loaded = new(Load);

    /// <summary>The folder that was chosen; null: the program's own libtorch.</summary>
    public static string? Folder => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder ? Path.GetFullPath(folder) : null;

    /// <summary>The version that TorchSharp is made for: major and minor must be the same.</summary>
    public static Version Expected { get; } = Version.Parse(typeof(Libtorch).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "LibtorchVersion").Value!);

    /// <summary>Loads the chosen libtorch; to be called before anything of torch is. Nothing where none was chosen.</summary>
    /// <exception cref="LibtorchException">The folder holds no libtorch, or one of another version.</exception>
    public static void Use()
    {
        if (loaded.Value is { } problem) throw problem;
    }

    /// <summary>Whether the program's folder holds a libtorch.</summary>
    public static bool HasOwn => File.Exists(Path.Combine(Shipped, "libtorch_cpu.so"));

    /// <summary>What stands against the libtorch in a folder, as far as its files tell; null: nothing.</summary>
    public static LibtorchException? ProblemOf(string folder)
    {
        if (!Directory.Exists(folder)) return new LibtorchException($"{FolderVariable}: no folder {folder}; {Wanted}");
        string[] missing = [.. Cpu.Where(n => !File.Exists(Path.Combine(folder, n)))];
        if (missing.Length > 0) return new LibtorchException($"{FolderVariable}: {folder} holds no {string.Join(", ", missing)}; {Wanted}");
        return VersionIn(folder) is { } version && (version.Major, version.Minor) != (Expected.Major, Expected.Minor)
            ? new LibtorchException($"{FolderVariable}: {folder} holds libtorch {version}, and TorchSharp's native part works with {Expected.Major}.{Expected.Minor} only; {Wanted}") : null;
    }

    /// <summary>Why this libtorch has no CUDA device, as the end of a sentence.</summary>
    public static string CudaProblem()
    {
        string folder = LoadedFolder() ?? Shipped;
        // The program's own libtorch may consist of links into several package folders.
        if (!File.Exists(Path.Combine(folder, Cuda)) && (Folder is not null || !File.Exists(Path.Combine(Shipped, Cuda))))
            return $"the libtorch in {folder} is the build for the CPU; write cuda into the element Libtorch of Directory.Build.props and start ./llmfusion again, or let {FolderVariable} name the torch/lib of a PyTorch {Expected.Major}.{Expected.Minor} with CUDA"
                + (DriverIsThere() ? "" : $"; besides, there is no NVIDIA driver here ({Driver} cannot be loaded)");
        if (!DriverIsThere()) return $"there is no NVIDIA driver here: {Driver} cannot be loaded";
        if (!File.Exists("/dev/nvidiactl") && !File.Exists("/dev/dxg")) return "there is a driver, but no device: /dev/nvidiactl is missing (a container must be given the GPU)";
        return $"the libtorch in {folder} finds none: CUDA_VISIBLE_DEVICES may hide it, or the driver may be older than this libtorch's CUDA";
    }

    /// <summary>The folder that libtorch was loaded from; null where it is not loaded or the system does not tell.</summary>
    public static string? LoadedFolder()
    {
        if (!File.Exists("/proc/self/maps")) return null;
        string? file = File.ReadLines("/proc/self/maps").Where(l => l.EndsWith("/libtorch_cpu.so", StringComparison.Ordinal) || l.Contains("/libtorch_cpu.so.", StringComparison.Ordinal))
            .Select(l => l[l.IndexOf('/', StringComparison.Ordinal)..]).FirstOrDefault();
        return Path.GetDirectoryName(file);
    }

    /// <summary>The version of the libtorch in a folder, from what PyTorch and libtorch's own archive put beside it, or from file names; null where none tells.</summary>
    internal static Version? VersionIn(string folder)
    {
        string parent = Path.GetDirectoryName(folder.TrimEnd('/')) ?? folder;
        foreach (string file in new[] { Path.Combine(parent, "version.py"), Path.Combine(parent, "build-version"), Path.Combine(folder, "build-version") })
            if (File.Exists(file) && VersionText().Match(File.ReadAllText(file)) is { Success: true } found) return Version.Parse(found.Value);
        string? library = Cpu.Select(n => Path.Combine(folder, n)).FirstOrDefault(File.Exists);
        string target = library is null ? "" : File.ResolveLinkTarget(library, returnFinalTarget: true)?.Name ?? "";
        return VersionText().Match(target) is { Success: true } named ? Version.Parse(named.Value) : null;
    }

    private static string Wanted => $"expected a folder with libtorch {Expected.Major}.{Expected.Minor}, such as the torch/lib of an installed PyTorch {Expected.Major}.{Expected.Minor}";

    private static LibtorchException? Load()
    {
        if (Folder is not { } folder) return null;
        if (ProblemOf(folder) is { } problem) return problem;
        if (HasOwn) return new LibtorchException($"{FolderVariable}: {AppContext.BaseDirectory} has a libtorch of its own, and two cannot be loaded; start the program as a command, which makes room");
        try
        {
            // TorchSharp's library asks for these by name, and the dynamic linker takes what is loaded already.
            foreach (string name in Cpu.Reverse().Append(Cuda).Where(n => File.Exists(Path.Combine(folder, n)))) NativeLibrary.Load(Path.Combine(folder, name));
            return null;
        }
        catch (DllNotFoundException e)
        {
            return new LibtorchException($"{FolderVariable}: the libtorch in {folder} does not load: {e.Message.Split('\n').Last(l => l.Trim().Length > 0).Trim()}");
        }
    }

    private static bool DriverIsThere()
    {
        if (!NativeLibrary.TryLoad(Driver, out nint library)) return false;
        NativeLibrary.Free(library);
        return true;
    }

    [GeneratedRegex(@"\d+\.\d+(\.\d+)?")]
    private static partial Regex VersionText();
}
