namespace LlmFusion.Transformers.Tokenizers;

/// <summary>A vocabulary of byte pair encoding.</summary>
/// <param name="Tokens">The index is the id: special tokens, the 256 bytes, then the merges' results.</param>
/// <param name="Merges">Pairs of tokens, first to last.</param>
public sealed record BpeVocabulary(IReadOnlyList<string> Tokens, IReadOnlyList<(string Left, string Right)> Merges);

/// <summary>
/// Learns a byte-level vocabulary from texts (Sennrich et al. 2016): the most frequent pair of neighbouring tokens becomes one
/// token, again and again. Step for step as <c>BpeTrainer</c> of Hugging Face's tokenizers, so that the same texts give the same file.
/// </summary>
public sealed class BpeTrainer
{
    private readonly List<string> _tokens = [];
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<(string, string)> _merges = [];
    private readonly List<(List<int> Symbols, int Count)> _words = [];
    private readonly Dictionary<(int, int), long> _pairs = [];
    private readonly PriorityQueue<((int Left, int Right) Pair, long Count, HashSet<int> Words), (long, int, int)> _queue = new();

    private BpeTrainer(IEnumerable<string> texts, IReadOnlyList<string> special)
    {
        foreach (string token in special) IdOf(token);
        foreach (char character in Enumerable.Range(0, 256).Select(ByteLevel.CharacterFor).Order()) IdOf(character.ToString());
        Dictionary<string, int> counts = new(StringComparer.Ordinal);
        PreTokenizer.Bytes cutting = new(AddPrefixSpace: false, UseRegex: true);
        foreach (string text in texts)
            foreach (string word in cutting.Cut(text)) counts[word] = counts.GetValueOrDefault(word) + 1;
        foreach ((string word, int count) in counts) _words.Add(([.. word.Select(c => _ids[c.ToString()])], count));
    }

    /// <summary>Learns a vocabulary.</summary>
    /// <param name="texts">The corpus; words are cut as GPT-2 does. The order of the texts does not matter.</param>
    /// <param name="size">Most tokens, special ones and the 256 bytes included.</param>
    /// <param name="minimumCount">A pair that is rarer is not merged.</param>
    /// <param name="special">Tokens in front, which no text is cut into.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size has no room for bytes and special tokens.</exception>
    public static BpeVocabulary Train(IEnumerable<string> texts, int size, int minimumCount, IReadOnlyList<string> special)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 256 + special.Count);
        BpeTrainer trainer = new(texts, special);
        trainer.Learn(size, minimumCount);
        return new BpeVocabulary(trainer._tokens, trainer._merges);
    }

    private int IdOf(string token)
    {
        if (_ids.TryGetValue(token, out int id)) return id;
        _tokens.Add(token);
        return _ids[token] = _tokens.Count - 1;
    }

    private void Learn(int size, int minimumCount)
    {
        Dictionary<(int, int), HashSet<int>> places = [];
        for (int w = 0; w < _words.Count; w++)
        {
            List<int> symbols = _words[w].Symbols;
            for (int i = 0; i + 1 < symbols.Count; i++) Change((symbols[i], symbols[i + 1]), 1, w, places);
        }

        Enqueue(places);
        while (_tokens.Count < size && _queue.TryDequeue(out ((int Left, int Right) Pair, long Count, HashSet<int> Words) top, out _))
        {
            long now = _pairs[top.Pair];
            if (top.Count != now)
            {
                // Merges since then took some of its places.
                if (now > 0) Enqueue(top.Pair, now, top.Words);
                continue;
            }

            if (top.Count < Math.Max(1, minimumCount)) break;
            (string left, string right) = (_tokens[top.Pair.Left], _tokens[top.Pair.Right]);
            int merged = IdOf(left + right);
            _merges.Add((left, right));
            places.Clear();
            foreach (int w in top.Words) Merge(w, top.Pair, merged, places);
            Enqueue(places);
        }
    }

    /// <summary>Joins a pair wherever it stands in a word, and keeps count of the pairs that this makes and breaks.</summary>
    private void Merge(int word, (int Left, int Right) pair, int merged, Dictionary<(int, int), HashSet<int>> places)
    {
        List<int> symbols = _words[word].Symbols;
        for (int i = 0; i + 1 < symbols.Count; i++)
        {
            if (symbols[i] != pair.Left || symbols[i + 1] != pair.Right) continue;
            if (i > 0)
            {
                Change((symbols[i - 1], pair.Left), -1, word, places);
                Change((symbols[i - 1], merged), 1, word, places);
            }

            symbols[i] = merged;
            symbols.RemoveAt(i + 1);
            if (i + 1 >= symbols.Count) continue;
            Change((pair.Right, symbols[i + 1]), -1, word, places);
            Change((merged, symbols[i + 1]), 1, word, places);
        }
    }

    private void Change((int, int) pair, int by, int word, Dictionary<(int, int), HashSet<int>> places)
    {
        _pairs[pair] = _pairs.GetValueOrDefault(pair) + by * (long)_words[word].Count;
        if (by < 0) return;
        if (!places.TryGetValue(pair, out HashSet<int>? words)) places[pair] = words = [];
        words.Add(word);
    }

    private void Enqueue(Dictionary<(int, int), HashSet<int>> places)
    {
        foreach (((int, int) pair, HashSet<int> words) in places)
            if (_pairs[pair] > 0) Enqueue(pair, _pairs[pair], words);
    }

    /// <summary>The most frequent comes first; of equally frequent ones that of the lowest ids.</summary>
    private void Enqueue((int Left, int Right) pair, long count, HashSet<int> words) => _queue.Enqueue((pair, count, words), (-count, pair.Left, pair.Right));
}
