using LlmFusion.Packaging;
using LlmFusion.Tests.Setup;
using Xunit;

namespace LlmFusion.Tests.Packaging;

/// <summary>A pack needs glibc and nothing else. The program is the one in src, which the set-up has built.</summary>
public sealed class ProgramPackTests : IDisposable
{
    private static readonly string Program = Repository.PathOf("src", "LlmFusion.Cli", "bin", "Release", "net10.0", "LlmFusion.Cli");

    private static readonly string[] Glibc =
        ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libresolv.so.2", "libutil.so.1", "ld-linux-x86-64.so.2"];

    private readonly string folder = Directory.CreateTempSubdirectory("llmfusion-pack-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Every_library_that_a_packed_file_asks_for_is_in_the_pack_or_is_glibcs()
    {
        IReadOnlyList<PackedFile> files = ProgramPack.Plan(Path.GetDirectoryName(Program)!);
        HashSet<string> there = [.. files.Select(f => Path.GetFileName(f.Target)), .. Glibc];
        Assert.Equal(files.Count, files.Select(f => f.Target).Distinct().Count());
        PackedFile[] libraries = [.. files.Where(f => Path.GetFileName(f.Target).Contains(".so", StringComparison.Ordinal) || Path.GetExtension(f.Target).Length == 0)];
        Ended read = await Shell.RunAsync("readelf", ["-d", .. libraries.Select(f => f.Source)], folder, new Dictionary<string, string?>(), TimeSpan.FromMinutes(1));
        Assert.Equal(0, read.ExitCode);
        string file = "";
        int needs = 0;
        foreach (string line in read.Output.Split('\n'))
        {
            if (line.StartsWith("File: ", StringComparison.Ordinal)) file = line[6..];
            if (!line.Contains("(NEEDED)", StringComparison.Ordinal)) continue;
            needs++;
            Assert.True(there.Contains(line.Split('[', ']')[1]), $"{file} needs {line.Split('[', ']')[1]}");
        }

        Assert.True(needs > 300, $"{needs} needs found");
        foreach (string name in new[] { "libhostfxr.so", "libcoreclr.so", "libtorch_cpu.so", "libLibTorchSharp.so", "libllmfusion_rdkit.so", "libRDKitGraphMol.so.1", "libssl.so.3", "libtcmalloc_minimal.so.4", "LlmFusion.Cli" })
            Assert.Contains(name, there);
        Assert.DoesNotContain(files, f => Glibc.Contains(Path.GetFileName(f.Target)) || f.Target.Contains("win-x64", StringComparison.Ordinal));
        Assert.DoesNotContain(files, f => Path.IsPathRooted(f.Target) || f.Target.Contains("..", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_launcher_preloads_the_packs_malloc_wherever_the_pack_lies()
    {
        string pack = Path.Combine(folder, "my pack");
        foreach (string part in new[] { "lib", "program" }) Directory.CreateDirectory(Path.Combine(pack, part));
        File.Copy("/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4", Path.Combine(pack, "lib", "libtcmalloc_minimal.so.4"));
        // Its loader has the library mapped, or it has not been found.
        foreach ((string file, string text) in new[] { ("llmfusion", ProgramPack.Launcher), ("program/LlmFusion.Cli", "#!/bin/sh\ngrep -c \"my pack/lib/libtcmalloc\" /proc/self/maps\necho \"$@ $TCMALLOC_LARGE_ALLOC_REPORT_THRESHOLD\"\n") })
        {
            File.WriteAllText(Path.Combine(pack, file), text);
            File.SetUnixFileMode(Path.Combine(pack, file), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        Ended ended = await Shell.RunAsync(Path.Combine(pack, "llmfusion"), ["predict"], folder, new Dictionary<string, string?> { ["LD_PRELOAD"] = null }, TimeSpan.FromSeconds(20));
        Assert.True(ended.ExitCode == 0 && ended.Error.Length == 0, ended.ToString());
        Assert.Matches("^[1-9][0-9]*\npredict 1[0-9]+\n$", ended.Output);
    }

    [Fact]
    public void A_folder_with_anything_in_it_is_left_alone()
    {
        File.WriteAllText(Path.Combine(folder, "mine"), "");
        Assert.Contains("is there already", Assert.Throws<IOException>(() => ProgramPack.Write(folder, cancellation: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        Assert.Equal(["mine"], Directory.GetFiles(folder).Select(Path.GetFileName));
    }

    /// <summary>debootstrap's smallest Debian: no root, no network, no package but those that a Debian cannot be without.</summary>
    [Fact]
    public async Task A_pack_trains_and_predicts_in_an_empty_system()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("LLMFUSION_SLOW_TESTS") == "1", "set LLMFUSION_SLOW_TESTS=1: this installs a Debian into a folder");
        Assert.SkipUnless(Environment.UserName == "root" && File.Exists("/usr/sbin/debootstrap"), "needs root and debootstrap");
        Dictionary<string, string?> none = [];
        string system = Path.Combine(folder, "system"), pack = Path.Combine(system, "opt", "pack");
        Ended made = await Shell.RunAsync("debootstrap", ["--variant=minbase", "bookworm", system], folder, none, TimeSpan.FromMinutes(8));
        Assert.True(made.ExitCode == 0, made.ToString());
        Ended packed = await Shell.RunAsync(Program, ["pack", pack], folder, none, TimeSpan.FromMinutes(2));
        Assert.True(packed.ExitCode == 0, packed.ToString());
        const string inside = """
            mount --bind /proc "$1/proc" && mount --rbind /sys "$1/sys" && mkdir -m 777 "$1/work" &&
            exec chroot --userspec=65534:65534 "$1" /usr/bin/env -i HOME=/work PATH=/usr/bin:/bin sh -ec '
                cd /work
                /opt/pack/llmfusion train --data demo --size tiny --epochs 1 -o model
                /opt/pack/llmfusion predict --model model --smiles CCO
                test -s model/plots/learning-curve.png'
            """;
        Ended ran = await Shell.RunAsync("unshare", ["--mount", "--net", "sh", "-c", inside, "sh", system], folder, none, TimeSpan.FromMinutes(5));
        Assert.True(ran.ExitCode == 0, ran.ToString());
        Assert.Contains("CCO", ran.Output, StringComparison.Ordinal);
    }
}
