using System.Buffers;
using System.Text;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>The added tokens of a tokenizer, and where they stand in a text.</summary>
internal sealed class AddedTokens
{
    private readonly Vocabulary vocabulary;
    private readonly Dictionary<string, int> ids = new(StringComparer.Ordinal);
    private readonly Dictionary<int, AddedToken> tokens = [];
    private Trie raw = new([]), normalized = new([]);

    public AddedTokens(Vocabulary vocabulary) => this.vocabulary = vocabulary;

    /// <summary>The highest id; -1 if there is none.</summary>
    public int HighestId { get; private set; } = -1;

    public IReadOnlyDictionary<int, AddedToken> Tokens => tokens;

    /// <summary>The id of an added token or of one of the model's; null if there is none.</summary>
    public int? IdOf(string token) => ids.TryGetValue(token, out int id) ? id : vocabulary.IdOf(token);

    public bool Contains(string token) => ids.ContainsKey(token);

    /// <summary>
    /// Adds a token, or changes what is known of it. It has the model's id if the model has it, else the next free one
    /// above the model's tokens, as the package tokenizers counts.
    /// </summary>
    /// <returns>Its id.</returns>
    public int Add(AddedToken token)
    {
        int id = IdOf(token.Content) ?? Math.Max(HighestId + 1, vocabulary.Count);
        HighestId = Math.Max(HighestId, id);
        ids[token.Content] = id;
        tokens[id] = token;
        return id;
    }

    /// <summary>To be called when all are there.</summary>
    public void Prepare(Normalizer? normalizer)
    {
        // Where two become the same by normalizing, a special one comes first.
        ILookup<bool, AddedToken> all = tokens.Values.OrderByDescending(token => token.Special).ToLookup(token => token.Normalized);
        raw = new Trie(all[false].Select(token => (token.Content, ids[token.Content])));
        normalized = new Trie(all[true].Select(token => (normalizer?.Apply(token.Content) ?? token.Content, ids[token.Content])));
    }

    /// <summary>Cuts a text (or, with <paramref name="afterNormalizing"/>, a normalized one) at the added tokens in it: pieces of text, and ids.</summary>
    public IEnumerable<(string Text, int? Id)> Cut(string text, bool afterNormalizing)
    {
        Trie trie = afterNormalizing ? normalized : raw;
        int end = 0;
        for (int at = 0; trie.Find(text, ref at, out int length, out int id); at += length)
        {
            AddedToken token = tokens[id];
            int start = at, stop = at + length;
            if (token.SingleWord && (EndsWithWord(text.AsSpan(0, start)) || BeginsWithWord(text.AsSpan(stop))))
                continue;
            if (token.LeftStrip)
                start = Math.Max(text.AsSpan(0, start).TrimEnd().Length, end);
            if (token.RightStrip)
                stop = text.Length - text.AsSpan(stop).TrimStart().Length;
            if (end < start)
                yield return (text[end..start], null);
            yield return ("", id);
            end = stop;
        }
        if (end < text.Length)
            yield return (end == 0 ? text : text[end..], null);
    }

    private static bool BeginsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && UnicodeTables.IsWordCharacter(rune);

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && UnicodeTables.IsWordCharacter(rune);

    /// <summary>Texts to find, character by character; of those that begin at one place, the longest.</summary>
    private sealed class Trie
    {
        private readonly Dictionary<(int Node, char Next), int> edges = [];
        private readonly List<int> idOfNode = [-1];
        private readonly SearchValues<char> beginnings;

        public Trie(IEnumerable<(string Text, int Id)> all)
        {
            HashSet<char> first = [];
            foreach ((string text, int id) in all.Where(item => item.Text.Length > 0))
            {
                first.Add(text[0]);
                int node = 0;
                foreach (char next in text)
                {
                    if (!edges.TryGetValue((node, next), out int child))
                    {
                        child = idOfNode.Count;
                        idOfNode.Add(-1);
                        edges.Add((node, next), child);
                    }
                    node = child;
                }
                if (idOfNode[node] < 0)
                    idOfNode[node] = id;
            }
            beginnings = SearchValues.Create([.. first]);
        }

        /// <summary>The first match from <paramref name="at"/> on.</summary>
        public bool Find(string text, ref int at, out int length, out int id)
        {
            (length, id) = (0, -1);
            while (at < text.Length)
            {
                int ahead = text.AsSpan(at).IndexOfAny(beginnings);
                if (ahead < 0)
                    break;
                at += ahead;
                for (int i = at, node = 0; i < text.Length && edges.TryGetValue((node, text[i]), out node); i++)
                {
                    if (idOfNode[node] >= 0)
                        (length, id) = (i - at + 1, idOfNode[node]);
                }
                if (length > 0)
                    return true;
                at++;
            }
            return false;
        }
    }
}
