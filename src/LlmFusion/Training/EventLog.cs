using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmFusion.Training;

/// <summary>
/// What happens in a run as JSON lines, for other programs; each line has <c>event</c>, <c>time</c>, <c>epoch</c> and
/// <c>step</c>. A resumed run goes on after the lines of its checkpoint: none is twice there, none is missing.
/// </summary>
public sealed class EventLog : IDisposable
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly StreamWriter _file;

    /// <param name="path">The file; kept up to the checkpoint that is resumed, else written anew.</param>
    /// <param name="resumed">Where the run goes on; null for a new one.</param>
    public EventLog(string path, TrainingState? resumed)
    {
        Kept = resumed is null || !File.Exists(path) ? [] : [.. File.ReadLines(path).Select(Parse).OfType<JsonObject>().Where(line => IsBefore(line, resumed))];
        if (resumed is not null) AtomicFile.Write(path, string.Concat(Kept.Select(line => line.ToJsonString(Json) + "\n")));
        _file = new StreamWriter(path, append: resumed is not null, new UTF8Encoding(false)) { AutoFlush = true, NewLine = "\n" };
    }

    /// <summary>The lines that the resumed run had written before its checkpoint.</summary>
    public IReadOnlyList<JsonObject> Kept { get; }

    /// <summary>Appends a line.</summary>
    /// <param name="name">Kind of the event.</param>
    /// <param name="epoch">Epoch, counted from 1.</param>
    /// <param name="step">Steps of that epoch that are done.</param>
    /// <param name="values">What there is to say of it; numbers that are not finite become null.</param>
    /// <returns>The line.</returns>
    public JsonObject Add(string name, int epoch, int step, params IEnumerable<(string Key, JsonNode? Value)> values)
    {
        JsonObject line = new() { ["event"] = name, ["time"] = DateTimeOffset.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'"), ["epoch"] = epoch, ["step"] = step };
        foreach ((string key, JsonNode? value) in values) line[key] = value;
        _file.WriteLine(line.ToJsonString(Json));
        return line;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>A number that JSON may lack a form for.</summary>
    internal static JsonNode? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;

    /// <summary>Null for a line that a crash cut short.</summary>
    private static JsonObject? Parse(string line)
    {
        try
        {
            return JsonNode.Parse(line) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Whether the checkpoint came after; what ended the run does not hold any more.</summary>
    private static bool IsBefore(JsonObject line, TrainingState state)
    {
        if (line["event"] is not JsonValue name || line["epoch"] is not JsonValue at || line["step"] is not JsonValue steps) return false;
        (string kind, int epoch, int step) = (name.GetValue<string>(), at.GetValue<int>(), steps.GetValue<int>());
        if (kind is "end" or "diverged") return false;
        return epoch <= state.Epoch || epoch == state.Epoch + 1 && step <= state.Step && kind != "epoch";
    }
}
