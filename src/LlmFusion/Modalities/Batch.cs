using System.Runtime.InteropServices;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Modalities;

/// <summary>The padded ids of one sequence modality, of the molecules that have it.</summary>
/// <param name="Ids">(K, L) int64, padded on the right.</param>
/// <param name="Mask">(K, L) int64, 1 at a token and 0 at padding; null where nothing is padded.</param>
public sealed record TokenBatch(Tensor Ids, Tensor? Mask);

/// <summary>N molecules as tensors. Tensors belong to the dispose scope in which the batch was made.</summary>
public sealed class Batch
{
    private Batch(int count, IReadOnlyDictionary<Modality, TokenBatch> tokens, GraphBatch? graphs, IReadOnlyDictionary<Modality, Tensor> vectors, IReadOnlyDictionary<Modality, Tensor> rows, Tensor? present)
    {
        Count = count;
        Tokens = tokens;
        Graphs = graphs;
        Vectors = vectors;
        Rows = rows;
        Present = present;
    }

    /// <summary>Number of molecules N.</summary>
    public int Count { get; }

    /// <summary>Ids of the modalities that come as tokens and that at least one molecule has.</summary>
    public IReadOnlyDictionary<Modality, TokenBatch> Tokens { get; }

    /// <summary>The graphs of the molecules that have one; null where none has.</summary>
    public GraphBatch? Graphs { get; }

    /// <summary>Fingerprints and vectors (K, size) float32 that at least one molecule has.</summary>
    public IReadOnlyDictionary<Modality, Tensor> Vectors { get; }

    /// <summary>Where some molecules lack a modality: which rows have it, (K) int64.</summary>
    public IReadOnlyDictionary<Modality, Tensor> Rows { get; }

    /// <summary>(N, M) int64: 1 where the molecule has the modality; null where all have all.</summary>
    public Tensor? Present { get; }

    /// <summary>Whether any molecule has the modality.</summary>
    public bool Has(Modality modality) => !Rows.TryGetValue(modality, out Tensor? rows) || rows.shape[0] > 0;

    /// <summary>Pads and stacks. No molecule may lack every modality.</summary>
    /// <param name="inputs">N molecules.</param>
    /// <param name="modalities">The modalities in stack order.</param>
    /// <param name="fingerprintSize">Length of the fingerprint vector.</param>
    /// <param name="device">Where the tensors shall lie.</param>
    public static Batch Of(IReadOnlyList<MoleculeInputs> inputs, IReadOnlyList<Modality> modalities, int fingerprintSize, Device device)
    {
        Dictionary<Modality, TokenBatch> tokens = [];
        GraphBatch? graphs = null;
        Dictionary<Modality, Tensor> vectors = [], rows = [];
        long[] present = new long[inputs.Count * modalities.Count];
        for (int m = 0; m < modalities.Count; m++)
        {
            Modality modality = modalities[m];
            List<long> having = [];
            for (int n = 0; n < inputs.Count; n++)
            {
                if (inputs[n].ByModality[m] is null) continue;
                having.Add(n);
                present[n * modalities.Count + m] = 1;
            }

            if (having.Count < inputs.Count) rows[modality] = tensor(having.ToArray(), device: device);
            if (having.Count == 0) continue;
            ModalityInput[] found = [.. having.Select(n => inputs[(int)n].ByModality[m]!)];
            if (found[0] is ModalityInput.Tokens) tokens[modality] = Pad([.. found.Cast<ModalityInput.Tokens>().Select(t => t.Ids)], device);
            else if (found[0] is ModalityInput.Graph) graphs = GraphFeatures.Batch([.. found.Cast<ModalityInput.Graph>().Select(g => g.Of)], device);
            else vectors[modality] = Dense(found, fingerprintSize, device);
        }

        Tensor? mask = rows.Count == 0 ? null : tensor(present, device: device).view(inputs.Count, modalities.Count);
        return new Batch(inputs.Count, tokens, graphs, vectors, rows, mask);
    }

    private static TokenBatch Pad(int[][] ids, Device device)
    {
        int longest = ids.Max(i => i.Length);
        long[] padded = new long[ids.Length * longest], mask = new long[ids.Length * longest];
        bool anyPadded = false;
        for (int k = 0; k < ids.Length; k++)
        {
            Span<long> row = padded.AsSpan(k * longest, longest), real = mask.AsSpan(k * longest, longest);
            for (int i = 0; i < ids[k].Length; i++) row[i] = ids[k][i];
            row[ids[k].Length..].Fill(TokenVocabulary.Pad); // behind the mask, also where a checkpoint's tokenizer has another
            real[..ids[k].Length].Fill(1);
            anyPadded |= ids[k].Length < longest;
        }

        return new TokenBatch(
            tensor(padded, device: device).view(ids.Length, longest),
            anyPadded ? tensor(mask, device: device).view(ids.Length, longest) : null);
    }

    /// <summary>(K, size): one row a molecule. Written into libtorch's own memory, which is aligned: where an array of .NET's happens to lie, MKL sums in another order.</summary>
    private static Tensor Dense(ModalityInput[] inputs, int fingerprintSize, Device device)
    {
        int size = inputs[0] is ModalityInput.Vector first ? first.Values.Length : fingerprintSize;
        Tensor dense = zeros(inputs.Length, size);
        Span<float> values = MemoryMarshal.Cast<byte, float>(dense.bytes);
        for (int k = 0; k < inputs.Length; k++)
        {
            Span<float> row = values.Slice(k * size, size);
            if (inputs[k] is ModalityInput.Fingerprint { Counts: var counts })
                for (int b = 0; b < counts.Bits.Length; b++) row[counts.Bits[b]] = counts.Counts[b];
            else
                ((ModalityInput.Vector)inputs[k]).Values.CopyTo(row);
        }

        return dense.to(device);
    }
}
