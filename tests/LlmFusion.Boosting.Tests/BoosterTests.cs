using System.Globalization;
using System.Text.Json;
using Xunit;

namespace LlmFusion.Boosting.Tests;

/// <summary>XGBoost from here beside XGBoost from Python (tools/record_xgboost_golden.py).</summary>
public sealed class BoosterTests
{
    private static readonly JsonElement Golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", "xgboost.json"))).RootElement;

    /// <summary>The recorded cases; sparse rows leave out what is missing in the dense ones.</summary>
    public static TheoryData<string, bool> Cases(bool sparse) => new(Golden.GetProperty("cases").EnumerateArray().Select(c => (c.GetProperty("name").GetString()!, sparse)));

    [Theory]
    [MemberData(nameof(Cases), false)]
    [MemberData(nameof(Cases), true)]
    public void It_learns_predicts_and_stops_as_Python_s_does(string name, bool sparse)
    {
        JsonElement golden = Golden.GetProperty("cases").EnumerateArray().Single(c => c.GetProperty("name").GetString() == name);
        (FeatureMatrix train, FeatureMatrix valid) = Data(sparse);
        using (train)
        using (valid)
        {
            List<BoosterRound> rounds = [];
            using Booster booster = Booster.Train(SettingsOf(golden), train, valid, rounds.Add, TestContext.Current.CancellationToken);
            double[][] metrics = [.. golden.GetProperty("valid").EnumerateArray().Select(Doubles)];
            Assert.Equal(metrics[0].Length, rounds.Count);
            for (int m = 0; m < metrics.Length; m++)
                for (int r = 0; r < rounds.Count; r++) Assert.Equal(metrics[m][r], rounds[r].Valid[m], 1e-5); // the library prints six digits
            Assert.Equal(golden.GetProperty("trees").GetInt32(), booster.RoundsUsed);
            Close(Doubles(golden.GetProperty("predictions")), booster.Predict(valid), 1e-6);
            double[] gain = Doubles(golden.GetProperty("gain")), importance = booster.Importance(ImportanceKind.Gain);
            for (int f = 0; f < gain.Length; f++) Assert.Equal(gain[f], importance[f], 1e-4 * Math.Max(1, gain[f]));

            foreach (bool json in new[] { true, false })
            {
                using Booster read = Booster.Load(booster.Save(json));
                Assert.Equal(booster.RoundsUsed, read.RoundsUsed);
                Assert.Equal(booster.Predict(valid), read.Predict(valid));
            }
        }
    }

    [Fact]
    public void Importance_is_counted_from_the_splits_of_the_saved_trees()
    {
        (FeatureMatrix train, FeatureMatrix valid) = Data();
        using (train)
        using (valid)
        using (Booster booster = Booster.Train(new() { Estimators = 20, MaxDepth = 4, Threads = 1 }, train, cancellation: TestContext.Current.CancellationToken))
        {
            List<(int Feature, double Gain, double Rows)> splits = [];
            foreach (JsonElement tree in JsonDocument.Parse(booster.Save(json: true)).RootElement.GetProperty("learner").GetProperty("gradient_booster").GetProperty("model").GetProperty("trees").EnumerateArray())
            {
                double[] left = Doubles(tree.GetProperty("left_children")), features = Doubles(tree.GetProperty("split_indices")), gains = Doubles(tree.GetProperty("loss_changes")), rows = Doubles(tree.GetProperty("sum_hessian"));
                splits.AddRange(Enumerable.Range(0, left.Length).Where(n => left[n] >= 0).Select(n => ((int)features[n], gains[n], rows[n]))); // of squares the second derivative is 1: its sum counts rows
            }

            double[] gain = booster.Importance(ImportanceKind.Gain), total = booster.Importance(ImportanceKind.TotalGain), weight = booster.Importance(ImportanceKind.Weight), cover = booster.Importance(ImportanceKind.Cover);
            Assert.True(weight.Count(w => w > 0) > 1);
            foreach ((int feature, double count) in weight.Index())
            {
                (int Feature, double Gain, double Rows)[] of = [.. splits.Where(s => s.Feature == feature)];
                Assert.Equal(of.Length, count);
                Assert.Equal(of.Length == 0 ? 0 : of.Average(s => s.Gain), gain[feature], 1e-5 * Math.Max(1, gain[feature])); // the library sums in single precision
                Assert.Equal(of.Sum(s => s.Gain), total[feature], 1e-5 * Math.Max(1, total[feature]));
                Assert.Equal(of.Length == 0 ? 0 : of.Average(s => s.Rows), cover[feature], 1e-5 * Math.Max(1, cover[feature]));
            }
        }
    }

    [Fact]
    public void Trees_without_a_split_find_no_feature_important()
    {
        using FeatureMatrix rows = FeatureMatrix.Dense([1, 2, 3, 4], 2).WithLabels([1, 1]);
        using Booster booster = Booster.Train(new() { Estimators = 2, Threads = 1 }, rows, cancellation: TestContext.Current.CancellationToken);
        Assert.All(Enum.GetValues<ImportanceKind>(), kind => Assert.Equal([0.0, 0.0], booster.Importance(kind)));
    }

    [Fact]
    public void A_model_that_Python_saved_predicts_the_same()
    {
        JsonElement golden = Golden.GetProperty("cases").EnumerateArray().Single(c => c.GetProperty("name").GetString() == "absolute");
        (FeatureMatrix train, FeatureMatrix valid) = Data();
        train.Dispose();
        using (valid)
        using (Booster booster = Booster.Load(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "absolute.json"))))
        {
            Assert.Equal(golden.GetProperty("trees").GetInt32(), booster.RoundsUsed);
            Close(Doubles(golden.GetProperty("predictions")), booster.Predict(valid), 1e-6);
        }
    }

    [Fact]
    public void Sparse_rows_are_dense_rows_with_what_is_missing_left_out()
    {
        float[] dense = [1, float.NaN, 2, float.NaN, float.NaN, 3, 4, 5, float.NaN, 6, 1, float.NaN], labels = [1, 2, 3, 4];
        using FeatureMatrix a = FeatureMatrix.Dense(dense, 3).WithLabels(labels);
        using FeatureMatrix b = FeatureMatrix.Sparse([0, 2, 3, 5, 7], [0, 2, 2, 0, 1, 0, 1], [1, 2, 3, 4, 5, 6, 1], 3).WithLabels(labels);
        BoosterSettings settings = new() { Estimators = 10, MinChildWeight = 0.1, Threads = 1 };
        using Booster fromDense = Booster.Train(settings, a, cancellation: TestContext.Current.CancellationToken), fromSparse = Booster.Train(settings, b, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(fromDense.Predict(a), fromSparse.Predict(b));
        Assert.NotEqual(fromDense.Predict(a)[0], fromDense.Predict(a)[3]);
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_the_reason()
    {
        using FeatureMatrix four = FeatureMatrix.Dense([1, 2, 3, 4], 1), two = FeatureMatrix.Dense([1, 2, 3, 4], 2);
        Assert.Contains("got 3", Assert.Throws<ArgumentException>(() => four.WithLabels([1, 2, 3])).Message, StringComparison.Ordinal);
        Assert.Contains("NaN", Assert.Throws<ArgumentException>(() => four.WithLabels([1, 2, 3, float.NaN])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => FeatureMatrix.Dense([1, 2, 3], 2));
        Assert.Contains("column 3", Assert.Throws<ArgumentException>(() => FeatureMatrix.Sparse([0, 1], [3], [1], 3)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => FeatureMatrix.Sparse([0, 2, 1, 2], [0, 1], [1, 1], 3));
        four.WithLabels([1, 2, 3, 4]);
        Assert.Contains("unheard", Assert.Throws<BoostingException>(() => Booster.Train(new() { Objective = "reg:unheard" }, four)).Message, StringComparison.Ordinal);
        Assert.Contains("max depth: got 0", Assert.Throws<ArgumentException>(() => Booster.Train(new() { MaxDepth = 0 }, four)).Message, StringComparison.Ordinal);
        Assert.Contains("validation", Assert.Throws<ArgumentException>(() => Booster.Train(new() { EarlyStopping = 3 }, four)).Message, StringComparison.Ordinal);
        foreach (string rising in new[] { "auc", "map", "ndcg@3-" })
            Assert.Contains($"got {rising}, expected one that is better the smaller", Assert.Throws<ArgumentException>(() => new BoosterSettings { EarlyStopping = 3, Metrics = ["rmse", rising] }.Checked()).Message, StringComparison.Ordinal);
        new BoosterSettings { EarlyStopping = 3, Metrics = ["auc", "mape"] }.Checked();
        using Booster booster = Booster.Train(new() { Estimators = 2 }, four);
        Assert.Contains("got 2, expected 1", Assert.Throws<ArgumentException>(() => booster.Predict(two)).Message, StringComparison.Ordinal);
        Assert.Throws<BoostingException>(() => Booster.Load("no model"u8));
        Assert.Throws<BoostingException>(() => Booster.Load("{\"learner\": 3}"u8));
        Assert.Throws<OperationCanceledException>(() => Booster.Train(new(), four, cancellation: new CancellationToken(canceled: true)));
    }

    [Theory]
    [InlineData("reg:squarederror")]
    [InlineData("reg:pseudohubererror")]
    public void The_learning_rate_scales_what_a_tree_adds(string objective)
    {
        float[] values = [.. Enumerable.Range(0, 200).Select(i => (float)(i * 7919 % 101))];
        using FeatureMatrix rows = FeatureMatrix.Dense(values, 1).WithLabels([.. values.Select(v => v > 50 ? 1f : -1f)]);
        double Moved(double rate)
        {
            using Booster one = Booster.Train(new() { Objective = objective, HuberSlope = 0.5, LearningRate = rate, Estimators = 1, MaxDepth = 1, MinChildWeight = 0 }, rows), none = Booster.Train(new() { Objective = objective, LearningRate = rate, Estimators = 1, MinChildWeight = 1e9 }, rows);
            return one.Predict(rows).Zip(none.Predict(rows)).Max(p => Math.Abs(p.First - p.Second));
        }

        Assert.InRange(Moved(0.2) / Moved(0.1), 1.99, 2.01);
        Assert.Contains("learning rate has no effect", Assert.Throws<ArgumentException>(() => Booster.Train(new() { Objective = "reg:absoluteerror" }, rows)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_trial_is_the_same_whichever_were_drawn_before_and_lies_in_its_ranges()
    {
        RandomSearch search = new();
        BoosterSettings[] trials = [.. Enumerable.Range(0, 200).Select(k => search.Draw(new() { Objective = "reg:pseudohubererror" }, seed: 3, k))];
        Assert.Equal(trials[7] with { Metrics = [] }, search.Draw(new() { Objective = "reg:pseudohubererror" }, 3, 7) with { Metrics = [] });
        Assert.NotEqual(trials[7].LearningRate, search.Draw(new(), 4, 7).LearningRate);
        Assert.All(trials, t =>
        {
            t.Checked();
            Assert.InRange(t.LearningRate, search.LearningRate.Low, search.LearningRate.High);
            Assert.InRange(t.MaxDepth, search.MaxDepth.Low, search.MaxDepth.High);
            Assert.InRange(t.Estimators, search.Estimators.Low, search.Estimators.High);
            Assert.InRange(t.Subsample, search.Subsample.Low, search.Subsample.High);
            Assert.InRange(t.ColsampleByTree, search.ColsampleByTree.Low, search.ColsampleByTree.High);
            Assert.InRange(t.MinChildWeight, search.MinChildWeight.Low, search.MinChildWeight.High);
            Assert.True(t.Gamma == 0 || (t.Gamma >= search.Gamma.Low && t.Gamma <= search.Gamma.High));
        });
        Assert.InRange(trials.Count(t => t.Gamma == 0), 70, 130);
        Assert.Equal(8, trials.Select(t => t.MaxDepth).Distinct().Count());
        // Neighbouring trials, and those of neighbouring seeds, have nothing in common: the correlation of 199 pairs of independent numbers is below 0.25 with a probability of 0.9996.
        double[] rates = [.. trials.Select(t => Math.Log(t.LearningRate))], others = [.. Enumerable.Range(0, 200).Select(k => Math.Log(search.Draw(new(), seed: 4, k).LearningRate))];
        Assert.InRange(Correlation(rates[..^1], rates[1..]), -0.25, 0.25);
        Assert.InRange(Correlation(rates[..^2], rates[2..]), -0.25, 0.25);
        Assert.InRange(Correlation(rates, others), -0.25, 0.25);

        static double Correlation(double[] a, double[] b)
        {
            double x = a.Average(), y = b.Average();
            return a.Zip(b).Sum(p => (p.First - x) * (p.Second - y)) / Math.Sqrt(a.Sum(v => (v - x) * (v - x)) * b.Sum(v => (v - y) * (v - y)));
        }
    }

    /// <summary>Writes models for <c>record_xgboost_golden.py --check</c>, where LLMFUSION_XGBOOST_OUT names a folder.</summary>
    [Fact]
    public void Saved_models_are_read_by_python()
    {
        string? folder = Environment.GetEnvironmentVariable("LLMFUSION_XGBOOST_OUT");
        Assert.SkipWhen(folder is null, "LLMFUSION_XGBOOST_OUT is not set: a folder for models that Python is to read");
        (FeatureMatrix train, FeatureMatrix valid) = Data();
        using (train)
        using (valid)
        using (Booster booster = Booster.Train(new() { Estimators = 80, EarlyStopping = 8, LearningRate = 0.2, Subsample = 0.8 }, train, valid))
        {
            File.WriteAllBytes(Path.Combine(folder, "model.json"), booster.Save(json: true));
            File.WriteAllBytes(Path.Combine(folder, "model.ubj"), booster.Save());
            File.WriteAllText(Path.Combine(folder, "rows.json"), JsonSerializer.Serialize(new
            {
                features = Golden.GetProperty("features").EnumerateArray().Skip(100),
                predictions = booster.Predict(valid),
                trees = booster.RoundsUsed,
            }));
        }
    }

    private static (FeatureMatrix Train, FeatureMatrix Valid) Data(bool sparse = false)
    {
        float[][] rows = [.. Golden.GetProperty("features").EnumerateArray().Select(row => row.EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Null ? float.NaN : v.GetSingle()).ToArray())];
        float[] labels = [.. Golden.GetProperty("labels").EnumerateArray().Select(v => v.GetSingle())];
        int train = Golden.GetProperty("train_rows").GetInt32();
        return (Matrix(..train), Matrix(train..));

        FeatureMatrix Matrix(Range range) => (sparse ? Sparse(rows[range]) : FeatureMatrix.Dense([.. rows[range].SelectMany(r => r)], rows[0].Length)).WithLabels(labels[range]);

        FeatureMatrix Sparse(float[][] of)
        {
            (int Row, int Column, float Value)[] known = [.. of.Index().SelectMany(r => r.Item.Index().Where(v => !float.IsNaN(v.Item)).Select(v => (r.Index, v.Index, v.Item)))];
            return FeatureMatrix.Sparse([.. Enumerable.Range(0, of.Length + 1).Select(n => (nuint)known.Count(v => v.Row < n))], [.. known.Select(v => (uint)v.Column)], [.. known.Select(v => v.Value)], of[0].Length);
        }
    }

    private static BoosterSettings SettingsOf(JsonElement golden)
    {
        JsonElement parameters = golden.GetProperty("parameters");
        double Of(string name, double standard) => parameters.TryGetProperty(name, out JsonElement value) ? value.GetDouble() : standard;
        return new BoosterSettings
        {
            LearningRate = Of("eta", 0.3),
            MaxDepth = (int)Of("max_depth", 6),
            Subsample = Of("subsample", 1),
            ColsampleByTree = Of("colsample_bytree", 1),
            Gamma = Of("gamma", 0),
            MinChildWeight = Of("min_child_weight", 1),
            Seed = (int)Of("seed", 0),
            Metrics = parameters.TryGetProperty("eval_metric", out JsonElement metrics) ? [.. metrics.EnumerateArray().Select(m => m.GetString()!)] : ["rmse"],
            Estimators = golden.GetProperty("estimators").GetInt32(),
            EarlyStopping = golden.GetProperty("early_stopping") is { ValueKind: JsonValueKind.Number } early ? early.GetInt32() : null,
            Threads = 1,
        };
    }

    private static double[] Doubles(JsonElement list) => [.. list.EnumerateArray().Select(v => v.GetDouble())];

    private static void Close(double[] expected, float[] got, double tolerance)
    {
        Assert.Equal(expected.Length, got.Length);
        for (int i = 0; i < got.Length; i++) Assert.True(Math.Abs(expected[i] - got[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])), string.Create(CultureInfo.InvariantCulture, $"row {i}: got {got[i]}, expected {expected[i]}"));
    }
}
