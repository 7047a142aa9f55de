using System.Globalization;
using System.Text.Json;

namespace LlmFusion.Boosting;

/// <summary>A tree more.</summary>
/// <param name="Round">Its number, from 0.</param>
/// <param name="Valid">The metrics on the validation rows, in the order of <see cref="BoosterSettings.Metrics"/>; empty without such rows.</param>
public sealed record BoosterRound(int Round, IReadOnlyList<double> Valid);

/// <summary>How an importance of features is counted (XGBoost's <c>importance_type</c>).</summary>
public enum ImportanceKind
{
    /// <summary>Mean gain of the splits on the feature.</summary>
    Gain,

    /// <summary>Sum of the gain of the splits on the feature.</summary>
    TotalGain,

    /// <summary>Number of splits on it.</summary>
    Weight,

    /// <summary>Mean number of rows that its splits divide.</summary>
    Cover,
}

/// <summary>Gradient-boosted trees (Chen and Guestrin 2016) by the XGBoost library: one number for each row.</summary>
public sealed class Booster : IDisposable
{
    internal const string BestIteration = "best_iteration";

    private const string BestScore = "best_score";

    private readonly BoosterHandle _handle;

    private Booster(BoosterHandle handle) => _handle = handle;

    /// <summary>Version of the library, such as 1.7.4.</summary>
    public static string LibraryVersion
    {
        get
        {
            XgboostNative.Version(out int major, out int minor, out int patch);
            return $"{major}.{minor}.{patch}";
        }
    }

    /// <summary>How many trees there are.</summary>
    public int Rounds
    {
        get
        {
            XgboostNative.Check(XgboostNative.Rounds(_handle, out int rounds), "number of trees");
            return rounds;
        }
    }

    /// <summary>How many trees predict: up to the best on the validation rows, where training stopped early; else all.</summary>
    public int RoundsUsed => XgboostNative.Attribute(_handle, BestIteration) is { } best && int.TryParse(best, NumberStyles.None, CultureInfo.InvariantCulture, out int round) ? round + 1 : Rounds;

    /// <summary>Number of features F.</summary>
    public int Features
    {
        get
        {
            XgboostNative.Check(XgboostNative.FeatureCount(_handle, out ulong features), "number of features");
            return (int)features;
        }
    }

    /// <summary>Grows trees.</summary>
    /// <param name="settings">How.</param>
    /// <param name="train">The rows, with labels.</param>
    /// <param name="valid">Rows to measure on, with labels; null: none, and no early stopping.</param>
    /// <param name="observe">Receives each tree; null: nothing does.</param>
    /// <param name="cancellation">Stops between two trees.</param>
    /// <exception cref="ArgumentException">A setting is impossible, or early stopping lacks validation rows.</exception>
    /// <exception cref="BoostingException">The library refuses something.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static Booster Train(BoosterSettings settings, FeatureMatrix train, FeatureMatrix? valid = null, Action<BoosterRound>? observe = null, CancellationToken cancellation = default)
    {
        settings.Checked();
        if (settings.EarlyStopping is not null && valid is null) throw new ArgumentException("early stopping: got no validation rows, expected some");
        if (valid is not null && valid.Columns != train.Columns) throw new ArgumentException($"validation rows: got {valid.Columns} features, expected {train.Columns} as in training");
        Booster booster = new(valid is null ? XgboostNative.CreateBooster(train.Handle) : XgboostNative.CreateBooster(train.Handle, valid.Handle));
        try
        {
            foreach ((string name, string value) in settings.Parameters()) XgboostNative.Check(XgboostNative.SetParameter(booster._handle, name, value), $"{name} = {value}");
            (int Round, double Score) best = (-1, double.PositiveInfinity);
            for (int round = 0; round < settings.Estimators; round++)
            {
                cancellation.ThrowIfCancellationRequested();
                XgboostNative.Check(XgboostNative.Update(booster._handle, round, train.Handle), $"tree {round + 1}");
                double[] measured = valid is null ? [] : booster.Measure(round, valid, settings.Metrics.Count);
                observe?.Invoke(new BoosterRound(round, measured));
                if (settings.EarlyStopping is not { } patience) continue;
                if (measured[^1] < best.Score) best = (round, measured[^1]);
                else if (round - Math.Max(best.Round, 0) >= patience) break;
            }

            // Where no metric was finite there is no best tree.
            if (settings.EarlyStopping is not null && best.Round >= 0)
            {
                booster.SetAttribute(BestIteration, best.Round.ToString(CultureInfo.InvariantCulture));
                booster.SetAttribute(BestScore, best.Score.ToString("R", CultureInfo.InvariantCulture));
            }

            return booster;
        }
        catch
        {
            booster.Dispose();
            throw;
        }
    }

    /// <summary>A prediction for each row (N).</summary>
    /// <param name="rows">The rows, with the features of training.</param>
    /// <exception cref="ArgumentException">They have others.</exception>
    public float[] Predict(FeatureMatrix rows)
    {
        if (rows.Columns != Features) throw new ArgumentException($"features: got {rows.Columns}, expected {Features} as in training", nameof(rows));
        string config = string.Create(CultureInfo.InvariantCulture, $$"""{"type": 0, "training": false, "iteration_begin": 0, "iteration_end": {{RoundsUsed}}, "strict_shape": true}""");
        float[] predicted = XgboostNative.Predict(_handle, rows.Handle, config);
        return predicted.Length == rows.Rows ? predicted : throw new BoostingException($"prediction: got {predicted.Length} numbers for {rows.Rows} rows, expected one for each");
    }

    /// <summary>How much each feature matters (F); 0 for those that no tree asks for.</summary>
    /// <exception cref="BoostingException">The model was made elsewhere and names its features.</exception>
    public double[] Importance(ImportanceKind kind)
    {
        double[] importance = new double[Features];
        foreach ((string name, float score) in XgboostNative.FeatureScores(_handle, $$"""{"importance_type": "{{JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString())}}"}"""))
        {
            if (!name.StartsWith('f') || !int.TryParse(name.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int feature) || feature >= importance.Length)
                throw new BoostingException($"importance of features: got the name {name}, expected f0, f1, .. as in a model without names");
            importance[feature] = score;
        }

        return importance;
    }

    /// <summary>The model as XGBoost writes it, which its other languages read.</summary>
    /// <param name="json">As JSON; else as UBJSON, the same in less space.</param>
    public byte[] Save(bool json = false) => XgboostNative.Save(_handle, json ? """{"format": "json"}""" : """{"format": "ubj"}""");

    /// <summary>Reads what <see cref="Save"/>, or XGBoost in another language, wrote.</summary>
    /// <exception cref="BoostingException">It is no such model.</exception>
    public static Booster Load(ReadOnlySpan<byte> bytes)
    {
        // The library aborts the process on some bytes that are neither.
        if (bytes.Length < 2 || bytes[0] != '{') throw new BoostingException("model: expected XGBoost's JSON or UBJSON, which begin with {");
        Booster booster = new(XgboostNative.CreateBooster());
        try
        {
            XgboostNative.Check(XgboostNative.Load(booster._handle, bytes, (ulong)bytes.Length), "model");
            return booster;
        }
        catch
        {
            booster.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    /// <summary>The metrics of the validation rows.</summary>
    private double[] Measure(int round, FeatureMatrix valid, int count)
    {
        string line = XgboostNative.Evaluate(_handle, round, valid.Handle);
        string[] parts = line.Split('\t')[1..];
        if (parts.Length != count) throw new BoostingException($"validation: got '{line}', expected {count} metrics");
        return [.. parts.Select(part => Number(part[(part.LastIndexOf(':') + 1)..]))];

        // As C++ prints them.
        static double Number(string text) => text switch
        {
            "nan" or "-nan" => double.NaN,
            "inf" => double.PositiveInfinity,
            "-inf" => double.NegativeInfinity,
            _ => double.Parse(text, CultureInfo.InvariantCulture),
        };
    }

    private void SetAttribute(string name, string value) => XgboostNative.Check(XgboostNative.SetAttribute(_handle, name, value), name);
}
