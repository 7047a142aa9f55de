using LlmFusion.Baselines;
using LlmFusion.Boosting;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.Baselines;

/// <summary>Boosted trees as a model like any other.</summary>
public sealed class BaselineRunTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly BaselineConfig _config;

    public BaselineRunTests()
    {
        // A property that the number of carbons tells, and a column; a value is missing.
        IEnumerable<string> rows = Enumerable.Range(1, 40).Select(n => $"{new string('C', n)}O,{(n == 7 ? "" : $"{0.5 * n}")},{n % 3},{n}");
        _config = new BaselineConfig
        {
            Run = new RunConfig
            {
                TrainFile = _folder.Write("train.csv", "smiles,y,z,x\n" + string.Join('\n', rows) + "\n"),
                ValidFile = _folder.Write("valid.csv", "smiles,y,z,x\n" + string.Join('\n', rows.Where((_, i) => i % 4 == 0)) + "\n"),
                Targets = ["y", "z"],
                Modalities = ["fingerprint"],
                Inputs = new() { ["props"] = "columns:x" },
                Fingerprint = new() { Size = 64 },
            },
            Trials = 3,
            Threads = 1,
            Search = new RandomSearch { Estimators = new(40, 80), LearningRate = new(0.2, 0.4), MinChildWeight = new(0.5, 1), Gamma = new(1e-6, 1e-5) },
        };
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Trees_learn_and_their_folder_predicts_what_was_measured()
    {
        TrainingSummary summary = Run("model", out List<Trial> trials);
        Assert.Equal(["y", "y", "y", "z", "z", "z"], trials.Select(t => t.Target));
        Assert.True(summary.Manifest.Metrics.Find("train", "y", Comparison.Boosted)!.Mse < 0.05 * summary.Manifest.Metrics.Find("train", "y", Comparison.Constant)!.Mse);
        Assert.Equal(39, summary.Manifest.Metrics.Find("train", "y", Comparison.Boosted)!.N);

        using PredictiveModel model = PredictiveModel.Load(_folder["model"]);
        Assert.IsType<BoostedModel>(model);
        Predictor predictor = new(model, "cpu");
        using (DataFile file = DataFile.Open(_folder["valid.csv"], new DataFileOptions { Targets = ["y", "z"] }))
        {
            EvaluationReport report = Evaluator.OnFile(predictor, _folder["valid.csv"], null, null, null, cancellation: TestContext.Current.CancellationToken);
            Assert.Equal(summary.Manifest.Metrics.Find("valid", "y", Comparison.Boosted)!.Mse, report.Targets["y"].Mse, 1e-6);
        }

        // A molecule by its SMILES alone: the column is missing, and so it is for the trees.
        Assert.NotNull(predictor.Predict(DataRow.OfSmiles(["CCCO"]), TestContext.Current.CancellationToken).Single().Values);
        Assert.Contains("xgboost", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(_folder["model"])).Message, StringComparison.Ordinal);
        Assert.Contains("num_feature", File.ReadAllText(_folder["model/trees/0.json"]), StringComparison.Ordinal);
        Assert.Contains("| target | fingerprint | props |", File.ReadAllText(_folder["model/README.md"]), StringComparison.Ordinal);
    }

    [Fact]
    public void The_modality_that_tells_a_property_has_the_gain()
    {
        // Bits tell long chains apart no more; the column is the property twice.
        BaselineRun.Run(_config with { Run = _config.Run with { Fingerprint = new() { Size = 64, Counts = false } } }, _folder["model"], overwrite: false, _ => { }, TestContext.Current.CancellationToken);
        using PredictiveModel model = PredictiveModel.Load(_folder["model"]);
        using Booster trees = Booster.Load(File.ReadAllBytes(_folder["model/trees/0.json"]));
        IReadOnlyList<double> shares = FeatureRows.SharesOfGain(trees, model.Inputs);
        Assert.Equal(["fingerprint", "props"], model.Inputs.Representation.Modalities.Select(m => m.Name));
        Assert.Equal(1, shares.Sum(), 1e-9);
        Assert.InRange(shares[1], 0.5, 1); // short chains the bits tell apart too
    }

    [Fact]
    public void A_search_goes_on_behind_the_trials_that_are_done()
    {
        Run("whole", out List<Trial> whole);
        using CancellationTokenSource stop = new();
        List<Trial> before = [];
        Assert.ThrowsAny<OperationCanceledException>(() => BaselineRun.Run(_config, _folder["cut"], overwrite: false, e =>
        {
            if (e is not TrialDone { Trial: var trial }) return;
            before.Add(trial);
            if (before.Count == 2) stop.Cancel();
        }, stop.Token));
        File.AppendAllText(_folder["cut/trials.jsonl"], "{\"target\": \"y\", \"num"); // a crash within a line
        TrainingSummary resumed = Run("cut", out List<Trial> after);
        Assert.Equal([("y", 2), ("z", 0), ("z", 1), ("z", 2)], after.Select(t => (t.Target, t.Number)));
        Assert.Equal(whole.Select(t => (t.Target, t.Number, t.Metric, t.Trees)), before.Concat(after).Select(t => (t.Target, t.Number, t.Metric, t.Trees)));
        Assert.Equal(File.ReadAllBytes(_folder["whole/trees/1.json"]), File.ReadAllBytes(_folder["cut/trees/1.json"]));

        Assert.Equal(whole.Select(t => (t.Target, t.Number)).Where(t => t.Number == 0).Count(), resumed.Manifest.Targets.Count);
        Assert.Contains("finished", Assert.Throws<InvalidDataException>(() => Run("cut", out _)).Message, StringComparison.Ordinal);
        // More trials of the same search keep those that are done; another search begins anew.
        BaselineRun.Run(_config with { Trials = 4 }, _folder["cut"], overwrite: true, e => { if (e is TrialDone { Trial: var t }) before.Add(t); }, TestContext.Current.CancellationToken);
        Assert.Equal([("y", 3), ("z", 3)], before.Skip(2).Select(t => (t.Target, t.Number)));
        // A shorter search does not choose from what a longer one found.
        TrainingSummary one = BaselineRun.Run(_config with { Trials = 1 }, _folder["cut"], overwrite: true, _ => { }, TestContext.Current.CancellationToken);
        Assert.All(one.Manifest.Baseline!.Targets, t => Assert.Equal(0, t.Trial));
        // Other ranges, or other values of the targets, are another search.
        List<Trial> other = [];
        void Note(TrainingEvent e)
        {
            if (e is TrialDone { Trial: var t }) other.Add(t);
        }

        BaselineRun.Run(_config with { Trials = 1, Search = _config.Search with { MaxDepth = new(2, 3) } }, _folder["cut"], overwrite: true, Note, TestContext.Current.CancellationToken);
        Assert.Equal(2, other.Count);
        // The log of the search before is kept, and taken up again with it.
        Assert.Contains(Directory.GetFiles(_folder["cut"]), f => TrialLog.IsKept(Path.GetFileName(f)) && TrialLog.In(f).Count == 8);
        BaselineRun.Run(_config with { Trials = 4 }, _folder["cut"], overwrite: true, Note, TestContext.Current.CancellationToken);
        Assert.Equal(2, other.Count);
        // Also where the search between was cut off before its first trial.
        _ = new TrialLog(_folder["cut/trials.jsonl"], "another search");
        BaselineRun.Run(_config with { Trials = 4 }, _folder["cut"], overwrite: true, Note, TestContext.Current.CancellationToken);
        Assert.Equal(2, other.Count);
        // Data that cannot be read leaves the model that stands there.
        Assert.Throws<DataFileException>(() => BaselineRun.Run(_config with { Run = _config.Run with { Targets = ["w"] } }, _folder["cut"], overwrite: true, Note, TestContext.Current.CancellationToken));
        PredictiveModel.Load(_folder["cut"]).Dispose();
        File.WriteAllText(_folder["train.csv"], File.ReadAllText(_folder["train.csv"]).Replace(",4.5,", ",4.75,", StringComparison.Ordinal));
        BaselineRun.Run(_config with { Trials = 1, Search = _config.Search with { MaxDepth = new(2, 3) } }, _folder["cut"], overwrite: true, Note, TestContext.Current.CancellationToken);
        Assert.Equal(4, other.Count);
    }

    [Fact]
    public void What_trees_cannot_read_is_refused()
    {
        Refused("graph", _config with { Run = _config.Run with { Modalities = ["graph"] } });
        Refused("--encoder smiles=MODEL", _config with { Run = _config.Run with { Modalities = ["smiles"] } });
        Refused("frozen", _config with { Run = _config.Run with { Modalities = ["smiles"], Encoders = new() { ["smiles"] = "somewhere,train" } } });
        Refused("trials: got 0", _config with { Trials = 0 });
        Directory.CreateDirectory(_folder["other"]);
        File.WriteAllText(_folder["other/thesis.tex"], "");
        Assert.Contains("holds thesis.tex", Assert.Throws<InvalidDataException>(() => Run("other", out _)).Message, StringComparison.Ordinal);
        // One that was cut off before its first trial goes on; one in which another process works does not.
        Directory.CreateDirectory(_folder["early"]);
        File.WriteAllText(_folder["early/config.yaml"], "data: demo\n");
        using (RunFolderLock(_folder["early"]))
            Assert.Contains("another process", Assert.Throws<InvalidDataException>(() => Run("early", out _)).Message, StringComparison.Ordinal);
        Run("early", out List<Trial> trials);
        Assert.Equal(6, trials.Count);

        void Refused(string reason, BaselineConfig config) =>
            Assert.Contains(reason, Assert.Throws<ArgumentException>(() => BaselineRun.Run(config, _folder["refused"], false, _ => { }, TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_that_are_left_out_are_told()
    {
        File.AppendAllText(_folder["train.csv"], "no SMILES,1,1,1\n");
        List<string> told = [];
        BaselineRun.Run(_config with { Run = _config.Run with { SkipBadRows = true } }, _folder["fewer"], overwrite: false, e => { if (e is RunNote note) told.Add(note.Text); }, TestContext.Current.CancellationToken);
        Assert.StartsWith("1 rows left out, the first: ", Assert.Single(told), StringComparison.Ordinal);
    }

    [Fact]
    public void Trees_that_are_not_the_bytes_written_are_refused()
    {
        Run("model", out _);
        File.AppendAllText(_folder["model/trees/0.json"], " ");
        Assert.Contains("sha256", Assert.Throws<ModelFolderException>(() => PredictiveModel.Load(_folder["model"])).Message, StringComparison.Ordinal);
    }

    private static FileStream RunFolderLock(string folder) => new(Path.Combine(folder, "run.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);

    [Fact]
    public void Values_that_no_metric_survives_are_told()
    {
        File.WriteAllText(_folder["valid.csv"], "smiles,y,z,x\nCCO,3e38,1,1\nCCCO,-3e38,1,1\n");
        Assert.Contains("no setting gave a finite rmse", Assert.Throws<InvalidDataException>(() => BaselineRun.Run(_config with { Run = _config.Run with { TargetScaling = ScalingKind.None } }, _folder["inf"], false, _ => { }, TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    private TrainingSummary Run(string name, out List<Trial> trials)
    {
        List<Trial> seen = [];
        TrainingSummary summary = BaselineRun.Run(_config, _folder[name], overwrite: false, e => { if (e is TrialDone { Trial: var t }) seen.Add(t); }, TestContext.Current.CancellationToken);
        trials = seen;
        return summary;
    }
}
