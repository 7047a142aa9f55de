using System.Runtime.InteropServices;
using LlmFusion.Modalities;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Pretraining;

/// <summary>N sequences as tensors, which belong to the scope that is open.</summary>
/// <param name="Ids">(N, L) int64, padded on the right.</param>
/// <param name="Mask">(N, L) int64, 0 at padding; null where nothing is padded.</param>
/// <param name="Places">(K) int64: places in (N L) where a token is asked for.</param>
/// <param name="Labels">(K) int64: the tokens.</param>
/// <param name="Descriptors">(N, D) standardised; null where they are not learned.</param>
public sealed record PretrainBatch(Tensor Ids, Tensor? Mask, Tensor Places, Tensor Labels, Tensor? Descriptors)
{
    /// <summary>Pads and stacks.</summary>
    /// <param name="sequences">N sequences.</param>
    /// <param name="descriptors">N rows of standardised descriptors; null: none.</param>
    /// <param name="padToken">What fills up shorter sequences.</param>
    /// <param name="device">Where the tensors shall lie.</param>
    public static PretrainBatch Of(IReadOnlyList<TrainingSequence> sequences, IReadOnlyList<float[]>? descriptors, int padToken, Device device)
    {
        int longest = sequences.Max(s => s.Input.Length);
        long[] ids = new long[sequences.Count * longest], mask = new long[sequences.Count * longest];
        List<long> places = [], labels = [];
        Array.Fill(ids, padToken);
        for (int n = 0; n < sequences.Count; n++)
        {
            TrainingSequence sequence = sequences[n];
            for (int i = 0; i < sequence.Input.Length; i++) (ids[n * longest + i], mask[n * longest + i]) = (sequence.Input[i], 1);
            places.AddRange(sequence.Places.Select(p => (long)n * longest + p));
            labels.AddRange(sequence.Labels.Select(l => (long)l));
        }

        bool padded = sequences.Any(s => s.Input.Length < longest);
        return new PretrainBatch(
            tensor(ids, device: device).view(sequences.Count, longest), padded ? tensor(mask, device: device).view(sequences.Count, longest) : null,
            tensor(places.ToArray(), device: device), tensor(labels.ToArray(), device: device), descriptors is null ? null : Dense(descriptors).to(device));
    }

    /// <summary>Written into libtorch's own memory, which is aligned: where an array of .NET's happens to lie, MKL sums in another order.</summary>
    private static Tensor Dense(IReadOnlyList<float[]> rows)
    {
        Tensor dense = empty(rows.Count, rows[0].Length);
        Span<float> values = MemoryMarshal.Cast<byte, float>(dense.bytes);
        for (int n = 0; n < rows.Count; n++) rows[n].CopyTo(values[(n * rows[n].Length)..]);
        return dense;
    }
}
