using System.Text.Json;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>A model's own tokens and their ids; ids may have gaps, but no two tokens share one.</summary>
internal sealed class Vocabulary
{
    /// <summary>Ids beyond it are taken for damage: the largest vocabularies in use have less than a million.</summary>
    public const int MaximumId = 9_999_999;

    private readonly Dictionary<string, int> ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> idsOfSpans;
    private readonly Dictionary<int, string> tokens;

    private Vocabulary(Dictionary<string, int> ids, Dictionary<int, string> tokens)
    {
        this.ids = ids;
        this.tokens = tokens;
        idsOfSpans = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        LongestToken = ids.Keys.Select(token => token.Length).DefaultIfEmpty().Max();
    }

    /// <summary>The number of tokens.</summary>
    public int Count => ids.Count;

    /// <summary>The highest id; -1 if there is none.</summary>
    public int HighestId => tokens.Keys.DefaultIfEmpty(-1).Max();

    /// <summary>The length of the longest token, in UTF-16 units.</summary>
    public int LongestToken { get; }

    /// <summary>From a JSON object of token: id.</summary>
    public static Vocabulary From(JsonSection section)
    {
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        Dictionary<int, string> tokens = [];
        foreach (JsonProperty property in section.Properties)
        {
            int id = section.Id(property.Name, property.Value);
            if (!tokens.TryAdd(id, property.Name))
                throw section.Wrong($"the tokens '{tokens[id]}' and '{property.Name}' have the same id {id}");
            ids.Add(property.Name, id);
        }
        return new Vocabulary(ids, tokens);
    }

    /// <summary>From a file of one token a line, whose ids are the lines' numbers from 0.</summary>
    public static Vocabulary From(TokenizerFile file)
    {
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        Dictionary<int, string> tokens = [];
        foreach ((int id, string token) in file.Lines().Index())
        {
            if (!ids.TryAdd(token, id))
                throw file.Wrong($"line {id + 1}: the token '{token}' was in line {ids[token] + 1} already");
            tokens.Add(id, token);
        }
        return new Vocabulary(ids, tokens);
    }

    public bool TryGetId(ReadOnlySpan<char> token, out int id) => idsOfSpans.TryGetValue(token, out id);

    public int? IdOf(string token) => ids.TryGetValue(token, out int id) ? id : null;

    public string? TokenOf(int id) => tokens.GetValueOrDefault(id);
}
