using System.Text.Json;

namespace LlmFusion.Modalities;

/// <summary>The tokens that an encoder trained from scratch knows, with RoBERTa's special tokens in front.</summary>
public sealed class TokenVocabulary
{
    /// <summary>Id of the class token <c>&lt;s&gt;</c>.</summary>
    public const int Start = 0;

    /// <summary>Id of <c>&lt;pad&gt;</c>.</summary>
    public const int Pad = 1;

    /// <summary>Id of <c>&lt;/s&gt;</c>.</summary>
    public const int End = 2;

    /// <summary>Id of <c>&lt;unk&gt;</c>: a token that the training split did not hold.</summary>
    public const int Unknown = 3;

    private static readonly string[] Special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];
    private readonly Dictionary<string, int> _ids;

    private TokenVocabulary(IReadOnlyList<string> tokens)
    {
        Tokens = tokens;
        _ids = new Dictionary<string, int>(tokens.Count, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Count; id++)
            if (!_ids.TryAdd(tokens[id], id)) throw new InvalidDataException($"token '{tokens[id]}' stands at {_ids[tokens[id]]} and {id}: expected each once");
        for (int id = 0; id < Special.Length; id++)
            if (id >= tokens.Count || tokens[id] != Special[id]) throw new InvalidDataException($"id {id}: expected the special token {Special[id]}");
    }

    /// <summary>All tokens; the index is the id.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>Number of tokens, special ones included.</summary>
    public int Count => Tokens.Count;

    /// <summary>Collects the tokens of a training split, most frequent first (ties in ordinal order, so the result depends on the corpus alone).</summary>
    /// <param name="corpus">Each text's tokens.</param>
    /// <param name="minimumCount">Rarer tokens become <c>&lt;unk&gt;</c>, so that its embedding is trained too.</param>
    /// <param name="limit">Largest vocabulary, special tokens included.</param>
    public static TokenVocabulary Build(IEnumerable<IEnumerable<string>> corpus, int minimumCount = 2, int limit = 8192)
    {
        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        foreach (IEnumerable<string> text in corpus)
            foreach (string token in text) counts[token] = counts.GetValueOrDefault(token) + 1;
        foreach (string special in Special) counts.Remove(special);
        IEnumerable<string> kept = counts.Where(c => c.Value >= minimumCount)
            .OrderByDescending(c => c.Value).ThenBy(c => c.Key, StringComparer.Ordinal).Select(c => c.Key).Take(limit - Special.Length);
        return new TokenVocabulary([.. Special, .. kept]);
    }

    /// <summary><c>&lt;s&gt; tokens &lt;/s&gt;</c> as ids.</summary>
    /// <param name="tokens">The tokens of one text.</param>
    /// <param name="maximum">Most ids to return, <c>&lt;s&gt;</c> and <c>&lt;/s&gt;</c> included.</param>
    /// <param name="dropped">How many tokens were cut off at the end.</param>
    public int[] Encode(IEnumerable<string> tokens, int maximum, out int dropped)
    {
        List<int> ids = [Start];
        dropped = 0;
        foreach (string token in tokens)
        {
            if (ids.Count < maximum - 1) ids.Add(_ids.GetValueOrDefault(token, Unknown));
            else dropped++;
        }
        ids.Add(End);
        return [.. ids];
    }

    /// <summary>Reads a <c>vocab.json</c>: an object from token to id, ids from 0 without a gap.</summary>
    /// <exception cref="InvalidDataException">The file is not of that form; the message names it.</exception>
    public static TokenVocabulary Load(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            Dictionary<string, int> ids = JsonSerializer.Deserialize<Dictionary<string, int>>(stream) ?? throw new InvalidDataException("got null, expected an object");
            string?[] tokens = new string?[ids.Count];
            foreach ((string token, int id) in ids)
            {
                if (id < 0 || id >= tokens.Length || tokens[id] is not null)
                    throw new InvalidDataException($"token '{token}' has id {id}: expected each of 0 to {tokens.Length - 1} once");
                tokens[id] = token;
            }
            return new TokenVocabulary(tokens!);
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>The <c>vocab.json</c> that <see cref="Load"/> reads.</summary>
    public string ToJson() => JsonSerializer.Serialize(Tokens.Select((token, id) => (token, id)).ToDictionary(t => t.token, t => t.id), Indented);

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
}
