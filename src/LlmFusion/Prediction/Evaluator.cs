using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Training;

namespace LlmFusion.Prediction;

/// <summary>A model measured on a split of a built-in data set.</summary>
/// <param name="Data">Name of the data set.</param>
/// <param name="Split">train, valid or test.</param>
/// <param name="SplitSha256">Hash of ids, SMILES and parts.</param>
/// <param name="All">On all molecules of the split.</param>
/// <param name="WithoutStereoTwins">On those that do not stand in the training split if stereochemistry is ignored.</param>
public sealed record DataSetEvaluation(string Data, string Split, string SplitSha256, EvaluationReport All, EvaluationReport WithoutStereoTwins);

/// <summary>Measures a trained model on molecules whose properties are known.</summary>
public static class Evaluator
{
    /// <summary>Measures on the rows of a file that has the model's targets as columns; memory holds truths and predictions only.</summary>
    public static EvaluationReport OnFile(Predictor predictor, string path, string? smilesColumn, string? idColumn, string? textColumn, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        using DataFile file = DataFile.Open(path, new DataFileOptions
        {
            SmilesColumn = smilesColumn,
            IdColumn = idColumn,
            TextColumn = textColumn,
            Targets = [.. predictor.Targets.Select(t => t.Name)],
        });
        predictor.RequireKeys(file.Layout);
        return Report(predictor, Predict(predictor, file.Rows(), progress, cancellation));
    }

    /// <summary>Measures on a split of a built-in data set, once, and on its part without stereo twins.</summary>
    /// <param name="predictor">The model.</param>
    /// <param name="data">Name of the data set.</param>
    /// <param name="split">train, valid or test.</param>
    /// <param name="progress">Called with the number of rows done.</param>
    /// <param name="cancellation">Stops between chunks of rows.</param>
    public static DataSetEvaluation OnDataSet(Predictor predictor, string data, string split, Action<long>? progress = null, CancellationToken cancellation = default)
    {
        DataSplits splits = RunData.Open(new RunConfig { Data = data, Targets = [.. predictor.Targets.Select(t => t.Name)] });
        IReadOnlyList<DataRow> rows = splits.InOrder().FirstOrDefault(s => s.Name == split).Rows ?? throw new ArgumentException($"split: got {split}, expected {string.Join(", ", Parts.All)}");
        HashSet<DataRow> alone = [.. WithoutStereoTwins(rows, splits.Train)];
        RowPrediction[] predictions = [.. Predict(predictor, rows, progress, cancellation)];
        return new DataSetEvaluation(data, split, splits.Sha256, Report(predictor, predictions), Report(predictor, predictions.Where(p => alone.Contains(p.Row))));
    }

    /// <summary>The rows whose molecule does not stand in <paramref name="train"/>, stereochemistry ignored; rows that cannot be parsed stay.</summary>
    public static IReadOnlyList<DataRow> WithoutStereoTwins(IReadOnlyList<DataRow> rows, IReadOnlyList<DataRow> train)
    {
        HashSet<string> known = [.. MoleculeBatch.Select(train, StereoFree).OfType<string>()];
        return [.. rows.Zip(MoleculeBatch.Select(rows, StereoFree)).Where(r => r.Second is null || !known.Contains(r.Second)).Select(r => r.First)];

        static string? StereoFree(DataRow row)
        {
            if (!Molecule.TryParse(row.Smiles, out Molecule? molecule, out _)) return null;
            using (molecule) return molecule.CanonicalSmilesWithoutStereo;
        }
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

    private static EvaluationReport Report(Predictor predictor, IEnumerable<RowPrediction> predictions)
    {
        List<float[]> truth = [], predicted = [];
        long count = 0;
        foreach (RowPrediction prediction in predictions)
        {
            count++;
            if (prediction.Values is null) continue;
            truth.Add(prediction.Row.Sample!.Targets);
            predicted.Add(prediction.Values);
        }

        return new EvaluationReport(count, count - truth.Count, Metrics.PerTarget([.. predictor.Targets.Select(t => t.Name)], truth, predicted, bootstrapSeed: 0));
    }
}
