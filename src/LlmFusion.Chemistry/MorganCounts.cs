namespace LlmFusion.Chemistry;

/// <summary>A hashed Morgan fingerprint with counts, sparse.</summary>
/// <param name="Bits">(K) the set bits, ascending, each in [0, size).</param>
/// <param name="Counts">(K) how many atom environments hash to the bit, each at least 1.</param>
public readonly record struct MorganCounts(int[] Bits, int[] Counts);
