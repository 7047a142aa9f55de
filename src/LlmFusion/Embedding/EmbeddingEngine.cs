using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using System.Text;
using LlmFusion.Transformers.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Embedding;

/// <summary>
/// Embeds sequences with a frozen encoder: what the store has is taken from it; of the rest duplicates are computed once,
/// in batches of equal token length, without padding and without a mask.
/// </summary>
/// <param name="encoder">Stays the caller's.</param>
/// <param name="store">Null: nothing is kept. Stays the caller's.</param>
/// <param name="device">Where the network computes.</param>
public sealed class EmbeddingEngine(FrozenEncoder encoder, EmbeddingStore? store, Device device)
{
    /// <summary>How long computed embeddings wait before they are written: what a killed run loses at most.</summary>
    private static readonly TimeSpan Unsaved = TimeSpan.FromSeconds(5);

    private long? _filed;

    /// <summary>Sequences that the network has computed.</summary>
    public long Computed { get; private set; }

    /// <summary>Embeddings that the store had.</summary>
    public long Found { get; private set; }

    /// <summary>Embeds texts.</summary>
    /// <param name="texts">N texts; a null stays null, and so does a text without any token.</param>
    /// <param name="progress">Called with the number of different texts that are done.</param>
    /// <param name="cancellation">Stops between batches; what is computed is kept in the store.</param>
    /// <returns>N embeddings.</returns>
    public Embedded?[] Embed(IReadOnlyList<string?> texts, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        Dictionary<string, int> places = new(StringComparer.Ordinal);
        List<string> different = [];
        foreach (string text in texts.OfType<string>())
            if (places.TryAdd(text, different.Count)) different.Add(text);

        long? filed = _filed ??= encoder.Identity is not null ? store?.Register(encoder) : null;
        byte[][] keys = filed is null ? [] : [.. different.Select(text => SHA256.HashData(Encoding.UTF8.GetBytes(text)))];
        Embedded?[] embedded = filed is null ? new Embedded?[different.Count] : store!.Find(filed.Value, encoder.Width, keys);
        int[] missing = [.. Enumerable.Range(0, different.Count).Where(i => embedded[i] is null)];
        Found += different.Count - missing.Length;
        if (missing.Length > 0) Compute(different, missing, embedded, filed, keys, progress, cancellation);
        progress?.Invoke(different.Count);
        return [.. texts.Select(text => text is null ? null : embedded[places[text]])];
    }

    /// <summary>
    /// The network's embeddings of token sequences of any lengths, in batches of equal length. On the CPU each core works on a
    /// batch of its own: nothing is shared out within an operation, and no core waits for another.
    /// </summary>
    /// <param name="network">In evaluation mode, on <paramref name="device"/>.</param>
    /// <param name="sequences">Token ids, at least one each.</param>
    /// <param name="device">Where the network is.</param>
    /// <param name="done">Takes the indices and the vectors of a batch, longest first; one call at a time, on any thread.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public static void Run(SequenceEncoder network, IReadOnlyList<int[]> sequences, Device device, Action<int[], float[][]> done, CancellationToken cancellation = default)
    {
        int[][] batches = [.. LengthBatches.Of([.. sequences.Select(s => s.Length)])];
        Lock one = new();
        CpuWorkers.Run(device.type == DeviceType.CPU ? batches.Length : 1, batches, batch =>
        {
            float[][] vectors = Vectors(network, sequences, batch, device);
            lock (one) done(batch, vectors);
        }, cancellation);
    }

    private static float[][] Vectors(SequenceEncoder network, IReadOnlyList<int[]> sequences, int[] batch, Device device)
    {
        using IDisposable inference = inference_mode();
        using DisposeScope scope = NewDisposeScope();
        int length = sequences[batch[0]].Length;
        long[] flat = new long[batch.Length * length];
        for (int k = 0; k < batch.Length; k++)
            for (int i = 0; i < length; i++) flat[k * length + i] = sequences[batch[k]][i];
        Tensor vectors = network.Forward(tensor(flat, device: device).view(batch.Length, length), mask: null).cpu().contiguous(); // (K, d)
        return [.. vectors.data<float>().ToArray().Chunk((int)vectors.shape[1])];
    }

    private void Compute(List<string> texts, int[] missing, Embedded?[] embedded, long? filed, byte[][] keys, Action<int>? progress, CancellationToken cancellation)
    {
        TokenizedText[] tokenized = Tokenize([.. missing.Select(i => texts[i])], cancellation);
        // Texts that differ may have the same tokens, all the more where they were cut off.
        Dictionary<int[], List<int>> places = new(new SameIds());
        List<int[]> sequences = [];
        for (int m = 0; m < missing.Length; m++)
        {
            int[] ids = tokenized[m].Ids;
            if (ids.Length == 0) continue;
            if (!places.TryGetValue(ids, out List<int>? same))
            {
                places[ids] = same = [];
                sequences.Add(ids);
            }

            same.Add(m);
        }

        SequenceEncoder network = encoder.Network;
        network.to(device);
        List<(byte[], Embedded)> unsaved = [];
        Stopwatch sinceSaved = Stopwatch.StartNew();
        int done = texts.Count - missing.Length;
        try
        {
            Run(network, sequences, device, (batch, vectors) =>
            {
                foreach ((int sequence, float[] vector) in batch.Zip(vectors))
                    foreach (int m in places[sequences[sequence]])
                    {
                        Embedded embedding = new(vector, tokenized[m].Dropped);
                        embedded[missing[m]] = embedding;
                        if (filed is not null) unsaved.Add((keys[missing[m]], embedding));
                        done++;
                    }

                Computed += batch.Length;
                progress?.Invoke(done);
                if (sinceSaved.Elapsed > Unsaved) Save();
            }, cancellation);
        }
        finally
        {
            Save();
        }

        void Save()
        {
            if (unsaved.Count > 0) store!.Add(filed!.Value, unsaved);
            unsaved.Clear();
            sinceSaved.Restart();
        }
    }

    private TokenizedText[] Tokenize(string[] texts, CancellationToken cancellation)
    {
        try
        {
            return [.. texts.AsParallel().AsOrdered().WithCancellation(cancellation).Select(encoder.Tokenize)];
        }
        catch (AggregateException e)
        {
            // Its reason, as if one thread had done it.
            ExceptionDispatchInfo.Throw(e.Flatten().InnerExceptions[0]);
            throw;
        }
    }

    private sealed class SameIds : IEqualityComparer<int[]>
    {
        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] ids)
        {
            HashCode hash = new();
            foreach (int id in ids) hash.Add(id);
            return hash.ToHashCode();
        }
    }
}
