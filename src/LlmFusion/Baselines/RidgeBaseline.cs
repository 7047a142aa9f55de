using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Training;

namespace LlmFusion.Baselines;

/// <summary>Ridge regression on fingerprints, counts or bits: what a linear model knows.</summary>
public static class RidgeBaseline
{
    /// <summary>Fits on training, chooses the penalty of each target on validation, measures on all splits.</summary>
    /// <param name="config">Data, targets, fingerprint.</param>
    /// <param name="withoutTwins">Whether to measure also on the test molecules that do not stand in the data set's training split if stereochemistry is ignored.</param>
    /// <param name="observe">Receives progress.</param>
    /// <param name="cancellation">Stops between rows and between penalties.</param>
    /// <returns>Metrics; the errors of each test molecule; metrics without twins, or null; the data; what was fitted.</returns>
    public static (Comparison Metrics, TestErrors? Errors, EvaluationReport? WithoutStereoTwins, DataEntry Data, RidgeRegression Fitted) Run(RunConfig config, bool withoutTwins, Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        config = config with { Modalities = [Modality.Fingerprint.Name] };
        DataSplits splits = RunData.Open(config);
        RunRows read = RunRows.Prepare(config with { Targets = [.. splits.Targets] }, splits, initial: null, observe, cancellation);
        IReadOnlyDictionary<string, PreparedRows> data = read.Prepared;
        RidgeRegression ridge = RidgeRegression.Fit(Rows(data[Parts.Train]), Truth(data[Parts.Train]), Rows(data[Parts.Valid]), Truth(data[Parts.Valid]), cancellation: cancellation);
        ConstantPredictor constant = ConstantPredictor.Fit(Truth(data[Parts.Train]));
        string[] units = [.. splits.Targets.Select((t, i) => config.Units.GetValueOrDefault(t) ?? splits.Units[i])];
        Comparison metrics = Comparison.Empty;
        TestErrors? errors = null;
        foreach (string part in Parts.All.Where(part => data.TryGetValue(part, out PreparedRows? rows) && rows.Rows.Count > 0))
        {
            float[][] predicted = ridge.Predict(Rows(data[part]));
            if (part == Parts.Test) errors = TestErrors.Of(splits.Targets, splits.Test, data[part].Rows, predicted);
            metrics = metrics.With(part, Comparison.Ridge, splits.Targets, units, Truth(data[part]), predicted, config.Seed)
                .With(part, Comparison.Constant, splits.Targets, units, Truth(data[part]), constant.Predict(data[part].Rows.Count), config.Seed);
        }

        EvaluationReport? alone = null;
        if (withoutTwins && data.TryGetValue(Parts.Test, out PreparedRows? test) && test.Rows.Count > 0)
        {
            // Of the whole training split, however much of it was trained on: the same molecules for every row of a table.
            HashSet<DataRow> without = new(Evaluator.WithoutStereoTwins(test.Rows, RunData.Open(config with { TrainRows = null }).Train), ReferenceEqualityComparer.Instance);
            int[] kept = [.. Enumerable.Range(0, test.Rows.Count).Where(i => without.Contains(test.Rows[i]))];
            PreparedRows some = new([.. kept.Select(i => test.Rows[i])], [.. kept.Select(i => test.Representations[i])], []);
            alone = new EvaluationReport(kept.Length, 0, Metrics.PerTarget(splits.Targets, Truth(some), ridge.Predict(Rows(some)), config.Seed));
        }

        return (metrics, errors, alone, new DataEntry(splits.Name, splits.Sha256, data[Parts.Train].Rows.Count, data[Parts.Valid].Rows.Count, splits.Test.Count) { Sha256 = read.Sha256(splits, encoder: null) }, ridge);

        SparseRows Rows(PreparedRows rows) => SparseRows.FromCounts(rows.Representations.Select(r => r.Fingerprint!.Value).Select(c => (c.Bits, c.Counts)), config.Fingerprint.Size);
    }

    private static IReadOnlyList<float[]> Truth(PreparedRows rows) => [.. rows.Rows.Select(r => r.Sample!.Targets)];
}
