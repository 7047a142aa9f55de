using static TorchSharp.torch;

namespace LlmFusion.Transformers.Kernels;

/// <summary>Loops over numbers in memory, shared out over as many cores as libtorch uses.</summary>
public static class Cores
{
    /// <summary>Calls <paramref name="body"/> for consecutive ranges that cover 0 to <paramref name="count"/>; on this thread alone where there is little to do.</summary>
    /// <param name="count">How many items.</param>
    /// <param name="least">Items for which another thread is worth its start.</param>
    /// <param name="body">Does the items from its first argument up to, not including, its second; on several threads at once.</param>
    public static void Share(long count, long least, Action<long, long> body)
    {
        int threads = (int)Math.Clamp(count / Math.Max(1, least), 1, get_num_threads());
        if (threads == 1) body(0, count);
        else Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, part => body(count * part / threads, count * (part + 1) / threads));
    }
}
