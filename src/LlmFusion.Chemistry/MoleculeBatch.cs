using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace LlmFusion.Chemistry;

/// <summary>Maps the rows of a stream of any length on all cores, in row order.</summary>
public static class MoleculeBatch
{
    private const int RowsPerChunk = 256; // some 50 ms of parsing: the hand-over between threads costs nothing beside it

    /// <summary>
    /// Like LINQ's Select, but <paramref name="map"/> runs on several threads. Order is kept; at most a few thousand
    /// rows are held, however long the input is. The input is read by the thread that enumerates the result, never by
    /// two at once, and never after the enumeration ended. An exception of <paramref name="rows"/> or
    /// <paramref name="map"/> is thrown, unchanged, in its row's place, after the results of all earlier rows.
    /// </summary>
    /// <param name="rows">The input; read lazily.</param>
    /// <param name="map">Pure or thread-safe; called once a row.</param>
    /// <param name="threads">How many threads map; all cores where null.</param>
    /// <param name="ct">Ends the enumeration with <see cref="OperationCanceledException"/>.</param>
    public static IEnumerable<TOut> Select<TIn, TOut>(
        IEnumerable<TIn> rows, Func<TIn, TOut> map, int? threads = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(map);
        int workers = threads ?? Environment.ProcessorCount;
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1, nameof(threads));
        return Run(rows, map, workers, ct);
    }

    private static IEnumerable<TOut> Run<TIn, TOut>(IEnumerable<TIn> rows, Func<TIn, TOut> map, int workers, CancellationToken ct)
    {
        int ahead = 2 * workers + 1; // chunks under way: one being handed out, the rest keep every worker busy
        var pending = new Queue<Chunk<TIn, TOut>>(ahead);
        using var work = new BlockingCollection<Chunk<TIn, TOut>>(ahead);
        using IEnumerator<TIn> source = rows.GetEnumerator();
        Thread[] pool = [.. Enumerable.Range(0, workers).Select(_ => new Thread(() => Work(work, map)) { IsBackground = true, Name = "molecules" })];
        int started = 0;
        try
        {
            bool more = true;
            int size = 1; // grows, so that the first results come at once and a short input is still spread
            while (true)
            {
                while (more && pending.Count < ahead)
                {
                    ct.ThrowIfCancellationRequested();
                    Chunk<TIn, TOut> chunk = Fill<TIn, TOut>(source, size, out more);
                    size = Math.Min(2 * size, RowsPerChunk);
                    pending.Enqueue(chunk);
                    work.Add(chunk, ct);
                    if (started < workers) pool[started++].Start();
                }
                if (!pending.TryPeek(out Chunk<TIn, TOut>? next)) yield break;
                next.Done.Task.Wait(ct);
                foreach (TOut result in next.Results) yield return result;
                next.Error?.Throw();
                pending.Dequeue();
            }
        }
        finally
        {
            foreach (Chunk<TIn, TOut> chunk in pending) chunk.Abandoned = true;
            work.CompleteAdding();
            for (int i = 0; i < started; i++) pool[i].Join();
        }
    }

    private static Chunk<TIn, TOut> Fill<TIn, TOut>(IEnumerator<TIn> source, int size, out bool more)
    {
        var chunk = new Chunk<TIn, TOut>();
        try
        {
            while (chunk.Rows.Count < size)
            {
                more = source.MoveNext();
                if (!more) return chunk;
                chunk.Rows.Add(source.Current);
            }
            more = true;
        }
        catch (Exception e)
        {
            chunk.SourceError = ExceptionDispatchInfo.Capture(e);
            more = false;
        }
        return chunk;
    }

    private static void Work<TIn, TOut>(BlockingCollection<Chunk<TIn, TOut>> work, Func<TIn, TOut> map)
    {
        foreach (Chunk<TIn, TOut> chunk in work.GetConsumingEnumerable())
        {
            try
            {
                foreach (TIn row in chunk.Rows)
                {
                    if (chunk.Abandoned) break;
                    chunk.Results.Add(map(row));
                }
                chunk.Error = chunk.SourceError;
            }
            catch (Exception e)
            {
                chunk.Error = ExceptionDispatchInfo.Capture(e);
            }
            chunk.Done.SetResult();
        }
    }

    private sealed class Chunk<TIn, TOut>
    {
        public readonly List<TIn> Rows = [];
        public readonly List<TOut> Results = [];
        public readonly TaskCompletionSource Done = new();
        public ExceptionDispatchInfo? SourceError; // the input failed after these rows
        public ExceptionDispatchInfo? Error;       // thrown after these results
        public volatile bool Abandoned;            // nobody will read the results
    }
}
