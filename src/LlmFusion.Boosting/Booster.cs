using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

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
    public int RoundsUsed => Attribute(BestIteration) is { } best && int.TryParse(best, NumberStyles.None, CultureInfo.InvariantCulture, out int round) ? round + 1 : Rounds;

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
    public static unsafe Booster Train(BoosterSettings settings, FeatureMatrix train, FeatureMatrix? valid = null, Action<BoosterRound>? observe = null, CancellationToken cancellation = default)
    {
        settings.Checked();
        if (settings.EarlyStopping is not null && valid is null) throw new ArgumentException("early stopping: got no validation rows, expected some");
        if (valid is not null && valid.Columns != train.Columns) throw new ArgumentException($"validation rows: got {valid.Columns} features, expected {train.Columns} as in training");
        Booster booster = Create(train, valid);
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
    public unsafe float[] Predict(FeatureMatrix rows)
    {
        if (rows.Columns != Features) throw new ArgumentException($"features: got {rows.Columns}, expected {Features} as in training", nameof(rows));
        string config = string.Create(CultureInfo.InvariantCulture, $$"""{"type": 0, "training": false, "iteration_begin": 0, "iteration_end": {{RoundsUsed}}, "strict_shape": true}""");
        XgboostNative.Check(XgboostNative.Predict(_handle, rows.Handle, config, out ulong* shape, out ulong dimensions, out float* values), "prediction");
        ulong count = 1;
        for (ulong d = 0; d < dimensions; d++) count *= shape[d];
        if (count != (ulong)rows.Rows) throw new BoostingException($"prediction: got {count} numbers for {rows.Rows} rows, expected one for each");
        return new ReadOnlySpan<float>(values, rows.Rows).ToArray();
    }

    /// <summary>How much each feature matters (F); 0 for those that no tree asks for.</summary>
    /// <exception cref="BoostingException">The model was made elsewhere and names its features.</exception>
    public unsafe double[] Importance(ImportanceKind kind)
    {
        string config = $$"""{"importance_type": "{{kind.ToString().ToLowerInvariant()}}"}""";
        XgboostNative.Check(XgboostNative.FeatureScore(_handle, config, out ulong count, out nint* names, out _, out _, out float* scores), "importance of features");
        double[] importance = new double[Features];
        for (int i = 0; i < (int)count; i++)
        {
            string name = Marshal.PtrToStringUTF8(names[i])!;
            importance[name.StartsWith('f') && int.TryParse(name.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int feature) && feature < importance.Length ? feature
                : throw new BoostingException($"importance of features: got the name {name}, expected f0, f1, .. as in a model without names")] = scores[i];
        }

        return importance;
    }

    /// <summary>The model as XGBoost writes it, which its other languages read.</summary>
    /// <param name="json">As JSON; else as UBJSON, the same in less space.</param>
    public unsafe byte[] Save(bool json = false)
    {
        XgboostNative.Check(XgboostNative.Save(_handle, json ? """{"format": "json"}""" : """{"format": "ubj"}""", out ulong length, out byte* bytes), "saving");
        return new ReadOnlySpan<byte>(bytes, (int)length).ToArray();
    }

    /// <summary>Reads what <see cref="Save"/>, or XGBoost in another language, wrote.</summary>
    /// <exception cref="BoostingException">It is no such model.</exception>
    public static unsafe Booster Load(ReadOnlySpan<byte> bytes)
    {
        // The library aborts the process on some bytes that are neither.
        if (bytes.Length < 2 || bytes[0] != '{') throw new BoostingException("model: expected XGBoost's JSON or UBJSON, which begin with {");
        Booster booster = Create();
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

    private static unsafe Booster Create(params FeatureMatrix?[] matrices)
    {
        nint[] known = [.. matrices.OfType<FeatureMatrix>().Select(m => m.Handle.DangerousGetHandle())];
        fixed (nint* first = known)
        {
            XgboostNative.Check(XgboostNative.CreateBooster(first, (ulong)known.Length, out BoosterHandle handle), "a new booster");
            GC.KeepAlive(matrices);
            return new Booster(handle);
        }
    }

    /// <summary>The metrics of the validation rows, read from the line <c>[3]\tvalid-rmse:0.5\tvalid-mae:0.25</c>.</summary>
    private unsafe double[] Measure(int round, FeatureMatrix valid, int count)
    {
        fixed (byte* name = "valid\0"u8)
        {
            nint matrix = valid.Handle.DangerousGetHandle(), text = (nint)name;
            XgboostNative.Check(XgboostNative.Evaluate(_handle, round, &matrix, &text, 1, out nint line), $"validation after tree {round + 1}");
            GC.KeepAlive(valid);
            string[] parts = Marshal.PtrToStringUTF8(line)!.Split('\t')[1..];
            if (parts.Length != count) throw new BoostingException($"validation: got '{string.Join(' ', parts)}', expected {count} metrics");
            return [.. parts.Select(part => Number(part[(part.LastIndexOf(':') + 1)..]))];
        }

        // As C++ prints them.
        static double Number(string text) => text switch
        {
            "nan" or "-nan" => double.NaN,
            "inf" => double.PositiveInfinity,
            "-inf" => double.NegativeInfinity,
            _ => double.Parse(text, CultureInfo.InvariantCulture),
        };
    }

    private string? Attribute(string name)
    {
        XgboostNative.Check(XgboostNative.GetAttribute(_handle, name, out nint value, out int found), name);
        return found != 0 ? Marshal.PtrToStringUTF8(value) : null;
    }

    private void SetAttribute(string name, string value) => XgboostNative.Check(XgboostNative.SetAttribute(_handle, name, value), name);
}
