using System.Runtime.InteropServices;
using System.Text.Json;
using LlmFusion.Prediction;
using LlmFusion.Transformers;

namespace LlmFusion.Packaging;

/// <summary>One file of a packed program.</summary>
/// <param name="Source">Where it is here.</param>
/// <param name="Target">Where it goes, relative to the pack's folder.</param>
public sealed record PackedFile(string Source, string Target);

/// <summary>What was packed.</summary>
/// <param name="Folder">The pack's folder.</param>
/// <param name="Files">How many files it has.</param>
/// <param name="Bytes">Their size.</param>
/// <param name="Without">Optional libraries that were not found here, and are not in the pack.</param>
public sealed record PackSummary(string Folder, int Files, long Bytes, IReadOnlyList<string> Without);

/// <summary>
/// A folder with everything that the program needs but glibc: <c>llmfusion</c> starts it, <c>program/</c> is this program with
/// libtorch, <c>models/</c> the models that came with it, <c>dotnet/</c> its runtime, <c>lib/</c> the native libraries that Debian's packages gave it here. It runs on another
/// machine without root, network, SDK or packages. An MPI is not in it: a cluster has its own, made for its network.
/// </summary>
public static class ProgramPack
{
    /// <summary>The program's name in <c>program/</c>.</summary>
    private const string Program = "LlmFusion.Cli";

    /// <summary>Loaded by name while the program runs: boosting, embedding on AMD, allocating, and .NET's hashes and HTTPS.</summary>
    private static readonly string[] ByName = ["libxgboost.so.0", "libopenblas.so.0", "libtcmalloc_minimal.so.4", "libssl.so.3", "libcrypto.so.3"];

    /// <summary>Only for tracing with LTTng, which few machines have.</summary>
    private const string Tracing = "libcoreclrtraceptprovider.so";

    private const string Fonts = "/usr/share/fonts/truetype/dejavu";

    private const string Template = """
        #!/bin/sh
        # Starts LlmFusion from this folder, which may be moved. It needs an x86-64 Linux with glibc VERSION or newer, and nothing else.
        here=$(dirname "$(readlink -f "$0")")
        export DOTNET_ROOT="$here/dotnet"
        export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
        # libtorch's threads spin while they wait. Beside any other busy program that makes training several times slower.
        export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
        # In batches of ever other sizes glibc's malloc searches longer and longer. A preload of the user's own stays alone. Found by name, in
        # lib: a path with a blank would be taken for two. The threshold is that of a message about large blocks, which tensors are.
        malloc=libtcmalloc_minimal.so.4
        if [ -z "$LD_PRELOAD" ] && [ -e "$here/lib/$malloc" ]; then export LD_PRELOAD=$malloc TCMALLOC_LARGE_ALLOC_REPORT_THRESHOLD=1125899906842624; fi
        exec "$here/program/LlmFusion.Cli" "$@"

        """;

    /// <summary>The script that starts a pack made here.</summary>
    public static string Launcher => Template.Replace("VERSION", NativeDependencies.GlibcVersion(), StringComparison.Ordinal);

    /// <summary>Every file of a pack but its launcher.</summary>
    /// <param name="program">The folder of the command line's program; null: the running one's.</param>
    /// <exception cref="FileNotFoundException">A library that is needed is not on this machine.</exception>
    public static IReadOnlyList<PackedFile> Plan(string? program = null) => Plan(program ?? AppContext.BaseDirectory, out _);

    /// <summary>Writes a pack of the running program.</summary>
    /// <param name="folder">A folder that does not exist yet, or is empty. It appears when it is whole.</param>
    /// <param name="progress">Called with the bytes done and those of all files.</param>
    /// <param name="cancellation">Stops between files.</param>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public static PackSummary Write(string folder, Action<long, long>? progress = null, CancellationToken cancellation = default)
    {
        if (!OperatingSystem.IsLinux()) throw new NotSupportedException($"pack: got {RuntimeInformation.OSDescription}, expected Linux");
        if (Libtorch.Folder is not null) throw new NotSupportedException($"pack: unset {Libtorch.FolderVariable}; a pack has the program's own libtorch, and another can be chosen where it runs");
        folder = Path.GetFullPath(folder).TrimEnd('/');
        if (File.Exists(folder) || Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new IOException($"{folder}: is there already, expected a new or an empty folder");
        IReadOnlyList<PackedFile> files = Plan(AppContext.BaseDirectory, out IReadOnlyList<string> without);
        string part = folder + ".part";
        if (Directory.Exists(part)) Directory.Delete(part, recursive: true);
        long done = 0, all = files.Sum(f => Size(f.Source));
        foreach (PackedFile file in files)
        {
            cancellation.ThrowIfCancellationRequested();
            string target = Path.Combine(part, file.Target);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            // Through links, and with a mode of its own: package folders are not always readable by all.
            using (FileStream from = File.OpenRead(file.Source))
            using (FileStream to = File.Create(target)) from.CopyTo(to);
            File.SetUnixFileMode(target, Readable | ((File.GetUnixFileMode(file.Source) & UnixFileMode.UserExecute) != 0 ? Executable : 0));
            progress?.Invoke(done += Size(file.Source), all);
        }

        string launcher = Path.Combine(part, "llmfusion");
        File.WriteAllText(launcher, Launcher);
        File.SetUnixFileMode(launcher, Readable | Executable);
        if (Directory.Exists(folder)) Directory.Delete(folder);
        Directory.Move(part, folder);
        return new PackSummary(folder, files.Count + 1, all, without);
    }

    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Executable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private static List<PackedFile> Plan(string program, out IReadOnlyList<string> without)
    {
        List<PackedFile> files = [.. ProgramFiles(program), .. RuntimeFiles(program), .. ModelFiles(program)];
        HashSet<string> names = [.. files.Select(f => Path.GetFileName(f.Target))];
        List<(string Name, string File)> roots = [];
        List<string> missing = [];
        foreach (string name in ByName)
        {
            if (NativeDependencies.Find(name) is { } found) roots.Add((name, found));
            else missing.Add(name);
        }

        without = missing;
        foreach (string library in files.Select(f => f.Source).Where(NativeDependencies.IsElf).Concat(roots.Select(r => r.File)).ToArray())
        {
            foreach ((string name, string? file) in NativeDependencies.Of(library))
            {
                if (NativeDependencies.IsGlibc(name) || !names.Add(Path.GetFileName(name))) continue;
                files.Add(new PackedFile(file ?? throw new FileNotFoundException($"{library} needs {name}, which is not on this machine; ./llmfusion doctor shows what is missing"), $"lib/{Path.GetFileName(name)}"));
            }
        }

        foreach ((string name, string file) in roots)
            if (names.Add(name)) files.Add(new PackedFile(file, $"lib/{name}"));
        return files;
    }

    private static IEnumerable<PackedFile> ProgramFiles(string program)
    {
        string own = RuntimeInformation.RuntimeIdentifier;
        foreach (string file in Directory.EnumerateFiles(program, "*", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(program, file);
            string[] path = relative.Split('/');
            bool foreign = path[0] == "runtimes" && path[1] != own && path[1] != "linux-x64" && path[1] is not ("linux" or "unix");
            if (!foreign && Path.GetExtension(file) is not (".pdb" or ".xml")) yield return new PackedFile(file, $"program/{relative}");
        }

        if (!Directory.Exists(Fonts) || Directory.Exists(Path.Combine(program, "fonts"))) yield break;
        foreach (string face in new[] { "DejaVuSans.ttf", "DejaVuSans-Bold.ttf" }.Select(f => Path.Combine(Fonts, f)).Where(File.Exists))
            yield return new PackedFile(face, $"program/fonts/{Path.GetFileName(face)}");
    }

    /// <summary>The models that came with the program.</summary>
    private static IEnumerable<PackedFile> ModelFiles(string program) => ShippedModels.FolderFrom(program) is not { } models ? []
        : Directory.EnumerateFiles(models, "*", SearchOption.AllDirectories).Select(file => new PackedFile(file, $"models/{Path.GetRelativePath(models, file)}"));

    /// <summary>The host that starts a program, and the frameworks that it names.</summary>
    private static IEnumerable<PackedFile> RuntimeFiles(string program)
    {
        // ROOT/shared/Microsoft.NETCore.App/10.0.0/
        string runtime = RuntimeEnvironment.GetRuntimeDirectory().TrimEnd('/'), root = Path.GetFullPath(Path.Combine(runtime, "..", "..", ".."));
        string host = Path.Combine(root, "host", "fxr");
        if (!Directory.Exists(host)) throw new NotSupportedException($"{runtime} is no installed .NET runtime (there is no {host}): this program is published with its own, and its folder can be copied as it is");
        foreach (string folder in Frameworks(program).Select(name => Newest(Path.Combine(root, "shared", name))).Prepend(Newest(host)))
            foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
                if (Path.GetFileName(file) != Tracing && Path.GetExtension(file) != ".xml") yield return new PackedFile(file, $"dotnet/{Path.GetRelativePath(root, file)}");
    }

    private static List<string> Frameworks(string program)
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(program, $"{Program}.runtimeconfig.json")));
        JsonElement options = config.RootElement.GetProperty("runtimeOptions");
        IEnumerable<JsonElement> named = options.TryGetProperty("frameworks", out JsonElement several) ? several.EnumerateArray() : [options.GetProperty("framework")];
        return [.. named.Select(f => f.GetProperty("name").GetString()!)];
    }

    /// <summary>The newest version that is installed of the running one's major version.</summary>
    private static string Newest(string versions) =>
        Directory.Exists(versions) && Directory.GetDirectories(versions).Where(d => Version.TryParse(Path.GetFileName(d), out Version? v) && v.Major == Environment.Version.Major)
            .MaxBy(d => Version.Parse(Path.GetFileName(d))) is { } newest ? newest
            : throw new DirectoryNotFoundException($"{versions}: no version {Environment.Version.Major}, expected the one that runs this program");

    private static long Size(string file) => (File.ResolveLinkTarget(file, returnFinalTarget: true) is { } target ? new FileInfo(target.FullName) : new FileInfo(file)).Length;

}
