using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Fusion;

/// <summary>
/// Molecules that lack modalities, several to a row of the language model's input, so that it computes nothing for tokens that are not there. They are kept
/// apart by the attention mask: each token sees those of its own molecule alone, at the positions it has in a row of its own ("packing" of sequences).
/// </summary>
public sealed class SharedRows
{
    /// <summary>Rows must fall to this share: gathering tokens and giving them back costs a little too.</summary>
    private const double WorthIt = 0.8;

    private readonly long _length;
    private readonly Tensor _sources;
    private readonly Tensor _places;

    private SharedRows(long[] sources, long[] places, float[] seen, long length)
    {
        _length = length;
        _sources = tensor(sources);
        _places = tensor(places);
        Seen = tensor(seen).view(-1, length, length);
    }

    /// <summary>(R, L, L): 1 where the token of the second axis sees the one of the third.</summary>
    public Tensor Seen { get; }

    /// <summary>The rows of N molecules; null where they would be hardly fewer, or where the mask is on a GPU, for which the processor would have to wait.</summary>
    /// <param name="present">(N, L) int64: 1 where there is a token.</param>
    public static SharedRows? Of(Tensor present)
    {
        if (present.device_type != DeviceType.CPU) return null;
        (int count, int length) = ((int)present.shape[0], (int)present.shape[1]);
        ReadOnlySpan<long> given = present.data<long>().ToArray();
        int[][] tokens = new int[count][];
        for (int n = 0; n < count; n++)
        {
            tokens[n] = new int[given.Slice(n * length, length).Count(1L)];
            for (int l = 0, t = 0; l < length; l++)
                if (given[n * length + l] == 1) tokens[n][t++] = n * length + l;
        }

        List<int[]>[] rows = Fill(tokens, length);
        if (rows.Length > WorthIt * count) return null;
        long[] sources = new long[rows.Length * length], places = new long[count * length];
        float[] seen = new float[rows.Length * length * length];
        for (int r = 0; r < rows.Length; r++)
        {
            int first = 0;
            foreach (int[] molecule in rows[r])
            {
                for (int i = 0; i < molecule.Length; i++)
                {
                    int place = r * length + first + i;
                    sources[place] = molecule[i];
                    places[molecule[i]] = place;
                    seen.AsSpan(place * length + first, molecule.Length).Fill(1);
                }

                first += molecule.Length;
            }
        }

        return new SharedRows(sources, places, seen, length);
    }

    /// <summary>Tokens, or their positions, from a row for each molecule to the shared ones.</summary>
    /// <param name="own">(N, L, ..)</param>
    /// <returns>(R, L, ..), with anything where a row is not filled.</returns>
    public Tensor Gather(Tensor own) => own.flatten(0, 1).index_select(0, _sources).unflatten(0, -1, _length);

    /// <summary>The reverse.</summary>
    /// <param name="shared">(R, L, ..)</param>
    /// <returns>(N, L, ..), with anything finite where a molecule has no token.</returns>
    public Tensor GiveBack(Tensor shared) => shared.flatten(0, 1).index_select(0, _places).unflatten(0, -1, _length);

    /// <summary>Each molecule, the longest first, goes where the least room is left for it.</summary>
    private static List<int[]>[] Fill(int[][] molecules, int length)
    {
        List<List<int[]>>[] byRoom = [.. Enumerable.Range(0, length + 1).Select(_ => new List<List<int[]>>())];
        foreach (int[] molecule in molecules.OrderByDescending(m => m.Length))
        {
            int room = molecule.Length;
            while (room < length && byRoom[room].Count == 0) room++;
            if (byRoom[room].Count == 0) byRoom[room].Add([]);
            List<int[]> row = byRoom[room][^1];
            byRoom[room].RemoveAt(byRoom[room].Count - 1);
            row.Add(molecule);
            byRoom[room - molecule.Length].Add(row);
        }

        return [.. byRoom.SelectMany(rows => rows)];
    }
}
