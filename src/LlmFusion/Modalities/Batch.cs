using LlmFusion.Chemistry;
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
    private Batch(int count, IReadOnlyDictionary<Modality, TokenBatch> tokens, Tensor? fingerprint, IReadOnlyDictionary<Modality, Tensor> rows, Tensor? present)
    {
        Count = count;
        Tokens = tokens;
        Fingerprint = fingerprint;
        Rows = rows;
        Present = present;
    }

    /// <summary>Number of molecules N.</summary>
    public int Count { get; }

    /// <summary>Ids of the sequence modalities that at least one molecule has.</summary>
    public IReadOnlyDictionary<Modality, TokenBatch> Tokens { get; }

    /// <summary>Fingerprints (K, size) float32; null where not in use.</summary>
    public Tensor? Fingerprint { get; }

    /// <summary>Where some molecules lack a modality: which rows have it, (K) int64.</summary>
    public IReadOnlyDictionary<Modality, Tensor> Rows { get; }

    /// <summary>(N, M) int64: 1 where the molecule has the modality; null where all have all.</summary>
    public Tensor? Present { get; }

    /// <summary>Pads and stacks. No molecule may lack every modality.</summary>
    /// <param name="inputs">N molecules.</param>
    /// <param name="modalities">The modalities in stack order.</param>
    /// <param name="fingerprintSize">Length of the fingerprint vector.</param>
    /// <param name="device">Where the tensors shall lie.</param>
    public static Batch Of(IReadOnlyList<MoleculeInputs> inputs, IReadOnlyList<Modality> modalities, int fingerprintSize, Device device)
    {
        Dictionary<Modality, TokenBatch> tokens = [];
        Dictionary<Modality, Tensor> rows = [];
        Tensor? fingerprint = null;
        long[] present = new long[inputs.Count * modalities.Count];
        for (int m = 0; m < modalities.Count; m++)
        {
            Modality modality = modalities[m];
            List<long> having = [];
            for (int n = 0; n < inputs.Count; n++)
            {
                if (!inputs[n].Has(modality)) continue;
                having.Add(n);
                present[n * modalities.Count + m] = 1;
            }

            if (having.Count < inputs.Count) rows[modality] = tensor(having.ToArray(), device: device);
            if (having.Count == 0) continue;
            if (modality == Modality.Fingerprint) fingerprint = Dense([.. having.Select(n => inputs[(int)n].Fingerprint!.Value)], fingerprintSize, device);
            else tokens[modality] = Pad([.. having.Select(n => inputs[(int)n].Tokens(modality)!)], device);
        }

        Tensor? mask = rows.Count == 0 ? null : tensor(present, device: device).view(inputs.Count, modalities.Count);
        return new Batch(inputs.Count, tokens, fingerprint, rows, mask);
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
            row[ids[k].Length..].Fill(TokenVocabulary.Pad);
            real[..ids[k].Length].Fill(1);
            anyPadded |= ids[k].Length < longest;
        }

        return new TokenBatch(
            tensor(padded, device: device).view(ids.Length, longest),
            anyPadded ? tensor(mask, device: device).view(ids.Length, longest) : null);
    }

    private static Tensor Dense(MorganCounts[] fingerprints, int size, Device device)
    {
        float[] values = new float[fingerprints.Length * size];
        for (int k = 0; k < fingerprints.Length; k++)
            for (int b = 0; b < fingerprints[k].Bits.Length; b++)
                values[k * size + fingerprints[k].Bits[b]] = fingerprints[k].Counts[b];
        return tensor(values, device: device).view(fingerprints.Length, size);
    }
}
