using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// Byte pair encoding (Sennrich et al. 2016): a word begins as its characters, and the pair that stands first in the list
/// of merges becomes one token, until none is left. The work grows with n log n of the word's length.
/// </summary>
internal sealed class BpeModel : TokenModel
{
    private const int CachedWords = 1 << 16, LongestCachedWord = 256;

    private readonly Dictionary<long, (int Rank, int Id)> merges;
    private readonly int? unknown;
    private readonly bool fuseUnknown, byteFallback, ignoreMerges;
    private readonly ConcurrentDictionary<string, int[]> cache = new(StringComparer.Ordinal);
    private int cached;

    private BpeModel(Vocabulary vocabulary, Dictionary<long, (int, int)> merges, int? unknown = null, bool fuseUnknown = false,
        bool byteFallback = false, bool ignoreMerges = false) : base(vocabulary)
    {
        this.merges = merges;
        this.unknown = unknown;
        this.fuseUnknown = fuseUnknown;
        this.byteFallback = byteFallback;
        this.ignoreMerges = ignoreMerges;
    }

    public override string Kind => "BPE";

    public static new BpeModel From(JsonSection section)
    {
        section.Only("type", "vocab", "merges", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
            "byte_fallback", "ignore_merges");
        foreach (string key in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (section.TextOrNull(key) is { Length: > 0 } text)
                throw section.Wrong($"{key} = '{text}' is not implemented");
        }
        if (section.Find("dropout") is { } dropout && !(dropout.ValueKind == JsonValueKind.Number && dropout.GetDouble() == 0))
            throw section.Wrong($"dropout = {dropout.GetRawText()} is not implemented");
        Vocabulary vocabulary = Vocabulary.From(section.Section("vocab"));
        Dictionary<long, (int, int)> merges = [];
        foreach ((int rank, JsonElement item) in section.Items("merges").Index())
        {
            string[]? pair = item.ValueKind switch
            {
                JsonValueKind.String => item.GetString()!.Split(' '),
                JsonValueKind.Array when item.EnumerateArray().All(part => part.ValueKind == JsonValueKind.String) =>
                    [.. item.EnumerateArray().Select(part => part.GetString()!)],
                _ => null,
            };
            if (pair is not { Length: 2 })
                throw section.Kind($"merges[{rank}]", item, "two tokens, as \"a b\" or [\"a\", \"b\"]");
            AddMerge(merges, vocabulary, pair, rank, problem => section.Wrong($"merges[{rank}]: {problem}"));
        }
        return new BpeModel(vocabulary, merges, section.TextOrNull("unk_token") is { } unknown ? UnknownId(vocabulary, section, unknown) : null,
            section.Flag("fuse_unk", false), section.Flag("byte_fallback", false), section.Flag("ignore_merges", false));
    }

    /// <summary>From vocab.json and merges.txt, as GPT-2 has them.</summary>
    public static BpeModel From(TokenizerFile vocabularyFile, TokenizerFile mergesFile)
    {
        Vocabulary vocabulary = vocabularyFile.Read(Vocabulary.From);
        Dictionary<long, (int, int)> merges = [];
        int rank = 0;
        foreach ((int line, string text) in mergesFile.Lines().Index())
        {
            if (text.StartsWith("#version", StringComparison.Ordinal))
                continue;
            CheckpointException Wrong(string problem) => mergesFile.Wrong($"line {line + 1}: {problem}");
            string[] pair = text.Split(' ');
            if (pair.Length != 2)
                throw Wrong($"found '{(text.Length <= 60 ? text : text[..60] + "...")}', expected two tokens with a space between");
            AddMerge(merges, vocabulary, pair, rank++, Wrong);
        }
        return new BpeModel(vocabulary, merges);
    }

    public override void Encode(string word, List<int> into)
    {
        if (cache.TryGetValue(word, out int[]? known))
        {
            into.AddRange(known);
            return;
        }
        int before = into.Count;
        if (ignoreMerges && Vocabulary.TryGetId(word, out int whole))
            into.Add(whole);
        else
            Merge(word, into);
        // Full is full: words that matter come early, and nothing is ever moved.
        if (word.Length <= LongestCachedWord && Volatile.Read(ref cached) < CachedWords && cache.TryAdd(word, [.. into[before..]]))
            Interlocked.Increment(ref cached);
    }

    private static void AddMerge(Dictionary<long, (int, int)> merges, Vocabulary vocabulary, string[] pair, int rank, Func<string, CheckpointException> wrong)
    {
        int Id(string token) => vocabulary.IdOf(token) ?? throw wrong($"the token '{token}' is not in the vocabulary");
        merges[Pair(Id(pair[0]), Id(pair[1]))] = (rank, Id(pair[0] + pair[1]));
    }

    private static long Pair(int left, int right) => ((long)left << 32) | (uint)right;

    private void Merge(string word, List<int> into)
    {
        int first = into.Count;
        Spell(word, into);
        int count = into.Count - first;
        if (count < 2)
            return;

        // A doubly linked list over the symbols; a symbol that was merged into its left neighbour is -1.
        int[] rented = ArrayPool<int>.Shared.Rent(3 * count);
        Span<int> ids = rented.AsSpan(0, count), next = rented.AsSpan(count, count), previous = rented.AsSpan(2 * count, count);
        // The pair of the lowest rank first, of equal ones the leftmost.
        PriorityQueue<(int Position, int Id), long> queue = new(count);
        for (int i = 0; i < count; i++)
        {
            ids[i] = into[first + i];
            next[i] = i + 1 < count ? i + 1 : -1;
            previous[i] = i - 1;
        }
        for (int i = 0; i + 1 < count; i++)
            Enqueue(queue, ids, i, i + 1);
        while (queue.TryDequeue(out (int Position, int Id) merge, out _))
        {
            int left = merge.Position, right = ids[left] < 0 ? -1 : next[left];
            // Out of date: one of the two has since become part of something else.
            if (right < 0 || !merges.TryGetValue(Pair(ids[left], ids[right]), out (int Rank, int Id) now) || now.Id != merge.Id)
                continue;
            ids[left] = merge.Id;
            ids[right] = -1;
            next[left] = next[right];
            if (next[left] >= 0)
            {
                previous[next[left]] = left;
                Enqueue(queue, ids, left, next[left]);
            }
            if (previous[left] >= 0)
                Enqueue(queue, ids, previous[left], left);
        }
        into.RemoveRange(first, count);
        foreach (int id in ids)
        {
            if (id >= 0)
                into.Add(id);
        }
        ArrayPool<int>.Shared.Return(rented);
    }

    private void Enqueue(PriorityQueue<(int, int), long> queue, ReadOnlySpan<int> ids, int left, int right)
    {
        if (merges.TryGetValue(Pair(ids[left], ids[right]), out (int Rank, int Id) merge))
            queue.Enqueue((left, merge.Id), ((long)merge.Rank << 32) | (uint)left);
    }

    /// <summary>
    /// One id a character. What is not in the vocabulary becomes its bytes' tokens, or the unknown token, or nothing, as
    /// the original has it; there, unknown tokens wait until a known character follows, and bytes overtake them.
    /// </summary>
    private void Spell(string word, List<int> into)
    {
        bool waiting = false;
        int length;
        Span<byte> bytes = stackalloc byte[4];
        Span<int> byteIds = stackalloc int[4];
        for (int at = 0; at < word.Length; at += length)
        {
            length = char.IsHighSurrogate(word[at]) && at + 1 < word.Length ? 2 : 1;
            ReadOnlySpan<char> character = word.AsSpan(at, length);
            if (Vocabulary.TryGetId(character, out int id))
            {
                if (waiting)
                    into.Add(unknown!.Value);
                waiting = false;
                into.Add(id);
                continue;
            }
            if (byteFallback && TryBytes(bytes[..Encoding.UTF8.GetBytes(character, bytes)], byteIds))
            {
                into.AddRange(byteIds[..Encoding.UTF8.GetByteCount(character)]);
                continue;
            }
            if (waiting && !fuseUnknown)
                into.Add(unknown!.Value);
            waiting = unknown is not null;
        }
        if (waiting)
            into.Add(unknown!.Value);
    }

    private bool TryBytes(ReadOnlySpan<byte> bytes, Span<int> ids)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            if (!Vocabulary.TryGetId(string.Create(CultureInfo.InvariantCulture, $"<0x{bytes[i]:X2}>"), out ids[i]))
                return false;
        }
        return true;
    }
}
