using System.Globalization;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Experiments;
using LlmFusion.Modalities;
using LlmFusion.Tests.DataSets;
using LlmFusion.Tests.Setup;
using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.Experiments;

/// <summary>A table of runs: what is done is kept, what changed is run again, and the report says no more than the runs.</summary>
public sealed class StudyTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Bfloat16_is_another_cell_for_a_network_and_the_same_for_trees()
    {
        Study study = PaperTables.Table1(StudyScale.Smoke), other = study.InBFloat16();
        (CellTask Task, bool Same)[] keys = [.. study.Cells(1).Zip(other.Cells(1), (before, now) => (before.Task, before.Key() == now.Key()))];
        Assert.All(keys, k => Assert.Equal(k.Task is not CellTask.Fusion, k.Same));
        Assert.Contains(keys, k => k.Same);
        Assert.EndsWith("--bf16", other.Arguments, StringComparison.Ordinal);
    }

    [Fact]
    public void How_long_networks_are_trained_is_nothing_to_trees()
    {
        StudyScale longer = StudyScale.Mini with { Qm9 = new(99, 99, 99), Chebi20 = new(99, 99, 99), Captioned = new(99, 99, 99) };
        foreach (Func<StudyScale, Study> table in new[] { PaperTables.Table1, PaperTables.Table2 })
            Assert.All(table(StudyScale.Mini).Cells(1).Zip(table(longer).Cells(1)), c => Assert.Equal(c.First.Task is not CellTask.Fusion, c.First.Key() == c.Second.Key()));
    }

    /// <summary>A change that runs them all again would do so for everyone who goes on with them.</summary>
    [Fact]
    public void Results_of_the_repository_are_those_of_todays_cells()
    {
        foreach (Study study in new[] { FusionStudy.Create().InBFloat16(), PaperTables.Table1(StudyScale.Mini).InBFloat16(), PaperTables.Table2(StudyScale.Mini).InBFloat16(), PaperTables.Table3(StudyScale.Mini).InBFloat16() })
        {
            string folder = Repository.PathOf("docs", "results", study.Name);
            StudyRun run = new(study, folder, seeds: 3);
            Assert.Equal(Directory.GetFiles(Path.Combine(folder, "cells")).Select(f => Path.GetFileNameWithoutExtension(f)).Order(), run.Cells.Where(c => run.ResultOf(c) is not null).Select(c => c.Name).Order());
        }
    }

    [Fact]
    public void The_READMEs_summary_is_that_of_the_landed_cells()
    {
        Dictionary<string, string> rows = new()
        {
            ["ridge regression, MFP counts"] = "ridge.counts",
            ["XGBoost, MFP"] = "um.mfp",
            ["XGBoost, SM+SF+MFP concatenated"] = "nc.sm-sf-mfp",
            ["MLP, SM+SF+MFP concatenated"] = "nc-mlp.sm-sf-mfp",
            ["LLM-Fusion, SM+SF+MFP"] = "llm.sm-sf-mfp",
            ["LLM-Fusion, SM+SF+MFP+GR"] = "llm.sm-sf-mfp-gr",
            ["LLM-Fusion, GR"] = "llm.gr",
        };
        StudyRun[] runs = [.. new[] { (PaperTables.Table1(StudyScale.Mini), "qm9"), (PaperTables.Table2(StudyScale.Mini), "chebi20") }
            .Select(t => new StudyRun(t.Item1.InBFloat16() with { Panels = [.. t.Item1.Panels.Where(p => p.Name == t.Item2)] }, Repository.PathOf("docs", "results", t.Item1.Name), seeds: 1))];
        string[][] lines = [.. File.ReadLines(Repository.PathOf("README.md")).Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Select(line => line.Trim('|').Split('|', StringSplitOptions.TrimEntries))];
        foreach ((string title, string row) in rows)
            Assert.Equal(
                [
                    .. runs.SelectMany(run => Errors(run, row, (cell, target) => cell.Metrics.Find(Parts.Test, target, cell.Predictor))),
                    .. Errors(runs[1], row, (cell, target) => cell.WithoutStereoTwins?.Targets[target]),
                ],
                Assert.Single(lines, line => line[0] == title).Skip(1));
        Assert.Equal(
            [
                .. runs.SelectMany(run => Errors(run, "um.mfp", (cell, target) => cell.Metrics.Find(Parts.Test, target, Comparison.Constant))),
                .. Errors(runs[1], "um.mfp", (cell, target) => cell.ConstantWithoutStereoTwins?[target]),
            ],
            Assert.Single(lines, line => line[0] == "training mean").Skip(1));
        CellResult one = runs[1].Cells.Select(runs[1].ResultOf).First(result => result is not null)!;
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"({one.WithoutStereoTwins!.Rows:N0} of {one.Metrics.Rows.Where(r => r.Split == Parts.Test).Max(r => r.Metrics.N):N0})"), File.ReadAllText(Repository.PathOf("README.md")), StringComparison.Ordinal);

        // Empty where it has not been run.
        static IEnumerable<string> Errors(StudyRun run, string row, Func<CellResult, string, TargetMetrics?> of)
        {
            CellResult?[] seeds = [.. run.Cells.Where(c => c.Row.Name == row).Select(run.ResultOf)];
            StudyPanel panel = run.Study.Panels[0];
            return panel.Targets.Select(target => seeds.Contains(null) ? "" : seeds.Average(s => of(s!, target) is { } m ? panel.Metric == StudyMetric.Mae ? m.Mae : m.Mse : double.NaN).ToString("G3", CultureInfo.InvariantCulture));
        }
    }

    [Fact]
    public void Each_table_has_rows_for_one_target_alone_and_says_in_what_it_departs_from_the_paper()
    {
        (Study Study, string[] Targets)[] all = [(PaperTables.Table1(StudyScale.Mini), ["gap"]), (PaperTables.Table2(StudyScale.Mini), ["logp", "qed"]), (PaperTables.Table3(StudyScale.Mini), [])];
        foreach ((Study study, string[] targets) in all)
        {
            StudyCell[] alone = [.. study.Cells(1).Where(cell => cell.Row.Target is not null)];
            Assert.Equal(targets, alone.Select(cell => Assert.Single(cell.Task.Run.Targets)));
            Assert.Equal(study.Rows.Count, study.Rows.Select(r => r.Name).Distinct().Count());
            Assert.NotEmpty(study.Departures);
            // No two rows train the same on the same.
            Assert.Equal(study.Cells(1).Count, study.Cells(1).Select(cell => cell.Key()).Distinct().Count());
        }
    }

    [Fact]
    public void Table_3_at_the_papers_scale_is_on_the_papers_data_and_the_demo_data_claims_none()
    {
        Assert.Equal("chebi20", Assert.Single(PaperTables.Table3(StudyScale.Paper).Cells(1).Select(c => c.Task.Run.Data).Distinct()));
        Assert.Equal([30, 5, 30], PaperTables.Table3(StudyScale.Paper).Cells(1).Where(c => c.Seed == 0).Select(c => c.Task.Run.Epochs));
        Assert.Equal([30, 6, 30], PaperTables.Table3(StudyScale.Mini).Cells(1).Where(c => c.Seed == 0).Select(c => c.Task.Run.Epochs));
        foreach (Study smoke in new[] { PaperTables.Table1(StudyScale.Smoke), PaperTables.Table2(StudyScale.Smoke), PaperTables.Table3(StudyScale.Smoke) })
        {
            Assert.All(smoke.Cells(1), cell => Assert.Equal("demo", cell.Task.Run.Data));
            Assert.DoesNotContain("predefined", smoke.Question, StringComparison.Ordinal);
            Assert.DoesNotContain(smoke.Departures, d => d.StartsWith("Data:", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Rows_whose_text_encoder_learned_from_templates_say_so()
    {
        Study mini = PaperTables.Table2(StudyScale.Mini), paper = PaperTables.Table2(StudyScale.Paper);
        Assert.All(mini.Rows.Where(r => r.Task.Run.Modalities?.Contains("text") == true), r => Assert.Contains("TEXT†", r.Title, StringComparison.Ordinal));
        Assert.Contains(mini.Departures, d => d.StartsWith("†: `llmfusion-text`", StringComparison.Ordinal));
        Assert.Contains("†", Assert.Single(mini.Rows, r => r.Task.Run.Backbone == "llmfusion-text").Title, StringComparison.Ordinal);
        Assert.DoesNotContain(PaperTables.Table1(StudyScale.Mini).Rows, r => r.Task.Run.EncoderChoices().ContainsKey(Modality.Text) || r.Task.Run.Backbone is not null);
        Assert.DoesNotContain(paper.Rows, r => r.Title.Contains('†', StringComparison.Ordinal));
        Assert.DoesNotContain(paper.Departures, d => d.Contains('†', StringComparison.Ordinal));
    }

    [Fact]
    public void A_study_runs_each_cell_once_and_goes_on_where_it_was_cut_off()
    {
        List<string> begun = [];
        using CancellationTokenSource stop = new();
        string output = _folder["study"];
        StudyRun run = new(Small(epochs: 2), output, seeds: 2);
        Assert.Equal(4, run.Cells.Count);
        Assert.Equal(4 * 0.1, run.MinutesOf(run.Cells), 1e-9);
        // The second cell is stopped within its run.
        Assert.False(run.Run(e => { if (e is StudyEvent.Begun { Number: 2 }) stop.Cancel(); Note(e); }, stop.Token));
        Assert.Equal(["mfp.demo.seed0", "gr.demo.seed0"], begun);
        Assert.Single(run.Cells, cell => run.ResultOf(cell) is not null);

        begun.Clear();
        Assert.True(run.Run(Note, TestContext.Current.CancellationToken));
        Assert.Equal(["gr.demo.seed0", "mfp.demo.seed1", "gr.demo.seed1"], begun);
        Assert.True(run.Run(_ => Assert.Fail("all is done"), TestContext.Current.CancellationToken));
        CellResult result = run.ResultOf(run.Cells[0])!;
        Assert.Equal(2, result.Curve.Count);
        Assert.NotNull(result.Metrics.Find("test", "logp", Comparison.Model)!.Intervals);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(output, "runs")));

        // Cut where there is nothing to go on from yet, and where all is done but the result.
        File.Delete(run.ResultPath(run.Cells[0]));
        Directory.CreateDirectory(Path.Combine(output, "runs", run.Cells[0].Name));
        File.WriteAllText(Path.Combine(output, "runs", run.Cells[0].Name + ".cell.key"), run.Cells[0].Key());
        Assert.True(run.Run(_ => { }, TestContext.Current.CancellationToken));
        File.Delete(run.ResultPath(run.Cells[0]));
        TrainingRun.Run(run.Cells[0].Task.Run with { KeepCheckpoints = true }, Path.Combine(output, "runs", run.Cells[0].Name), resume: false, _ => { }, TestContext.Current.CancellationToken);
        File.WriteAllText(Path.Combine(output, "runs", run.Cells[0].Name + ".cell.key"), run.Cells[0].Key());
        int steps = 0;
        Assert.True(run.Run(e => steps += e is StudyEvent.Within { Of: StepDone } ? 1 : 0, TestContext.Current.CancellationToken));
        Assert.Equal(0, steps);
        Assert.Equal(2, run.ResultOf(run.Cells[0])!.Curve.Count);

        // Other settings: of this row alone nothing is known any more.
        StudyRun changed = new(Small(epochs: 3), output, seeds: 2);
        Assert.Equal([false, true, false, true], changed.Cells.Select(cell => changed.ResultOf(cell) is not null));

        // Another value of something that its key leaves out as it is by default; an option that it does not know changes nothing.
        string kept = File.ReadAllText(run.ResultPath(run.Cells[0]));
        File.WriteAllText(run.ResultPath(run.Cells[0]), kept.Replace("\"clip_norm\": 1,", "\"clip_norm\": 2,", StringComparison.Ordinal));
        Assert.Null(run.ResultOf(run.Cells[0]));
        File.WriteAllText(run.ResultPath(run.Cells[0]), kept.Replace("\"clip_norm\": 1,", "", StringComparison.Ordinal));
        Assert.NotNull(run.ResultOf(run.Cells[0]));

        string report = Report(run);
        Assert.Contains("| *one* |", report, StringComparison.Ordinal);
        Assert.EndsWith("## Departures from the paper\n\n- Data: *other* `molecules`.\n", report, StringComparison.Ordinal);
        Assert.Contains("<li>Data: other molecules.</li>", File.ReadAllText(Path.Combine(output, StudyReport.HtmlFileName)), StringComparison.Ordinal);
        Assert.Contains("4 runs", report, StringComparison.Ordinal);
        Assert.DoesNotContain("Not run yet", report, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(output, "demo-logp.svg")));
        Assert.Contains("Not run yet: 2 of 4", Report(changed), StringComparison.Ordinal);

        // Asked for fewer seeds, it shows those that are there all the same, and misses none.
        StudyReport.Write(run, output, seeds: 1);
        report = File.ReadAllText(Path.Combine(output, StudyReport.FileName));
        Assert.Contains("4 runs", report, StringComparison.Ordinal);
        Assert.DoesNotContain("Not run yet", report, StringComparison.Ordinal);

        foreach ((string good, string bad) in new[] { ("\"logp\": \"", "\"logp\": \"?"), ("\"logp\": \"", "\"logP\": \""), ("\"split\": \"test\"", "\"split\": \"other\"") })
        {
            File.WriteAllText(run.ResultPath(run.Cells[0]), kept.Replace(good, bad, StringComparison.Ordinal));
            Assert.Contains("is no result of a cell", Assert.Throws<InvalidDataException>(() => run.ResultOf(run.Cells[0])).Message, StringComparison.Ordinal);
        }

        File.WriteAllText(run.ResultPath(run.Cells[0]), "{}");
        Assert.Contains(run.ResultPath(run.Cells[0]), Assert.Throws<InvalidDataException>(() => run.ResultOf(run.Cells[0])).Message, StringComparison.Ordinal);
        Assert.Contains("xyz", Assert.Throws<ArgumentException>(() => new StudyRun(run.Study, output, 1, ["xyz"])).Message, StringComparison.Ordinal);

        void Note(StudyEvent e)
        {
            if (e is StudyEvent.Begun b) begun.Add(b.Cell.Name);
        }

        string Report(StudyRun of)
        {
            StudyReport.Write(of, output, seeds: 2);
            return File.ReadAllText(Path.Combine(output, StudyReport.FileName));
        }
    }

    [Fact]
    public void Trees_and_ridge_are_cells_like_any_other()
    {
        string output = _folder["baselines"];
        RunConfig config = new() { Modalities = ["fingerprint"] };
        Study study = Small(epochs: 1) with
        {
            Rows =
            [
                new("um", "UM", "xgboost", new CellTask.Boosted(new() { Run = config, Trials = 2, EarlyStopping = 5 }), 0.1) { Paper = new Dictionary<string, double> { ["logp"] = 2 }, Seeds = 2 },
                new("ridge", "ridge", "linear", new CellTask.Ridge(config), 0.1),
                new("nowhere", "nowhere", "linear", new CellTask.Ridge(config), 0.1) { Panels = [] },
            ],
        };
        StudyRun run = new(study, output, seeds: 1);
        Assert.Equal(["um.demo.seed0", "ridge.demo.seed0", "um.demo.seed1"], run.Cells.Select(c => c.Name));
        Assert.True(run.Run(_ => { }, TestContext.Current.CancellationToken));
        foreach (CellResult result in run.Cells.Select(c => run.ResultOf(c)!))
            Assert.True(result.Metrics.Find("test", "logp", result.Predictor)!.Mse < result.Metrics.Find("test", "logp", Comparison.Constant)!.Mse);
        StudyReport.Write(run, output, seeds: 1);
        string report = File.ReadAllText(Path.Combine(output, StudyReport.FileName));
        Assert.Contains("| UM |", report, StringComparison.Ordinal);
        Assert.Contains("ours -", report, StringComparison.Ordinal);
        Assert.DoesNotContain(", Demo</small>", report, StringComparison.Ordinal);
        // Alone in its table, a row is better than none.
        StudyReport.Write(new StudyRun(study with { Rows = [study.Rows[1]] }, output, seeds: 1), output, seeds: 1);
        Assert.DoesNotContain("**", File.ReadAllText(Path.Combine(output, StudyReport.FileName)), StringComparison.Ordinal);
        // Beside the paper's number also where it was run on other data alone, which is named.
        Study elsewhere = study with { Panels = [study.Panels[0] with { IsPapers = false }] };
        StudyReport.Write(new StudyRun(elsewhere, output, seeds: 1), output, seeds: 1);
        Assert.Contains(", Demo</small>", File.ReadAllText(Path.Combine(output, StudyReport.FileName)), StringComparison.Ordinal);
        CellResult ridge = run.ResultOf(run.Cells[1])!;
        Assert.Equal((64, 2049L), (ridge.Data.Sha256!.Length, ridge.Parameters));
        Assert.Contains(Assert.Single(ridge.Penalties), RidgeRegression.DefaultLambdas);
        Assert.Equal("mae", Assert.IsType<CellTask.Boosted>(run.Cells[0].Task).Config.Metric);
        ChosenTrees chosen = Assert.Single(run.ResultOf(run.Cells[0])!.Trees);
        Assert.Equal(("logp", run.ResultOf(run.Cells[0])!.Trials.MinBy(t => t.Metric)!.Number), (chosen.Target, chosen.Trial));
        Assert.InRange(chosen.Used, 1, 2000);
    }

    [Fact]
    public void Cells_run_in_processes_of_their_own_and_a_failure_names_its_log()
    {
        string here = _folder["here"], there = _folder["there"];
        Study study = Small(epochs: 1);
        Assert.True(new StudyRun(study, here, seeds: 2).Run(_ => { }, TestContext.Current.CancellationToken));
        StudyRun run = new(study, there, seeds: 2);
        List<string> done = [];
        // Moved into its place, as the program replaces files: the other process's end reads all results.
        Assert.True(new StudyJobs(run, 2, cell => new("bash", ["-c", $"test $OMP_NUM_THREADS -ge 1 && mkdir -p {there}/cells && cp {here}/cells/{cell.Name}.json {there} && mv {there}/{cell.Name}.json {there}/cells/"]), there)
            .Run(e => { if (e is StudyEvent.Done d) done.Add(d.Cell.Name); }, TestContext.Current.CancellationToken));
        Assert.Equal(run.Cells.Select(c => c.Name).Order(), done.Order());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(there, "runs")));

        File.Delete(run.ResultPath(run.Cells[0]));
        // Told to stop, a process is told once, and its cell is left.
        using CancellationTokenSource stop = new();
        Assert.False(new StudyJobs(run, 1, cell => new("bash", ["-c", $"trap 'echo told >> {there}/told; exit 0' TERM; echo up > {there}/up; sleep 60 > /dev/null 2>&1 & wait"]), there).Run(e => _ = Task.Run(() =>
        {
            while (!File.Exists(Path.Combine(there, "up"))) Thread.Sleep(10);
            stop.Cancel();
        }), stop.Token));
        Assert.Equal(["told"], File.ReadAllLines(Path.Combine(there, "told")));
        // A cell that fails keeps no other from being run.
        File.Delete(run.ResultPath(run.Cells[1]));
        List<StudyEvent.Failed> failed = [];
        done.Clear();
        string message = Assert.Throws<InvalidOperationException>(() => new StudyJobs(run, 1, cell => new("bash", ["-c", cell == run.Cells[0] ? "echo out of luck; exit 7" : $"cp {here}/cells/{cell.Name}.json {there}/cells/"]), there)
            .Run(e => { if (e is StudyEvent.Failed f) failed.Add(f); else if (e is StudyEvent.Done d) done.Add(d.Cell.Name); }, TestContext.Current.CancellationToken)).Message;
        Assert.Contains($"1 of 2 cells failed: {run.Cells[0].Name};", message, StringComparison.Ordinal);
        Assert.Contains("code 7", Assert.Single(failed).Why, StringComparison.Ordinal);
        Assert.Equal([run.Cells[1].Name], done);
        Assert.Contains("out of luck", File.ReadAllText(Path.Combine(there, "runs", run.Cells[0].Name + ".log")), StringComparison.Ordinal);
        // A whole name is that cell alone, even where it is part of another's.
        Assert.Equal(["gr.demo.seed1"], study.Cells(2, ["gr.demo.seed1"]).Select(c => c.Name));
        Assert.Equal(4, study.Cells(2, ["DEMO"]).Count);
    }

    [Fact]
    public void A_claim_holds_where_one_row_errs_less_molecule_by_molecule()
    {
        string output = _folder["claims"];
        RunConfig bits = new(), counts = new() { Fingerprint = bits.Fingerprint with { Counts = !bits.Fingerprint.Counts } };
        Study study = Small(epochs: 1) with
        {
            Rows = [new("ridge", "ridge", "linear", new CellTask.Ridge(bits), 0.1), new("other", "other", "linear", new CellTask.Ridge(counts), 0.1)],
            Claims = [new("one is better than the other", "ridge", "other"), new("the other is better", "other", "ridge"), new("it is better than itself", "ridge", "ridge")],
        };
        StudyRun run = new(study, output, seeds: 2);
        Assert.Equal(2, run.Cells.Count); // no seed decides anything of ridge regression
        Assert.True(run.Run(_ => { }, TestContext.Current.CancellationToken));
        CellResult[] results = [.. run.Cells.Select(c => run.ResultOf(c)!)];
        Assert.Equal(results[0].Metrics.Find("test", "logp", "ridge")!.Mae, results[0].TestErrors!.Of("logp")!.Average(), 1e-3);
        IReadOnlyList<StudyVerdict> verdicts = StudyVerdict.Of(study, run.Cells.Zip(results).ToLookup(c => (c.First.Row, c.First.Panel), c => c.Second));
        Assert.Equal(3, verdicts.Count);
        Assert.Equal(verdicts[0].Difference, -verdicts[1].Difference, 1e-12);
        Assert.Equal(verdicts[0].Interval.Low, -verdicts[1].Interval.High, 1e-12);
        Assert.Equal(results[0].Metrics.Find("test", "logp", "ridge")!.Mae - results[1].Metrics.Find("test", "logp", "ridge")!.Mae, verdicts[0].Difference, 1e-9);
        Assert.Equal((0.0, 0.0, "open"), (verdicts[2].Difference, verdicts[2].Interval.High, verdicts[2].Holds));
        // What one of the two cannot read is left out of the comparison.
        DataRow[] test = [.. RunData.Open(run.Cells[0].Task.Run).Test];
        float[][] truth = [.. test[1..].Select(row => row.Sample!.Targets)], off = [.. truth.Zip(results[0].TestErrors!.Of("logp")![1..], (t, error) => new[] { t[0] + (float)error + 0.5f })];
        CellResult fewer = results[1] with { Metrics = Comparison.Empty.With("test", "ridge", ["logp"], [""], truth, off, 0), TestErrors = TestErrors.Of(["logp"], test, test[1..], off) };
        Assert.Equal(double.NaN, fewer.TestErrors.Of("logp")![0]);
        StudyVerdict common = Of(results[0], fewer), apart = Of(results[0], fewer with { TestErrors = null });
        Assert.Equal(-0.5, common.Difference, 1e-3);
        Assert.True(common.Interval.High - common.Interval.Low < 0.1 * (apart.Interval.High - apart.Interval.Low));
        StudyVerdict Of(CellResult one, CellResult two) => StudyVerdict.Of(study, run.Cells.Zip([one, two]).ToLookup(c => (c.First.Row, c.First.Panel), c => c.Second))[0];
        // Without the molecules that have a twin in training, here all but the first two.
        (CellResult Result, double[] Errors)[] masked = [.. results.Select(r => (r with { TestWithoutTwins = Convert.ToBase64String([0b11, .. new byte[(test.Length - 1) / 8]]), WithoutStereoTwins = new EvaluationReport(2, 0, new Dictionary<string, TargetMetrics> { ["logp"] = r.Metrics.Find("test", "logp", "ridge")! }) }, r.TestErrors!.Of("logp")![..2]))];
        StudyVerdict alone = StudyVerdict.Of(study, run.Cells.Zip(masked).ToLookup(c => (c.First.Row, c.First.Panel), c => c.Second.Result))[0].WithoutStereoTwins!;
        double[] differences = [.. masked[0].Errors.Zip(masked[1].Errors, (a, b) => a - b)];
        Assert.Equal(2 * 1.96 * Math.Abs(differences[0] - differences[1]) / 2, alone.Interval.High - alone.Interval.Low, 1e-6);
        Assert.Null(verdicts[0].WithoutStereoTwins);
        // Pairing makes it narrower than the two intervals would.
        StudyVerdict unpaired = StudyVerdict.Of(study, run.Cells.Zip(results).ToLookup(c => (c.First.Row, c.First.Panel), c => c.Second with { TestErrors = null }))[0];
        Assert.True(verdicts[0].Interval.High - verdicts[0].Interval.Low < unpaired.Interval.High - unpaired.Interval.Low);
        File.WriteAllText(Path.Combine(output, StudyReport.FindingsFile), "The *reason* is this.\n");
        StudyReport.Write(run, output, seeds: 2);
        foreach (string file in new[] { StudyReport.FileName, StudyReport.HtmlFileName })
            foreach (string part in new[] { "one is better than the other", "What it says", "is this." }) Assert.Contains(part, File.ReadAllText(Path.Combine(output, file)), StringComparison.Ordinal);
    }

    [Fact]
    public void An_interval_holds_the_spread_of_rows_and_of_seeds()
    {
        TargetMetrics Seed(double mae, double half) => new(10, mae, mae, mae, 0) { Intervals = new(new(mae - half, mae + half), new(0, 0), new(0, 0), new(0, 0)) };
        StudyValue one = StudyValue.Of([Seed(1, 0.1)], StudyMetric.Mae)!, two = StudyValue.Of([Seed(1, 0.1), Seed(3, 0.1)], StudyMetric.Mae)!;
        Assert.Equal((1, 0.9, 1.1), (one.Mean, Math.Round(one.Interval.Low, 9), Math.Round(one.Interval.High, 9)));
        // s^2 = 2, of a mean of two: 1. Student's t has 12.706 with one degree of freedom, 4.303 with two, as in any table.
        Assert.Equal(2 + 12.706, StudyValue.Of([Seed(1, 0), Seed(3, 0)], StudyMetric.Mae)!.Interval.High, 1e-3);
        Assert.Equal(2 + (4.3027 / Math.Sqrt(3)), StudyValue.Of([Seed(1, 0), Seed(2, 0), Seed(3, 0)], StudyMetric.Mae)!.Interval.High, 1e-3);
        Assert.InRange(two.Interval.High, 2 + 12.5, 2 + 12.706);
        Assert.Null(StudyValue.Of([], StudyMetric.Mae));
        // One seed with the spread of others, half of the error: s = 1.
        Assert.Equal(2 + 4.3027, StudyValue.Of([Seed(2, 0)], StudyMetric.Mae, new SeedVariance(0.25, 2))!.Interval.High, 1e-3);
        // Seeds that decide next to nothing leave the normal distribution.
        Assert.Equal(1.96, new SeedVariance(1e-6, 2).HalfWidth(1), 1e-4);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(2)]
    [InlineData(8)]
    public void Of_100_intervals_about_95_hold_what_is_true(double ofMolecules)
    {
        // The difference, 0, of two errors with three seeds each: molecules move it by a normal number, each seed by another.
        const int draws = 4000;
        Random random = new(5);
        int held = 0;
        for (int i = 0; i < draws; i++)
        {
            (double Mean, SeedVariance Of) one = Seeds(1), other = Seeds(0.5);
            double difference = (ofMolecules * Normal()) + one.Mean - other.Mean, half = SeedVariance.OfDifference(one.Of, other.Of, isShared: false).HalfWidth(ofMolecules * ofMolecules);
            if (Math.Abs(difference) <= half) held++;
        }

        // With 1.96 in the place of Student's t it would be 89 % for the first. The formula is Welch's approximation, at times on the safe side; chance adds 0.7 %.
        Assert.InRange((double)held / draws, 0.94, 0.985);

        (double, SeedVariance) Seeds(double deviation)
        {
            double[] values = [.. Enumerable.Range(0, 3).Select(_ => deviation * Normal())];
            double mean = values.Average();
            return (mean, new SeedVariance(values.Sum(v => (v - mean) * (v - mean)) / 2 / 3, 2));
        }

        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    [Fact]
    public void A_row_of_one_seed_has_the_spread_of_those_with_several()
    {
        Study study = Small(epochs: 1) with { Rows = [.. Small(epochs: 1).Rows, new("ridge", "ridge", "linear", new CellTask.Ridge(new RunConfig()), 0.1)], Claims = [new("better", "mfp", "gr"), new("linear", "mfp", "ridge")] };
        StudyCell[] cells = [.. study.Cells(1)];
        (StudyCell Cell, float Off)[] done = [(cells[0], 1), (cells[0], 3), (cells[1], 2), (cells[2], 2)];
        IReadOnlyList<StudyVerdict> verdicts = StudyVerdict.Of(study, done.ToLookup(d => (d.Cell.Row, d.Cell.Panel), d => Off(d.Cell, d.Off)));
        // s^2 = 2 of a mean of 2, k = 2: 1; the other network has the same share of its 2, k = 1: 2; ridge regression has none.
        // Both are told by the same two seeds: one degree of freedom.
        Assert.Equal(12.7062 * Math.Sqrt(1 + 2), verdicts[0].Interval.High, 1e-3);
        Assert.Equal(12.7062, verdicts[1].Interval.High, 1e-3);
    }

    [Fact]
    public void Many_learning_curves_are_drawn_in_several_figures()
    {
        Study small = Small(epochs: 1), study = small with
        {
            Rows = [.. Enumerable.Range(0, 18).Select(i => new StudyRow($"row{i}", $"row {i}", i < 3 ? "a" : "b", small.Rows[0].Task.Changed(c => c with { LearningRate = 0.001 + (i * 0.0001) }), 0.1))],
        };
        StudyRun run = new(study, _folder["curves"], seeds: 1);
        Directory.CreateDirectory(_folder["curves/cells"]);
        foreach (StudyCell cell in run.Cells) (Off(cell, 1) with { Curve = [new(2, 2), new(1, 1)] }).Write(run.ResultPath(cell));
        StudyReport.Write(run, _folder["curves"], seeds: 1);
        // A group of 3 and the first half of one of 15, then the other half: 14 at most.
        Assert.Equal(["demo-curves-2.svg", "demo-curves.svg"], Directory.GetFiles(_folder["curves"], "*-curves*.svg").Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Contains("![demo-curves](demo-curves.png)\n![demo-curves-2](demo-curves-2.png)", File.ReadAllText(_folder["curves/README.md"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_difference_that_rounds_to_nothing_has_one_sign()
    {
        Study study = Small(epochs: 1) with { Claims = [new("better", "mfp", "gr")] };
        StudyRun run = new(study, _folder["signs"], seeds: 1);
        Directory.CreateDirectory(_folder["signs/cells"]);
        foreach ((StudyCell cell, float off) in run.Cells.Zip([2f, 2.0004f])) Off(cell, off).Write(run.ResultPath(cell));
        StudyReport.Write(run, _folder["signs"], seeds: 1);
        Assert.Contains("| -0.0004 (+0.0 %) |", File.ReadAllText(_folder["signs/README.md"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_report_says_which_trees_might_have_gained_with_more_of_them()
    {
        CellTask Trees(int most) => new CellTask.Boosted(new() { Run = new RunConfig(), SearchRows = 50, FinalEstimators = most, EarlyStopping = 25 });
        Study study = Small(epochs: 1) with { Rows = [new("some", "some", "trees", Trees(2000), 0.1) { Seeds = 2 }, new("more", "more", "trees", Trees(4000), 0.1), new("most", "most", "trees", Trees(8000), 0.1)] };
        StudyRun run = new(study, _folder["trees"], seeds: 1);
        Directory.CreateDirectory(_folder["trees/cells"]);
        Dictionary<string, int> used = new() { ["some.demo.seed0"] = 1990, ["some.demo.seed1"] = 1975, ["more.demo.seed0"] = 4000, ["most.demo.seed0"] = 4000 };
        foreach (StudyCell cell in run.Cells) (Off(cell, 1) with { Data = new("demo", "", 100, 1, 1), Trees = [new("logp", 0, used[cell.Name])] }).Write(run.ResultPath(cell));
        StudyReport.Write(run, _folder["trees"], seeds: 1);
        // Growing stops 25 trees after the best: one of 1,975 was stopped.
        Assert.Contains("XGBoost: 1 of 2 final fits with at most 2,000 trees and 1 of 1 final fits with at most 4,000 trees reached them", File.ReadAllText(_folder["trees/README.md"]), StringComparison.Ordinal);
    }

    /// <summary>A network's result on two molecules, each as far off as the other: nothing but seeds makes an interval.</summary>
    private static CellResult Off(StudyCell cell, float off) => new()
    {
        Cell = cell.Name,
        Key = cell.Key(),
        Seed = 0,
        Predictor = Comparison.Model,
        Metrics = Comparison.Empty.With("test", Comparison.Model, ["logp"], [""], [[1f], [2f]], [[1 + off], [2 + off]], 0),
        Curve = [],
        Seconds = 1,
        Parameters = 1,
        Data = new("demo", "", 1, 1, 1),
        Environment = null,
        Config = [],
    };

    private static Study Small(int epochs)
    {
        RunConfig config = new() { Size = "tiny", Epochs = 2, EarlyStopping = 9 };
        return new Study
        {
            Name = "small",
            Title = "Small",
            Arguments = "small",
            Question = "Is it run?",
            Departures = ["Data: *other* `molecules`."],
            Panels = [new("demo", "Demo", ["logp"], StudyMetric.Mae, c => c with { Data = "demo", TrainRows = 100 }) { IsPapers = true }],
            Rows =
            [
                new("mfp", "MFP", "one", new CellTask.Fusion(config with { Modalities = ["fingerprint"], Epochs = epochs }), 0.1),
                new("gr", "GR", "one", new CellTask.Fusion(config with { Modalities = ["graph"] }), 0.1),
            ],
        };
    }
}
