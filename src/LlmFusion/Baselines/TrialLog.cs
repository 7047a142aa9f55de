using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using LlmFusion.Boosting;
using LlmFusion.Training;

namespace LlmFusion.Baselines;

/// <summary>A trial of the search.</summary>
/// <param name="Target">The target's name.</param>
/// <param name="Number">The trial, from 0.</param>
/// <param name="Settings">What was tried.</param>
/// <param name="Metric">The validation metric at its best, in scaled units; infinite where it was never finite.</param>
/// <param name="Trees">Trees up to there.</param>
/// <param name="Seconds">How long it took.</param>
public sealed record Trial(string Target, int Number, BoosterSettings Settings, double Metric, int Trees, double Seconds);

/// <summary>The trials that are done, a line of JSON each, on the disk as soon as they are: a search that was cut off goes on behind them.</summary>
public sealed class TrialLog
{
    private static readonly JsonSerializerOptions Json = new(RunConfig.Json) { WriteIndented = false };

    private readonly string _path;
    private readonly List<Trial> _trials = [];

    /// <param name="path">The file; its first line is its key. That of another search is kept beside it, as <c>trials.KEY.jsonl</c>, and taken up again when that search is.</param>
    /// <param name="key">Everything that decides what a trial gives.</param>
    public TrialLog(string path, string key)
    {
        _path = path;
        string[] lines = File.Exists(path) ? File.ReadAllLines(path) : [];
        if (lines.Length == 0 || lines[0] != key)
        {
            if (lines.Length > 1) File.Move(path, Beside(path, lines[0]), overwrite: true);
            lines = File.Exists(Beside(path, key)) ? File.ReadAllLines(Beside(path, key)) : [];
        }

        if (lines.Length > 0 && lines[0] == key)
            foreach (string line in lines.Skip(1))
                if (Read(line) is { } trial) _trials.Add(trial);
        // Also without the line that a crash cut off.
        AtomicFile.Write(path, string.Concat(_trials.Select(t => JsonSerializer.Serialize(t, Json) + "\n").Prepend(key + "\n")));
    }

    /// <summary>The trials in a file, whichever search's they are; none where there is no such file.</summary>
    public static IReadOnlyList<Trial> In(string path) => File.Exists(path) ? [.. File.ReadAllLines(path).Skip(1).Select(Read).OfType<Trial>()] : [];

    /// <summary>Whether a file of this name is the log of a search before the present one.</summary>
    public static bool IsKept(string name) => name.Split('.') is ["trials", _, "jsonl"];

    // Hashed: the key is what stands in a file, and need not do for a name.
    private static string Beside(string path, string key) => Path.ChangeExtension(path, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..8] + ".jsonl");

    /// <summary>The trials.</summary>
    public IReadOnlyList<Trial> Trials => _trials;

    /// <summary>A trial that was done before; null where it was not.</summary>
    public Trial? Find(string target, int number) => _trials.FirstOrDefault(t => t.Target == target && t.Number == number);

    /// <summary>The best of the first trials of a target, the first of equals; null where none is done. What an earlier, longer search found is none of these.</summary>
    /// <param name="target">The target.</param>
    /// <param name="trials">How many trials there are.</param>
    public Trial? Best(string target, int trials) => _trials.Where(t => t.Target == target && t.Number < trials).MinBy(t => (t.Metric, t.Number));

    /// <summary>Appends one.</summary>
    public void Add(Trial trial)
    {
        using (FileStream file = new(_path, FileMode.Append))
        {
            file.Write(JsonSerializer.SerializeToUtf8Bytes(trial, Json));
            file.WriteByte((byte)'\n');
            file.Flush(flushToDisk: true);
        }

        _trials.Add(trial);
    }

    private static Trial? Read(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<Trial>(line, Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
