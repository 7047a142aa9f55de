using System.Text.Json.Serialization;

namespace LlmFusion.Diagnostics;

/// <summary>What a support request needs to know about an installation.</summary>
/// <param name="Parts">Programs and libraries, found or not.</param>
/// <param name="Machine">The computer.</param>
/// <param name="Folders">Where data and models are looked for.</param>
public sealed record DoctorReport(IReadOnlyList<Part> Parts, Machine Machine, IReadOnlyList<KnownFolder> Folders)
{
    /// <summary>True if no part is missing that a command could need.</summary>
    public bool Complete => Parts.All(p => p.Problem is null);

    /// <summary>This report as JSON text, names in snake_case.</summary>
    public string ToJson() => System.Text.Json.JsonSerializer.Serialize(this, DoctorJson.Default.DoctorReport);
}

/// <summary>A program or library that the project stands on.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Version">Its version, null where it is missing.</param>
/// <param name="Path">The file or folder it was found in, null where that is unknown.</param>
/// <param name="Problem">Why it cannot be used; null if it can.</param>
/// <param name="Remedy">The command that mends the problem.</param>
public sealed record Part(string Name, string? Version, string? Path, string? Problem = null, string? Remedy = null);

/// <summary>The computer, as far as it decides about speed.</summary>
/// <param name="System">The operating system and its architecture.</param>
/// <param name="Processor">The processor's name.</param>
/// <param name="Vectors">The widest vector instructions that it has: AVX-512, AVX2, none of these.</param>
/// <param name="Cores">Cores that this process may use.</param>
/// <param name="Threads">Threads that libtorch computes with; null where it does not load.</param>
/// <param name="MemoryBytes">Memory that this process may use.</param>
/// <param name="FreeMemoryBytes">Memory that is free now; null where the system does not tell.</param>
/// <param name="Device">What <c>--device auto</c> computes on.</param>
/// <param name="DeviceNote">What stands against a better device, if anything does.</param>
public sealed record Machine(
    string System,
    string Processor,
    string Vectors,
    int Cores,
    int? Threads,
    long MemoryBytes,
    long? FreeMemoryBytes,
    string Device,
    string? DeviceNote);

/// <summary>A folder that commands look into by themselves.</summary>
/// <param name="Name">What it is for.</param>
/// <param name="Path">Where it is.</param>
/// <param name="Exists">True if it is there.</param>
/// <param name="Contents">What was found in it, by name.</param>
/// <param name="SetBy">The environment variable that moves it.</param>
public sealed record KnownFolder(string Name, string Path, bool Exists, IReadOnlyList<string> Contents, string SetBy);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(DoctorReport))]
internal sealed partial class DoctorJson : JsonSerializerContext;
