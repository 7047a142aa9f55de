using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using LlmFusion.Chemistry;
using LlmFusion.Diagnostics;
using TorchSharp;

namespace LlmFusion.Training;

/// <summary>What a run computes with. Configuration, data and this are all that a repeat to the last bit needs.</summary>
public sealed record RunEnvironment
{
    /// <summary>Version of this program.</summary>
    public required string Program { get; init; }

    /// <summary>Version of libtorch.</summary>
    public required string Libtorch { get; init; }

    /// <summary>Version of RDKit.</summary>
    public required string Rdkit { get; init; }

    /// <summary>Version of XGBoost where trees were grown, else null.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Xgboost { get; init; }

    /// <summary>Version of the .NET runtime.</summary>
    public required string Dotnet { get; init; }

    /// <summary>Operating system and architecture.</summary>
    public required string System { get; init; }

    /// <summary>The processor's name.</summary>
    public required string Processor { get; init; }

    /// <summary>Its widest vector instructions, by which libtorch chooses its kernels.</summary>
    public required string Vectors { get; init; }

    /// <summary>Threads that libtorch computes with: they decide the order of sums.</summary>
    public required int Threads { get; init; }

    /// <summary>cpu or cuda.</summary>
    public required string Device { get; init; }

    /// <summary>Environment variables that are set and change kernels or threads.</summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();

    private static readonly string[] Known =
        ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_DYNAMIC", "MKL_DYNAMIC", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY", "CUBLAS_WORKSPACE_CONFIG"];

    /// <summary>Of this process.</summary>
    /// <param name="device">Where the network lies.</param>
    public static RunEnvironment Current(torch.Device device)
    {
        Machine machine = Doctor.ThisMachine(torchLoads: true);
        return new RunEnvironment
        {
            Program = typeof(RunEnvironment).Assembly.GetName().Version!.ToString(3),
            Libtorch = torch.__version__,
            Rdkit = Chemistry.Rdkit.Version,
            Dotnet = RuntimeInformation.FrameworkDescription,
            System = machine.System,
            Processor = machine.Processor,
            Vectors = machine.Vectors,
            Threads = torch.get_num_threads(),
            Device = device.type.ToString().ToLowerInvariant(),
            Variables = Known.Select(name => (name, value: Environment.GetEnvironmentVariable(name))).Where(v => v.value is { Length: > 0 }).ToDictionary(v => v.name, v => v.value!),
        };
    }

    /// <summary>What differs in a way that can change the last bits, in words; empty where nothing does.</summary>
    public IReadOnlyList<string> DifferencesFrom(RunEnvironment before)
    {
        (string What, string Before, string Now)[] all =
        [
            ("libtorch", before.Libtorch, Libtorch), ("processor", before.Processor, Processor), ("vector instructions", before.Vectors, Vectors),
            ("threads", $"{before.Threads}", $"{Threads}"), ("device", before.Device, Device),
            .. Known.Skip(2).Select(name => (name, before.Variables.GetValueOrDefault(name) ?? "unset", Variables.GetValueOrDefault(name) ?? "unset")),
        ];
        return [.. all.Where(d => d.Before != d.Now).Select(d => $"{d.What} {d.Now} (before: {d.Before})")];
    }
}
