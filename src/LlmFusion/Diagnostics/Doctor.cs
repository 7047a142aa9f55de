using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Distributed;
using LlmFusion.Embedding;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;
using TorchSharp;

namespace LlmFusion.Diagnostics;

/// <summary>Looks at an installation: what is there, which version, from where, and what is missing.</summary>
public static class Doctor
{
    private const string Apt = "sudo apt-get install -y --no-install-recommends ";

    /// <summary>Examines this machine. Loads every native library, and fails on none: what does not load is reported.</summary>
    public static DoctorReport Examine()
    {
        Part libtorch = Libtorch();
        List<Part> parts = [Program(), Runtime(), Sdk(), libtorch, RdkitPart(), XgboostPart(), OpenBlasPart(), MallocPart(), CudaPart(libtorch.Problem is null), MpiPart()];
        return new DoctorReport(parts, ThisMachine(libtorch.Problem is null), Folders());
    }

    private static Part Program()
    {
        Assembly assembly = typeof(Doctor).Assembly;
        string version = assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
        return new Part("LlmFusion", version, AppContext.BaseDirectory.TrimEnd('/'));
    }

    private static Part Runtime() =>
        new(".NET runtime", Environment.Version.ToString(), RuntimeEnvironment.GetRuntimeDirectory().TrimEnd('/'));

    /// <summary>The SDK beside the running runtime. A published program needs none, so that its absence is no problem.</summary>
    private static Part Sdk()
    {
        // ROOT/shared/Microsoft.NETCore.App/10.0.0/
        string root = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        string sdks = Path.Combine(root, "sdk");
        string? newest = Directory.Exists(sdks)
            ? Directory.GetDirectories(sdks).Select(Path.GetFileName).OfType<string>()
                .Where(n => Version.TryParse(n.Split('-')[0], out _)).MaxBy(n => Version.Parse(n.Split('-')[0]))
            : null;
        return newest is null
            ? new Part(".NET SDK", null, null)
            : new Part(".NET SDK", newest, Path.Combine(sdks, newest));
    }

    private static Part Libtorch()
    {
        try
        {
            Transformers.Libtorch.Use();
            using torch.Tensor one = torch.ones(1);
            return new Part("libtorch", Version.Parse(torch.__version__).ToString(3), LoadedFile("libtorch_cpu.so") ?? LoadedFile("libtorch.so"));
        }
        catch (LibtorchException e)
        {
            return new Part("libtorch", null, null, e.Message, $"unset {Transformers.Libtorch.FolderVariable}");
        }
        catch (Exception e) when (IsLoadFailure(e))
        {
            return new Part("libtorch", null, null, Reason(e), "rm -rf .setup && ./llmfusion doctor");
        }
    }

    private static Part RdkitPart()
    {
        try
        {
            return new Part("RDKit", Rdkit.Version, LoadedFile("libRDKitGraphMol.so"));
        }
        catch (Exception e) when (IsLoadFailure(e))
        {
            return new Part("RDKit", null, null, Reason(e), Apt + "librdkit-dev && rm -rf .setup && ./llmfusion doctor");
        }
    }

    private static unsafe Part XgboostPart()
    {
        foreach (string name in new[] { "libxgboost.so.0", "libxgboost.so", "xgboost" })
        {
            if (!NativeLibrary.TryLoad(name, out nint library)) continue;
            if (!NativeLibrary.TryGetExport(library, "XGBoostVersion", out nint function)) continue;
            int major, minor, patch;
            ((delegate* unmanaged<int*, int*, int*, void>)function)(&major, &minor, &patch);
            return new Part("XGBoost", $"{major}.{minor}.{patch}", LoadedFile("libxgboost.so"));
        }

        return new Part("XGBoost", null, null, "libxgboost.so was not found", Apt + "libxgboost-dev");
    }

    /// <summary>Embedding is slower without it; nothing else misses it.</summary>
    private static Part OpenBlasPart() => new("OpenBLAS", OpenBlas.Version, OpenBlas.IsAvailable ? LoadedFile("libopenblas") : null);

    /// <summary>Training graphs is slower without it; nothing else misses it. The launcher preloads it.</summary>
    private static unsafe Part MallocPart()
    {
        if (!NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "tc_version", out nint function)) return new Part("tcmalloc", null, null);
        int major, minor;
        ((delegate* unmanaged<int*, int*, byte**, byte*>)function)(&major, &minor, null);
        return new Part("tcmalloc", $"{major}.{minor}", LoadedFile("libtcmalloc"));
    }

    /// <summary>Only <c>--device cuda</c> needs it.</summary>
    private static Part CudaPart(bool torchLoads)
    {
        bool there = torchLoads && torch.cuda_is_available();
        return new Part("CUDA", there ? $"{torch.cuda.device_count()} devices" : null, there ? LoadedFile("libtorch_cuda.so") : null);
    }

    /// <summary>Only several processes that train together need it.</summary>
    private static Part MpiPart()
    {
        string? version = ProcessGroup.LibraryVersion()?.Replace("Open MPI v", "", StringComparison.Ordinal);
        return new Part("Open MPI", version, version is null ? null : LoadedFile("libmpi.so"));
    }

    internal static Machine ThisMachine(bool torchLoads)
    {
        bool cuda = torchLoads && torch.cuda_is_available();
        string? note = cuda || !File.Exists("/dev/nvidia0")
            ? null
            : $"this machine has an NVIDIA GPU, but {(torchLoads ? Transformers.Libtorch.CudaProblem() : "libtorch does not load")}";
        string vectors = Avx512F.IsSupported ? "AVX-512" : Avx2.IsSupported ? "AVX2" : "none of AVX2, AVX-512";
        return new Machine(
            $"{RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}",
            SystemValue("/proc/cpuinfo", "model name") ?? "unknown",
            vectors,
            Environment.ProcessorCount,
            torchLoads ? torch.get_num_threads() : null,
            GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            SystemValue("/proc/meminfo", "MemAvailable") is { } free && long.TryParse(free.Split(' ')[0], out long kib) ? kib * 1024 : null,
            cuda ? "cuda" : "cpu",
            note);
    }

    private static List<KnownFolder> Folders()
    {
        string data = Path.GetFullPath(Catalog.Folder);
        List<string> sets = [.. Catalog.Entries.Select(e => e.Name).Where(n => Directory.Exists(Path.Combine(data, n)))];
        HubOptions hub = HubOptions.FromEnvironment();
        string store = EmbeddingStore.DefaultPath;
        return
        [
            new KnownFolder("data", data, Directory.Exists(data), sets, Catalog.FolderVariable),
            new KnownFolder("models", hub.Cache, Directory.Exists(hub.Cache), [.. new ModelHub(hub).Cached().Select(m => m.Id)], "HF_HUB_CACHE"),
            new KnownFolder("embeddings", Path.GetDirectoryName(store)!, File.Exists(store), File.Exists(store) ? [Path.GetFileName(store)] : [], EmbeddingStore.FolderVariable),
        ];
    }

    /// <summary>The file of a loaded library whose file name begins so; null where the system does not tell.</summary>
    private static string? LoadedFile(string name) =>
        File.Exists("/proc/self/maps")
            ? File.ReadLines("/proc/self/maps").Where(l => l.Contains('/', StringComparison.Ordinal))
                .Select(l => l[l.IndexOf('/', StringComparison.Ordinal)..])
                .FirstOrDefault(p => Path.GetFileName(p).StartsWith(name, StringComparison.Ordinal))
            : null;

    /// <summary>The value after "name :" in one of Linux's own tables; null where there is none.</summary>
    private static string? SystemValue(string file, string name) =>
        File.Exists(file)
            ? File.ReadLines(file).FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1].Trim()
            : null;

    private static bool IsLoadFailure(Exception e) =>
        e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException or TypeInitializationException
            or NotSupportedException or FileNotFoundException;

    private static string Reason(Exception e)
    {
        while (e is TypeInitializationException { InnerException: { } inner }) e = inner;
        return e.Message.Split('\n')[0].Trim();
    }
}
