using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using LlmFusion.Transformers;
using Xunit;

namespace LlmFusion.Tests.Training;

/// <summary>Columns of the data and vectors from files as modalities, from training to prediction.</summary>
public sealed class OwnModalityTests : IDisposable, IClassFixture<OwnModalityTests.Trained>
{
    private const string Molecules = """
        id,smiles,mw,tpsa,y
        a,CCO,46,20.2,0.5
        b,CCCO,60,20.2,0.7
        c,CCN,45,26.0,-0.3
        d,c1ccccc1,78,0,2.1
        e,c1ccccc1O,94,,1.4
        f,CC(=O)O,60,37.3,-0.2
        g,CCS,62,0,0.8
        h,CC#N,41,23.8,0.3

        """;

    private const string Vectors = "smiles,v0,v1,v2\nOCC,1,0,0\nCCCO,0,1,0\nNCC,0,0,1\nc1ccccc1,1,1,0\nc1ccccc1O,0,1,1\nCC(=O)O,1,0,1\nCC#N,0.5,0.5,0.5\n";

    private readonly TemporaryFolder _folder = new();
    private readonly RunConfig _config;
    private readonly Trained _trained;

    public OwnModalityTests(Trained trained)
    {
        _trained = trained;
        _config = ConfigIn(_folder);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void They_are_fused_saved_and_loaded_like_the_others()
    {
        (TrainingSummary summary, RunStarted started) = (_trained.Summary, _trained.Started);
        Assert.Equal((0, 3, 3), (started.Missing["smiles"], started.Missing["props"], started.Missing["img"])); // one molecule in each of three parts
        ModelManifest manifest = TrainedModel.ReadManifest(summary.Folder);
        Assert.Equal(["smiles", "props", "img"], manifest.Modalities.Select(m => m.Name));
        Assert.Equal(["mw", "tpsa"], manifest.Modalities[1].Columns!.Select(c => c.Name));
        Assert.Equal(56, manifest.Modalities[1].Columns![0].Mean, 1e-9); // of the seven molecules that have both columns
        Assert.Equal(3, manifest.Modalities[2].Vectors!.Count);
        string[] names = [.. Safetensors.ReadHeader(Path.Combine(summary.Folder, "model.safetensors")).Entries.Select(e => e.Name)];
        Assert.Contains("encoder_props.weight", names);
        Assert.Contains("proj_img.weight", names);

        using TrainedModel model = Load();
        TargetMetrics again = Evaluator.OnFile(new Predictor(model, "cpu"), _folder["data.csv"], null, null, null, cancellation: TestContext.Current.CancellationToken).Targets["y"];
        Assert.Equal(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.Mse, again.Mse, 1e-5);
        // Each of them matters.
        float[] all = Predict(model, Molecules)[0].Values!;
        Assert.NotEqual(all, Predict(model, Molecules.Replace("a,CCO,46,20.2", "a,CCO,90,20.2"))[0].Values!);
        Assert.NotEqual(all, Predict(model, Molecules.Replace("a,CCO,46,20.2", "a,CCO,,20.2"))[0].Values!);
    }

    [Fact]
    public void A_small_model_learns_a_property_from_columns_alone()
    {
        string rows = string.Concat(Enumerable.Range(1, 24).Select(i => FormattableString.Invariant($"{new string('C', i)},{i % 7},{i % 5},{i % 7 - 2 * (i % 5)}\n")));
        _folder.Write("data.csv", "smiles,mw,tpsa,y\n" + rows);
        TrainingSummary summary = Run(_config with { Modalities = [], Inputs = new() { ["props"] = "columns:mw,tpsa" }, Epochs = 15, BatchSize = 4, Dropout = 0, LearningRate = 5e-3 }, "alone");
        Assert.True(summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.R2 > 0.9, $"R2 {summary.Manifest.Metrics.Find("test", "y", Comparison.Model)!.R2}");
    }

    [Fact]
    public void What_one_molecule_lacks_changes_no_other_molecule()
    {
        using TrainedModel model = Load();
        RowPrediction[] whole = Predict(model, Molecules), lacking = Predict(model, Molecules.Replace("a,CCO,46,20.2", "a,CCO,46,").Replace("b,CCCO", "b,CCCCCO"));
        Assert.All(lacking, p => Assert.True(p.Values is [var value] && float.IsFinite(value)));
        Assert.NotEqual(whole[0].Values![0], lacking[0].Values![0]);
        for (int i = 2; i < whole.Length; i++) Assert.Equal(whole[i].Values![0], lacking[i].Values![0], 1e-4f);
        // A row by itself, and among others that have what it lacks.
        RowPrediction alone = Predict(model, string.Join('\n', Molecules.Split('\n')[0], Molecules.Split('\n')[5]))[0];
        Assert.Equal(whole[4].Values![0], alone.Values![0], 1e-4f);
    }

    [Fact]
    public void Without_its_file_of_vectors_a_model_predicts_as_for_molecules_that_have_none()
    {
        _folder.Write("nobody.csv", "smiles,v0,v1,v2\nBr,1,1,1\n");
        using TrainedModel without = TrainedModel.Load(_trained.Summary.Folder), nobody = Load(Sources("img", "nobody.csv")), with = Load();
        RowPrediction[] expected = Predict(nobody, Molecules), got = Predict(without, Molecules), full = Predict(with, Molecules);
        for (int i = 0; i < got.Length; i++) Assert.Equal(expected[i].Values!, got[i].Values!);
        Assert.NotEqual(full[0].Values!, got[0].Values!);
        Assert.Equal(full[6].Values![0], got[6].Values![0], 1e-4f);  // CCS has no vector anyway

        // A file without the columns: that modality is missing too.
        Assert.All(Predict(without, "smiles\nCCO\nCCN\n"), p => Assert.NotNull(p.Values));
        Assert.All(new Predictor(without, "cpu").Predict(DataRow.OfSmiles(["CCO"]), TestContext.Current.CancellationToken), p => Assert.NotNull(p.Values));
    }

    [Fact]
    public void A_molecule_of_which_nothing_is_left_is_refused_in_its_place()
    {
        BadRowsException refused = Assert.Throws<BadRowsException>(() => Run(_config with { Modalities = [], Inputs = new() { ["img"] = _config.Inputs["img"] } }, "refused"));
        Assert.Contains("line 8", refused.Message);
        Assert.Contains("img", refused.Message);
        Run(_config with { Modalities = [], Inputs = new() { ["img"] = _config.Inputs["img"] }, SkipBadRows = true }, "model");
        using TrainedModel model = TrainedModel.Load(_folder["model"], Sources("img", "vectors.csv"));
        RowPrediction[] predictions = Predict(model, Molecules);
        Assert.Equal([false, false, false, false, false, false, true, false], predictions.Select(p => p.Values is null));
        Assert.Contains("without any of the model's modalities", predictions[6].Error!.Message);
    }

    [Fact]
    public void Vectors_are_found_by_identifier_where_their_file_has_no_smiles()
    {
        _folder.Write("by-id.csv", "id,v0\na,1\nb,2\nc,3\nd,4\ne,5\nf,6\n");
        RunStarted? started = null;
        TrainingRun.Run(_config with { Inputs = new() { ["img"] = $"vectors:{_folder["by-id.csv"]}" }, EvaluateTest = false, Epochs = 1 }, _folder["model"], resume: false,
            e => started = e as RunStarted ?? started, TestContext.Current.CancellationToken);
        Assert.Equal(4, started!.Missing["img"]); // g and h, in training and validation
    }

    [Fact]
    public void Row_numbers_are_no_identifiers()
    {
        _folder.Write("by-number.csv", "id,v0\n1,1\n2,2\n3,3\n");
        _folder.Write("unnamed.csv", "smiles,y\nCCO,1\nCCN,2\nCCC,3\n");
        RunConfig config = _config with { TrainFile = _folder["unnamed.csv"], ValidFile = _folder["unnamed.csv"], TestFile = null, Inputs = new() { ["img"] = $"vectors:{_folder["by-number.csv"]}" } };
        DataFileException refused = Assert.Throws<DataFileException>(() => TrainingRun.Run(config, _folder["model"], resume: false, _ => { }, TestContext.Current.CancellationToken));
        Assert.Contains("no column of identifiers", refused.Message);
        Assert.Null(VectorTable.Load(_folder["by-number.csv"]).Find(DataRow.OfSmiles(["CCO"]).Single().OwnId, "CCO", "CCO"));
    }

    [Fact]
    public void The_order_of_a_files_components_does_not_matter()
    {
        VectorTable table = VectorTable.Load(_folder.Write("turned.csv", "smiles,b,a\nCCO,2,1\n")).InOrder(["a", "b"]);
        Assert.Equal([1, 2], table.Find(null, "CCO", "CCO")!);
    }

    [Fact]
    public void A_cell_that_is_no_number_is_found_behind_a_blank_one_too()
    {
        string data = _folder.Write("bad.csv", "id,smiles,mw,tpsa,y\na,CCO,,many,0.5\nb,CCN,1,2,0.7\n");
        RunConfig config = _config with { TrainFile = data, ValidFile = data, TestFile = null, Inputs = new() { ["props"] = "columns:mw,tpsa" } };
        Assert.Contains("column tpsa", Assert.Throws<BadRowsException>(() => TrainingRun.Run(config, _folder["model"], resume: false, _ => { }, TestContext.Current.CancellationToken)).Message);
    }

    [Fact]
    public void Files_of_vectors_that_do_not_fit_the_model_are_refused()
    {
        _folder.Write("narrow.csv", "smiles,v0\nCCO,1\n");
        DataFileException narrow = Assert.Throws<DataFileException>(() => Load(Sources("img", "narrow.csv")).Dispose());
        Assert.Contains("narrow.csv", narrow.Message);
        Assert.Contains("1 components, v0.., expected the 3", narrow.Message);
        // As many, but of another encoder.
        _folder.Write("other.csv", "smiles,w0,w1,w2\nCCO,1,2,3\n");
        Assert.Contains("v0, v1, v2", Assert.Throws<DataFileException>(() => Load(Sources("img", "other.csv")).Dispose()).Message);
        Assert.Contains("img", Assert.Throws<ModelFolderException>(() => Load(Sources("image", "narrow.csv")).Dispose()).Message);
        Assert.Contains("no such file", Assert.Throws<DataFileException>(() => Load(Sources("img", "gone.csv")).Dispose()).Message);
    }

    [Fact]
    public void A_misspelt_column_is_an_error_that_names_the_columns_of_the_file()
    {
        DataFileException refused = Assert.Throws<DataFileException>(() => Run(_config with { Inputs = new() { ["props"] = "columns:mw,psa" } }, "model"));
        Assert.StartsWith(_folder["data.csv"], refused.Message);
        Assert.Contains("psa", refused.Message);
        Assert.Contains("id, smiles, mw, tpsa, y", refused.Message);
        Assert.False(Directory.Exists(_folder["model"]));
    }

    [Theory]
    [InlineData("y")]
    [InlineData("Y")]
    public void A_target_is_not_its_own_input(string target) =>
        Assert.Contains("column y is a target", Assert.Throws<ArgumentException>(() => Run(_config with { Targets = [target], Inputs = new() { ["props"] = "columns:mw,y" } }, "model")).Message);

    [Fact]
    public void A_cell_that_is_no_number_is_an_error_of_its_row()
    {
        string broken = Molecules.Replace("c,CCN,45", "c,CCN,heavy").Replace("d,c1ccccc1,78", "d,c1ccccc1,inf");
        File.WriteAllText(_folder["data.csv"], broken);
        BadRowsException refused = Assert.Throws<BadRowsException>(() => Run(_config with { EvaluateTest = false }, "refused"));
        Assert.Contains($"{_folder["data.csv"]}, line 4, column mw: found \"heavy\"", refused.Message);
        Assert.Contains("line 5, column mw", refused.Message);
        Assert.Equal(6, Run(_config with { SkipBadRows = true }, "model").Manifest.Data.Train);
        using TrainedModel model = TrainedModel.Load(_folder["model"]);
        RowPrediction[] predictions = Predict(model, broken);
        Assert.Equal([2, 3], predictions.Index().Where(p => p.Item.Values is null).Select(p => p.Index));
        Assert.Contains("line 4, column mw", predictions[2].Error!.Message);
    }

    private TrainingSummary Run(RunConfig config, string name) => TrainingRun.Run(config, _folder[name], resume: false, _ => { }, TestContext.Current.CancellationToken);

    private TrainedModel Load(ModelSources? sources = null) => TrainedModel.Load(_trained.Summary.Folder, sources ?? Sources("img", "vectors.csv"));

    private ModelSources Sources(string modality, string file) => new() { Vectors = new Dictionary<string, string> { [modality] = _folder[file] } };

    private RowPrediction[] Predict(TrainedModel model, string table)
    {
        using DataFile file = DataFile.Open(_folder.Write("molecules.csv", table));
        return [.. new Predictor(model, "cpu").Predict(file.Rows(), TestContext.Current.CancellationToken)];
    }

    private static RunConfig ConfigIn(TemporaryFolder folder)
    {
        string data = folder.Write("data.csv", Molecules);
        return new RunConfig
        {
            TrainFile = data,
            ValidFile = data,
            TestFile = data,
            Targets = ["y"],
            Modalities = ["smiles"],
            Inputs = new() { ["props"] = "columns:mw,tpsa", ["img"] = $"vectors:{folder.Write("vectors.csv", Vectors)}" },
            Size = "tiny",
            Epochs = 1,
            BatchSize = 4,
            WarmupSteps = 0,
            LearningRate = 3e-3,
            Device = "cpu",
        };
    }

    /// <summary>A model with columns and vectors, trained once.</summary>
    public sealed class Trained : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public Trained()
        {
            RunStarted? started = null;
            Summary = TrainingRun.Run(ConfigIn(_folder), _folder["model"], resume: false, e => started = e as RunStarted ?? started, CancellationToken.None);
            Started = started!;
        }

        public TrainingSummary Summary { get; }

        public RunStarted Started { get; }

        public void Dispose() => _folder.Dispose();
    }
}
