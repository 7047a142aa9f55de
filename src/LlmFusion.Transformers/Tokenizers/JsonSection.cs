using System.Text.Json;

namespace LlmFusion.Transformers.Tokenizers;

/// <summary>
/// An object in a tokenizer's JSON file. Every key that would change an encoding is read or refused by name: nothing in
/// a tokenizer.json is ignored. Errors say the file, the place in it, what was found and what was expected.
/// </summary>
internal sealed class JsonSection
{
    private readonly TokenizerFile file;
    private readonly JsonElement value;

    public JsonSection(TokenizerFile file, string place, JsonElement value)
    {
        this.file = file;
        this.value = value;
        Place = place;
        if (value.ValueKind != JsonValueKind.Object)
            throw file.Wrong($"{Where}found {Short(value)}, expected a JSON object");
    }

    /// <summary>Where in the file, as <c>pre_tokenizer.pretokenizers[1]</c>; empty for the whole.</summary>
    public string Place { get; }

    public IEnumerable<JsonProperty> Properties => value.EnumerateObject();

    private string Where => Place.Length > 0 ? $"{Place}: " : "";

    public CheckpointException Wrong(string what) => file.Wrong(Where + what);

    /// <summary>Refuses every key that is not one of <paramref name="names"/>.</summary>
    public JsonSection Only(params string[] names)
    {
        foreach (JsonProperty property in value.EnumerateObject())
        {
            if (!names.Contains(property.Name))
                throw Wrong($"the key '{property.Name}' is not implemented, known are {string.Join(", ", names)}");
        }
        return this;
    }

    public bool Has(string key) => Find(key) is not null;

    public JsonSection Section(string key) => SectionOrNull(key) ?? throw Wrong($"'{key}' is missing");

    public JsonSection? SectionOrNull(string key) => Find(key) is { } found ? Nested(key, found) : null;

    /// <summary>An object that was found under a key.</summary>
    public JsonSection Nested(string key, JsonElement found) => new(file, At(key), found);

    /// <summary>The objects of an array; empty if the key is absent.</summary>
    public JsonSection[] Sections(string key) =>
        [.. Items(key).Select((item, i) => Nested($"{key}[{i}]", item))];

    /// <summary>The elements of an array; empty if the key is absent.</summary>
    public IEnumerable<JsonElement> Items(string key) => Find(key) is not { } found
        ? []
        : found.ValueKind == JsonValueKind.Array ? found.EnumerateArray() : throw Kind(key, found, "an array");

    public JsonElement? Find(string key) =>
        value.TryGetProperty(key, out JsonElement found) && found.ValueKind != JsonValueKind.Null ? found : null;

    public string Text(string key) => TextOrNull(key) ?? throw Wrong($"'{key}' is missing");

    public string? TextOrNull(string key) => Find(key) is not { } found
        ? null
        : found.ValueKind == JsonValueKind.String ? found.GetString()! : throw Kind(key, found, "a string");

    public bool Flag(string key, bool otherwise) => FlagOrNull(key) ?? otherwise;

    public bool? FlagOrNull(string key) => Find(key) is not { } found
        ? null
        : found.ValueKind is JsonValueKind.True or JsonValueKind.False ? found.GetBoolean() : throw Kind(key, found, "true or false");

    public int? IntOrNull(string key) => Find(key) is not { } found ? null : Id(key, found);

    /// <summary>An integer from 0 to <see cref="Vocabulary.MaximumId"/>.</summary>
    public int Id(string key, JsonElement found) =>
        found.ValueKind == JsonValueKind.Number && found.TryGetInt32(out int number) && number is >= 0 and <= Vocabulary.MaximumId
            ? number
            : throw Kind(key, found, $"an integer from 0 to {Vocabulary.MaximumId}");

    public CheckpointException Kind(string key, JsonElement found, string expected) =>
        Wrong($"'{key}' is {Short(found)}, expected {expected}");

    private string At(string key) => Place.Length > 0 ? $"{Place}.{key}" : key;

    private static string Short(JsonElement found)
    {
        string raw = found.GetRawText();
        return raw.Length <= 60 ? raw : $"{raw[..60]}...";
    }
}
