using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;

namespace LlmFusion.Prediction;

/// <summary>A model measured on a split of a built-in data set.</summary>
/// <param name="Data">Name of the data set.</param>
/// <param name="Split">train, valid or test.</param>
/// <param name="SplitSha256">Hash of ids, SMILES and parts.</param>
/// <param name="All">On all molecules of the split.</param>
/// <param name="WithoutStereoTwins">On those that do not stand in the training split if stereochemistry is ignored.</param>
public sealed record DataSetEvaluation(string Data, string Split, string SplitSha256, EvaluationReport All, EvaluationReport WithoutStereoTwins);

/// <summary>Measures a trained model on molecules whose properties are known; of its targets, those that the data has.</summary>
public static class Evaluator
{
    /// <summary>Measures on the rows of a file that has targets of the model as columns; memory holds truths and predictions only.</summary>
    /// <param name="predictor">The model.</param>
    /// <param name="path">CSV, TSV, .gz, Parquet, .smi or SDF. A row that is no molecule is counted as refused, one without a value is left out for that target.</param>
    /// <param name="smilesColumn">null: the one named smiles.</param>
    /// <param name="idColumn">null: the row's number.</param>
    /// <param name="textColumn">null: text, description or caption, if there is one.</param>
    /// <param name="progress">Receives the number of rows done.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">It has none of them, or not the columns of a modality of the model.</exception>
    /// <exception cref="DataFileException">The file cannot be read.</exception>
    public static EvaluationReport OnFile(Predictor predictor, string path, string? smilesColumn, string? idColumn, string? textColumn, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        IReadOnlyList<string> columns = DataFile.ColumnsOf(path);
        string[] targets = InCommon(predictor, target => columns.Contains(target, StringComparer.OrdinalIgnoreCase), path);
        using DataFile file = DataFile.Open(path, new DataFileOptions { SmilesColumn = smilesColumn, IdColumn = idColumn, TextColumn = textColumn, Targets = targets });
        predictor.RequireKeys(file.Layout);
        return Report(predictor, targets, Predict(predictor, file.Rows(), progress, cancellation));
    }

    /// <summary>Measures on a split of a built-in data set, once, and on its part without stereo twins.</summary>
    /// <param name="predictor">The model.</param>
    /// <param name="data">Name of the data set.</param>
    /// <param name="split">train, valid or test.</param>
    /// <param name="progress">Called with the number of rows done.</param>
    /// <param name="cancellation">Stops between chunks of rows.</param>
    /// <exception cref="ArgumentException">The data set has none of the model's targets.</exception>
    public static DataSetEvaluation OnDataSet(Predictor predictor, string data, string split, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        CatalogEntry entry = Catalog.Find(data);
        string[] targets = InCommon(predictor, entry.Targets.Contains, entry.Name);
        DataSplits splits = Catalog.Open(entry.Name, new CatalogOptions { Targets = targets });
        IReadOnlyList<DataRow> rows = splits.InOrder().FirstOrDefault(s => s.Name == split).Rows ?? throw new ArgumentException($"split: got {split}, expected {string.Join(", ", Parts.All)}");
        RowPrediction[] predictions = [.. Predict(predictor, rows, progress, cancellation)];
        HashSet<DataRow> alone = new(WithoutStereoTwins(rows, splits.Train), ReferenceEqualityComparer.Instance);
        return new DataSetEvaluation(data, split, splits.Sha256, Report(predictor, targets, predictions), Report(predictor, targets, predictions.Where(p => alone.Contains(p.Row))));
    }

    /// <summary>The rows whose molecule does not stand in <paramref name="train"/>, stereochemistry ignored; rows that cannot be parsed stay.</summary>
    public static IReadOnlyList<DataRow> WithoutStereoTwins(IReadOnlyList<DataRow> rows, IReadOnlyList<DataRow> train)
    {
        HashSet<string> known = [.. MoleculeBatch.Select(train, row => Molecule.WithoutStereo(row.Smiles)).OfType<string>()];
        return [.. rows.Zip(MoleculeBatch.Select(rows, row => Molecule.WithoutStereo(row.Smiles))).Where(r => r.Second is null || !known.Contains(r.Second)).Select(r => r.First)];
    }

    private static string[] InCommon(Predictor predictor, Func<string, bool> has, string data)
    {
        string[] targets = [.. predictor.Targets.Select(t => t.Name).Where(has)];
        return targets.Length > 0 ? targets : throw new ArgumentException($"{data}: has none of the model's targets, expected some of {string.Join(", ", predictor.Targets.Select(t => t.Name))}");
    }

    private static IEnumerable<RowPrediction> Predict(Predictor predictor, IEnumerable<DataRow> rows, Action<long>? progress, CancellationToken cancellation)
    {
        long count = 0;
        foreach (RowPrediction prediction in predictor.Predict(rows, cancellation))
        {
            progress?.Invoke(++count);
            yield return prediction;
        }
    }

    /// <summary>Metrics, and the coverage of intervals, of rows that were predicted.</summary>
    /// <param name="predictor">Who predicted.</param>
    /// <param name="targets">Those of its targets that the rows' samples have, in the samples' order.</param>
    /// <param name="predictions">The rows.</param>
    internal static EvaluationReport Report(Predictor predictor, IReadOnlyList<string> targets, IEnumerable<RowPrediction> predictions)
    {
        int[] places = [.. targets.Select(target => predictor.Targets.Index().First(t => t.Item.Name == target).Index)];
        List<float[]> truth = [], predicted = [];
        List<PredictionInterval?[]> intervals = [];
        long count = 0;
        foreach (RowPrediction prediction in predictions)
        {
            count++;
            if (prediction.Values is null) continue;
            truth.Add(prediction.Row.Sample!.Targets);
            predicted.Add([.. places.Select(p => prediction.Values[p])]);
            intervals.Add([.. places.Select(p => prediction.Intervals?[p])]);
        }

        IReadOnlyDictionary<string, TargetMetrics> metrics = Metrics.PerTarget(targets, truth, predicted, bootstrapSeed: 0);
        OrderedDictionary<string, TargetMetrics> withCoverage = [];
        foreach ((int t, string target) in targets.Index()) withCoverage.Add(target, metrics[target] with { Coverage = CoverageOf(truth, intervals, t) });
        return new EvaluationReport(count, count - truth.Count, withCoverage);
    }

    private static IntervalCoverage? CoverageOf(List<float[]> truth, List<PredictionInterval?[]> intervals, int target)
    {
        int n = 0, within = 0;
        double width = 0;
        for (int i = 0; i < truth.Count; i++)
        {
            if (intervals[i][target] is not { } interval || float.IsNaN(truth[i][target])) continue;
            n++;
            width += (double)interval.Upper - interval.Lower;
            if (truth[i][target] >= interval.Lower && truth[i][target] <= interval.Upper) within++;
        }

        return n == 0 ? null : new IntervalCoverage(n, (double)within / n, width / n);
    }
}
