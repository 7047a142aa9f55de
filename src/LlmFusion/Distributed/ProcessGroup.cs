using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Distributed;

/// <summary>
/// The processes that train one model together, one of them this one. A process that was started alone is a group of one,
/// which touches nothing of MPI. Every rank calls the same methods in the same order.
/// </summary>
public sealed class ProcessGroup
{
    private static ProcessGroup? joined;

    private ProcessGroup(int rank, int size, int localRank, int localSize) =>
        (Rank, Size, LocalRank, LocalSize) = (rank, size, localRank, localSize);

    /// <summary>A process by itself.</summary>
    public static ProcessGroup Alone { get; } = new(0, 1, 0, 1);

    /// <summary>This process's number; 0 writes files and talks to the user.</summary>
    public int Rank { get; }

    /// <summary>How many processes there are.</summary>
    public int Size { get; }

    /// <summary>This process's number on its node.</summary>
    public int LocalRank { get; }

    /// <summary>How many processes are on this node.</summary>
    public int LocalSize { get; }

    /// <summary>Whether this process writes.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>Seconds that this process has spent in sums, and waiting for those that ran beside the backward pass.</summary>
    internal double SecondsInSums { get; set; }

    /// <summary>
    /// Joins the group that a launcher started, at most once in a process, and gives libtorch this process's share of the node's
    /// cores; <see cref="Alone"/> where no launcher did.
    /// </summary>
    /// <exception cref="MpiException">MPI is missing, or was not started by this launcher.</exception>
    public static ProcessGroup Join()
    {
        if (joined is not null) return joined;
        if (Launch.Current is not { } launch) return Alone;
        if (MpiNative.Load() is { } reason)
            throw new MpiException($"{launch.Launcher} started {launch.Size} processes, but Open MPI's library cannot be loaded ({reason}); install it (Debian: openmpi-bin), load the cluster's module, or set {Launch.SwitchVariable}=off for independent runs");
        (int rank, int size, int localRank, int localSize) = MpiNative.Initialize();
        if (size != launch.Size)
            throw new MpiException($"{launch.Launcher} started {launch.Size} processes, but {MpiNative.Version()} sees {size}: start them with Open MPI's own mpirun, or with srun --mpi=pmix");
        joined = new ProcessGroup(rank, size, localRank, localSize);
        if (ThreadsPerRank(localSize, Environment.GetEnvironmentVariable) is { } threads) set_num_threads(threads);
        return joined;
    }

    /// <summary>Leaves the job in good order, which waits for all ranks; nothing where there is none.</summary>
    public void Leave()
    {
        if (Size == 1 || joined is null) return;
        joined = null;
        MpiNative.Barrier(); // MPI_Finalize would wait busily
        MpiNative.Leave();
    }

    /// <summary>Ends all processes of the job where this one has joined and not left it; else nothing.</summary>
    /// <param name="code">The exit code of the job.</param>
    public static void AbortIfJoined(int code)
    {
        if (joined is not null) MpiNative.Abort(code);
    }

    /// <summary>This rank's part of the rows that all ranks have in the same order: every <see cref="Size"/>th.</summary>
    public int[] Share(IReadOnlyList<int> rows) => Size == 1 ? [.. rows] : [.. rows.Where((_, i) => i % Size == Rank)];

    /// <summary>Makes values the sums over all ranks, the same bits on each.</summary>
    public void Sum(Span<double> values)
    {
        if (Size == 1) return;
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        MpiNative.Sum(values, Rank);
        SecondsInSums += System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>The sum of a value over all ranks.</summary>
    public double Total(double here)
    {
        Span<double> values = [here];
        Sum(values);
        return values[0];
    }

    /// <summary>Whether any rank says yes.</summary>
    public bool Any(bool here) => Total(here ? 1 : 0) > 0;

    /// <summary>Seconds that this process waited for others, and for sums, since the last call.</summary>
    public double TakeSecondsInSums()
    {
        double seconds = SecondsInSums;
        SecondsInSums = 0;
        return seconds;
    }

    /// <summary>Gives every rank the tensors of rank 0.</summary>
    /// <param name="tensors">Tensors of the same shapes on every rank, written in place.</param>
    public void Broadcast(IEnumerable<Tensor> tensors)
    {
        if (Size == 1) return;
        using IDisposable noGrad = no_grad();
        foreach (Tensor tensor in tensors)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor host = tensor.detach().cpu().contiguous();
            MpiNative.Broadcast(host.bytes);
            if (!IsFirst) tensor.copy_(host);
        }
    }

    /// <summary>Lets rank 0 do the work before the others do the same, which then find what it left behind (downloads, embeddings).</summary>
    public T FirstRankFirst<T>(Func<T> work)
    {
        if (Size == 1) return work();
        if (!IsFirst) MpiNative.Barrier();
        T result = work();
        if (IsFirst) MpiNative.Barrier();
        return result;
    }

    /// <summary>Waits, asleep, until every rank is here.</summary>
    public void Wait()
    {
        if (Size > 1) MpiNative.Barrier();
    }

    /// <summary>The version of the MPI library that would be used; null where there is none. Loads it, and starts nothing.</summary>
    public static string? LibraryVersion() => MpiNative.Load() is null ? MpiNative.Version() : null;

    /// <summary>
    /// How many threads libtorch may use in one of the processes of a node: null (its own choice) where OMP_NUM_THREADS is set;
    /// the batch system's number; or the node's cores divided by its processes, at most those it is bound to.
    /// </summary>
    /// <param name="localSize">How many processes are on the node.</param>
    /// <param name="variable">The value of an environment variable, null where it is not set.</param>
    public static int? ThreadsPerRank(int localSize, Func<string, string?> variable)
    {
        if (variable("OMP_NUM_THREADS") is { Length: > 0 }) return null;
        if (int.TryParse(variable("SLURM_CPUS_PER_TASK"), NumberStyles.None, CultureInfo.InvariantCulture, out int given) && given > 0) return given;
        return Math.Max(1, Math.Min(Environment.ProcessorCount, MpiNative.OnlineCores() / localSize));
    }
}
