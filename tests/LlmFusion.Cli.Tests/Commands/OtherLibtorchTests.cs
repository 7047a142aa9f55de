using System.Diagnostics;
using LlmFusion.Transformers;
using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

/// <summary>LLMFUSION_LIBTORCH, seen from outside: the choice is made before anything of torch is loaded.</summary>
public sealed class OtherLibtorchTests : IDisposable
{
    private static readonly string Native = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");

    private readonly CommandLine _cli = new();

    public void Dispose() => _cli.Dispose();

    [Fact]
    public void Another_folder_with_the_same_version_computes()
    {
        Directory.CreateDirectory(_cli["torch/lib"]);
        // Copies of what is linked: the linker knows a library by its file, and takes a second name for the same.
        foreach (string file in Directory.GetFiles(Native).Where(f => Path.GetFileName(f) is var name && (name.StartsWith("libtorch.", StringComparison.Ordinal)
            || name.StartsWith("libtorch_cpu", StringComparison.Ordinal) || name.StartsWith("libc10", StringComparison.Ordinal) || name.StartsWith("libgomp", StringComparison.Ordinal))))
            File.Copy(file, Path.Combine(_cli["torch/lib"], Path.GetFileName(file)));
        File.WriteAllText(_cli["torch/version.py"], $"__version__ = '{Libtorch.Expected}+cu128'\n");
        (int code, string output, string error) = Run("doctor", "--json");
        Assert.True(code == 0, output + error);
        Assert.Contains(Path.Combine(_cli["torch/lib"], "libtorch_cpu.so"), output, StringComparison.Ordinal);
        Assert.DoesNotContain(Path.Combine(Native, "libtorch_cpu.so"), output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_libtorch_or_with_another_version_is_refused_by_what_it_lacks()
    {
        Directory.CreateDirectory(_cli["torch/lib"]);
        Refused("holds no libtorch.so, libtorch_cpu.so, libc10.so");
        foreach (string name in new[] { "libtorch.so", "libtorch_cpu.so", "libc10.so" }) File.WriteAllText(Path.Combine(_cli["torch/lib"], name), "");
        File.WriteAllText(_cli["torch/version.py"], "__version__ = '2.1.2+cu121'\n");
        Refused("holds libtorch 2.1.2");
        Directory.Delete(_cli["torch"], recursive: true);
        Refused("no folder");

        void Refused(string reason)
        {
            (int code, _, string error) = Run("train", "--data", "demo", "-o", _cli["model"]);
            Assert.Equal(ExitCode.Failed, code);
            Assert.Contains(reason, error, StringComparison.Ordinal);
            Assert.Contains($"libtorch {Libtorch.Expected.Major}.{Libtorch.Expected.Minor}", error, StringComparison.Ordinal);
            (code, string output, _) = Run("doctor");
            Assert.Equal(ExitCode.Failed, code);
            Assert.Contains(reason, output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Cuda_where_there_is_none_is_an_error_that_says_what_is_missing()
    {
        Assert.SkipWhen(TorchSharp.torch.cuda.is_available(), "this machine has a GPU");
        Assert.Equal(ExitCode.Failed, await _cli.Run("train", "--data", "demo", "--device", "cuda", "-o", _cli["model"]));
        Assert.Contains("is the build for the CPU", _cli.Error, StringComparison.Ordinal);
        Assert.Contains(Libtorch.FolderVariable, _cli.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_cli["model"]));
    }

    [Fact]
    public async Task Products_in_bfloat16_train_and_a_note_says_where_they_are_slow()
    {
        Assert.Equal(ExitCode.Done, await _cli.Run("train", "--data", "demo", "--modalities", "fingerprint,graph", "--size", "tiny", "--epochs", "1", "--bf16", "-o", _cli["model"]));
        Assert.True(File.Exists(_cli["model/model.safetensors"]));
        Assert.Equal(!BFloat16Products.AreFastOn(TorchSharp.torch.CPU), _cli.Error.Contains("no AVX512-BF16", StringComparison.Ordinal));
    }

    private (int Code, string Output, string Error) Run(params string[] arguments)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "LlmFusion.Cli"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[Libtorch.FolderVariable] = _cli["torch/lib"];
        start.Environment["LLMFUSION_PROGRAMS"] = _cli["programs"];
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
