using System.Runtime.CompilerServices;
using TorchSharp;

namespace LlmFusion.Tests;

internal static class AssemblySetup
{
    /// <summary>The networks here are tiny: threads would wait for each other longer than they compute.</summary>
    [ModuleInitializer]
    internal static void UseOneThread() => torch.set_num_threads(1);
}
