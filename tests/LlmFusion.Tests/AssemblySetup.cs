using System.Runtime.CompilerServices;
using TorchSharp;

// torch's generator and its count of live tensors belong to the whole process.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace LlmFusion.Tests;

internal static class AssemblySetup
{
    /// <summary>The networks here are tiny: threads would wait for each other longer than they compute.</summary>
    [ModuleInitializer]
    internal static void UseOneThread() => torch.set_num_threads(1);
}
