using System.Runtime.ExceptionServices;
using LlmFusion.Transformers;
using static TorchSharp.torch;

namespace LlmFusion.Embedding;

/// <summary>Runs independent pieces of tensor work on threads of their own, with one libtorch thread each.</summary>
internal static class CpuWorkers
{
    /// <summary>Works through all items, in their order as far as they begin; the first failure ends the others and is thrown.</summary>
    /// <param name="most">Most threads; never more than libtorch would use.</param>
    /// <param name="items">The work.</param>
    /// <param name="work">Does one item; on several threads at once.</param>
    /// <param name="cancellation">Stops between items.</param>
    public static void Run<T>(int most, IReadOnlyList<T> items, Action<T> work, CancellationToken cancellation)
    {
        int threads = get_num_threads(), workers = Math.Min(threads, Math.Min(most, items.Count));
        if (workers <= 1 && threads > 1)
        {
            foreach (T item in items)
            {
                cancellation.ThrowIfCancellationRequested();
                work(item);
            }

            return;
        }

        int next = -1;
        Exception? failure = null;
        Thread[] running = [.. Enumerable.Range(0, workers).Select(_ => new Thread(Worker) { IsBackground = true, Name = "LlmFusion tensors" })];
        try
        {
            foreach (Thread thread in running) thread.Start();
            foreach (Thread thread in running) thread.Join();
        }
        finally
        {
            // MKL's number is the process's: the workers had set it to one.
            set_num_threads(threads);
        }

        if (failure is not null) ExceptionDispatchInfo.Throw(failure);

        void Worker()
        {
            try
            {
                set_num_threads(1);
                using IDisposable openBlas = OpenBlas.UseOnThisThread();
                while (Volatile.Read(ref failure) is null && Interlocked.Increment(ref next) is var i && i < items.Count)
                {
                    cancellation.ThrowIfCancellationRequested();
                    work(items[i]);
                }
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, e, null);
            }
        }
    }
}
