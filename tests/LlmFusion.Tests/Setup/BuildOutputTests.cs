using System.IO.Compression;
using System.Security.Cryptography;
using Xunit;

namespace LlmFusion.Tests.Setup;

/// <summary>bin links to libtorch, holds one patched library where libstdc++ needs it, and leaves the packages as shipped.</summary>
public class BuildOutputTests
{
    private static readonly string Native = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");

    [Fact]
    public void The_output_holds_no_copy_of_libtorch()
    {
        foreach (string bin in Directory.GetDirectories(Repository.PathOf("src")).Concat(Directory.GetDirectories(Repository.PathOf("tests")))
            .Select(p => Path.Combine(p, "bin", "Release")).Where(Directory.Exists))
        {
            long bytes = new DirectoryInfo(bin).EnumerateFiles("*", SearchOption.AllDirectories)
                .Where(f => f.LinkTarget is null).Sum(f => f.Length);
            Assert.True(bytes < 100_000_000, $"{bin} holds {bytes:N0} bytes of its own, expected less than 100,000,000");
        }
    }

    [Fact]
    public void The_package_folder_is_as_shipped()
    {
        string shipped = PackagedLibrary();
        string package = Directory.GetFiles(Path.GetFullPath(Path.Combine(shipped, "..", "..", "..", "..")), "*.nupkg").Single();
        using ZipArchive archive = ZipFile.OpenRead(package);
        using Stream entry = archive.GetEntry("runtimes/linux-x64/native/libLibTorchSharp.so")!.Open();
        Assert.Equal(SHA256.HashData(entry), SHA256.HashData(File.ReadAllBytes(shipped)));
    }

    [Fact]
    public void The_patched_library_differs_from_the_shipped_one_in_the_weak_flag_only()
    {
        string used = Path.Combine(Native, "libLibTorchSharp.so");
        Assert.SkipWhen(File.ResolveLinkTarget(used, returnFinalTarget: true) is not null, "libstdc++ is new enough here: the library is as shipped");
        byte[] before = File.ReadAllBytes(PackagedLibrary()), after = File.ReadAllBytes(used);
        Assert.Equal(before.Length, after.Length);
        int[] changed = [.. Enumerable.Range(0, before.Length).Where(i => before[i] != after[i])];
        Assert.Equal((0, 2), (before[Assert.Single(changed)], after[changed[0]]));
    }

    [Fact]
    public async Task A_published_program_carries_its_libraries_and_loads_them()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("LLMFUSION_SLOW_TESTS") == "1", "set LLMFUSION_SLOW_TESTS=1: this publishes half a gigabyte");
        string folder = Directory.CreateTempSubdirectory("llmfusion-publish-").FullName;
        try
        {
            string dotnet = Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root ? Path.Combine(root, "dotnet") : "dotnet";
            Ended published = await Shell.RunAsync(
                dotnet, ["publish", Repository.PathOf("src", "LlmFusion.Cli"), "-c", "Release", "-o", folder, "-nodeReuse:false", "-p:UseSharedCompilation=false"],
                Repository.Root, new Dictionary<string, string?>(), TimeSpan.FromMinutes(5));
            Assert.True(published.ExitCode == 0, published.ToString());
            Assert.DoesNotContain(new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories), f => f.LinkTarget is not null);

            Ended doctor = await Shell.RunAsync(
                Path.Combine(folder, "LlmFusion.Cli"), ["doctor", "--json"], folder, new Dictionary<string, string?>(), TimeSpan.FromMinutes(1));
            Assert.True(doctor.ExitCode == 0, doctor.ToString());
            Assert.Contains(Path.Combine(folder, "runtimes/linux-x64/native/libtorch_cpu.so"), doctor.Output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>TorchSharp's library in the package folder, found beside the libtorch that the output links to.</summary>
    private static string PackagedLibrary()
    {
        string libtorch = File.ResolveLinkTarget(Path.Combine(Native, "libtorch_cpu.so"), returnFinalTarget: true)!.FullName;
        // PACKAGES/libtorch-cpu-linux-x64/VERSION/runtimes/linux-x64/native/libtorch_cpu.so
        string packages = Path.GetFullPath(Path.Combine(libtorch, "..", "..", "..", "..", "..", ".."));
        string version = typeof(TorchSharp.torch).Assembly.GetName().Version!.ToString(3);
        return Path.Combine(packages, "torchsharp", version, "runtimes", "linux-x64", "native", "libLibTorchSharp.so");
    }
}
