using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Evaluation;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

/// <summary>The graph as a modality, from the molecule to the prediction.</summary>
public sealed class GraphModalityTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_batch_of_graphs_has_each_bond_both_ways_and_each_atom_once()
    {
        using DisposeScope scope = NewDisposeScope();
        GraphBatch batch = GraphFeatures.Batch([Graph("CC#N"), Graph("[Na+]"), Graph("C=CC=C")], CPU);
        Assert.Equal([0, 3, 4, 8], batch.GraphStart);
        Assert.Equal([8, GraphFeatures.Count], batch.Features.shape);
        Assert.Equal(0, batch.EdgeStart[4] - batch.EdgeStart[3]);
        (int At, int From, int Relation)[] edges = [.. Enumerable.Range(0, batch.Nodes)
            .SelectMany(i => Enumerable.Range(batch.EdgeStart[i], batch.EdgeStart[i + 1] - batch.EdgeStart[i]).Select(e => (i, batch.EdgeSource[e], batch.EdgeRelation[e])))];
        Assert.Equal(edges.Order(), edges.Select(e => (e.From, e.At, e.Relation)).Order());
        Assert.Equal(2, edges.Count(e => e.Relation == (int)BondType.Triple));
        Assert.Equal(6, edges.Count(e => e.Relation == 5)); // butadiene is conjugated throughout
        // Six kinds of an atom's properties have one 1 each: element, hydrogens, neighbours, charge, hybridisation; no ring, aromaticity, label.
        Assert.Equal(5, batch.Features[3].sum().item<float>());
    }

    [Theory]
    [InlineData("graph", GraphTokens.Pooled)]
    [InlineData("graph", GraphTokens.Atoms)]
    [InlineData("smiles,fingerprint,graph", GraphTokens.Pooled)]
    [InlineData("smiles,fingerprint,graph", GraphTokens.Atoms)]
    public void A_model_with_graphs_learns_and_its_folder_predicts_the_same_however_a_molecule_is_written(string modalities, GraphTokens tokens)
    {
        TrainingSummary summary = Train(modalities.Split(','), tokens, epochs: 40);
        double mse = summary.Manifest.Metrics.Find("train", "a", Comparison.Model)!.Mse, constant = summary.Manifest.Metrics.Find("train", "a", Comparison.Constant)!.Mse;
        Assert.True(mse < 0.05 * constant, $"MSE {mse} against {constant} of the constant predictor");
        Assert.Equal(4, summary.Manifest.FormatVersion);

        using TrainedModel model = TrainedModel.Load(summary.Folder);
        Predictor predictor = new(model, "cpu");
        float[] Of(string smiles) => predictor.Predict(DataRow.OfSmiles([smiles]), TestContext.Current.CancellationToken).Single().Values!;
        Assert.Equal(tokens, model.Network.Fusion.Config.GraphTokens);
        Assert.Equal(Of("CC(=O)OC"), Of("COC(C)=O"));
        Assert.Equal(Of("c1ccccc1O"), Of("Oc1ccccc1"));
        // More atoms than the language model has positions, next to a molecule of one.
        RowPrediction[] together = [.. predictor.Predict(DataRow.OfSmiles([new string('C', 60), "C"]), TestContext.Current.CancellationToken)];
        Assert.All(together, p => Assert.NotNull(p.Values));
        Assert.Equal(Of("C")[0], together[1].Values![0], 1e-4);
    }

    [Theory]
    [InlineData(GraphTokens.Pooled)]
    [InlineData(GraphTokens.Atoms)]
    public void A_molecule_without_its_graph_is_predicted_from_the_others(GraphTokens tokens)
    {
        using TrainedModel model = TrainedModel.Load(Train(["fingerprint", "graph"], tokens, epochs: 1).Folder);
        ModalityInput fingerprint = new ModalityInput.Fingerprint(new MorganCounts([3], [1])), graph = new ModalityInput.Graph(Graph("CCO"));
        float[][] values = model.Predict([new([fingerprint, null]), new([fingerprint, graph]), new([null, graph])], 8, CPU);
        Assert.Equal(values[0][0], model.Predict([new([fingerprint, null])], 8, CPU)[0][0], 1e-4);
        Assert.Equal(values[2][0], model.Predict([new([null, graph])], 8, CPU)[0][0], 1e-4);
        Assert.NotEqual(values[0][0], values[1][0], 1e-6);
    }

    [Theory]
    [InlineData(GraphTokens.Pooled)]
    [InlineData(GraphTokens.Atoms)]
    public void Contributions_of_atoms_are_summed_over_each_molecule_that_has_a_graph(GraphTokens tokens)
    {
        using TrainedModel model = TrainedModel.Load(TrainingRun.Run(Config(["fingerprint", "graph"], tokens) with { AtomContributions = ["a"], SingleModality = 0.5, Epochs = 20, EarlyStopping = 20 },
            _folder["contributions"], resume: false, _ => { }, TestContext.Current.CancellationToken).Folder);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        ModalityInput fingerprint = new ModalityInput.Fingerprint(new MorganCounts([3], [1]));
        MoleculeInputs[] molecules = [new([fingerprint, new ModalityInput.Graph(Graph("CCO"))]), new([fingerprint, null]), new([null, new ModalityInput.Graph(Graph("C1CCCCC1C"))])];
        FusionModel fusion = model.Network.Fusion;
        float[][] with = model.PredictScaled(molecules, 8, CPU);
        GraphBatch graphs = GraphFeatures.Batch([Graph("CCO"), Graph("C1CCCCC1C")], CPU);
        Tensor states = model.Network.Graph!.Forward(graphs);                            // (3 + 7, H)
        Tensor inside = nn.functional.gelu(states.matmul(Weight("atom_head.up.weight").t()) + Weight("atom_head.up.bias"));
        Tensor each = inside.matmul(Weight("atom_head.down.weight").t());                // (3 + 7, 1)
        float bias = Weight("head.bias").item<float>();
        Assert.Equal(bias + each[..3].sum().item<float>() / 16, with[0][0], 1e-4);
        Assert.Equal(bias + each[3..].sum().item<float>() / 16, with[2][0], 1e-4);
        Assert.NotEqual(bias, with[0][0], 1e-4);
        Weight("atom_head.down.weight").zero_();
        float[][] without = model.PredictScaled(molecules, 8, CPU);
        Assert.Equal(bias, without[0][0], 1e-6);
        Assert.Equal(with[1][0], without[1][0], 1e-6); // without a graph the language model answers
        Assert.NotEqual(bias, without[1][0], 1e-4);

        Tensor Weight(string name) => fusion.get_parameter(name)!;
    }

    [Fact]
    public void A_run_that_begins_from_a_model_takes_its_atoms_contributions_over_and_may_add_them()
    {
        List<string> notes = [];
        RunConfig config = Config(["graph"], GraphTokens.Pooled) with { Epochs = 2, EarlyStopping = 2 };
        string plain = Run(config, "plain"), added = Run(config with { InitModel = plain, AtomContributions = ["a"], LearningRate = 1e-12 }, "added"),
            kept = Run(config with { InitModel = Run(config with { AtomContributions = ["a"] }, "first"), LearningRate = 1e-12 }, "kept");
        Assert.Equal(Of(_folder["first"]), Of(kept), 1e-5f);
        Assert.NotEqual(Of(plain), Of(added), 1e-5f); // a sum of nothing at first, and the run says that it is new
        Assert.Contains(notes, note => note.EndsWith("new are modalities: none, targets: a", StringComparison.Ordinal));

        string Run(RunConfig of, string name) => TrainingRun.Run(of, _folder[name], resume: false, e => { if (e is RunNote note) notes.Add(note.Text); }, TestContext.Current.CancellationToken).Folder;

        float Of(string folder)
        {
            using TrainedModel model = TrainedModel.Load(folder);
            return new Predictor(model, "cpu").Predict(DataRow.OfSmiles(["CCCCCCC"]), TestContext.Current.CancellationToken).Single().Values![0];
        }
    }

    [Fact]
    public void What_a_run_does_not_have_of_its_first_model_s_contributions_is_left_out()
    {
        RunConfig config = Config(["fingerprint", "graph"], GraphTokens.Pooled) with { Epochs = 1, EarlyStopping = 1 };
        File.WriteAllText(_folder["two.csv"], "smiles,a,b\nCCO,0.5,1\nCCCO,0.7,2\nCCN,-0.3,1\nc1ccccc1,2.1,3\n");
        RunConfig two = config with { TrainFile = _folder["two.csv"], ValidFile = _folder["two.csv"], Targets = ["a", "b"], AtomContributions = ["a"] };
        string first = Run(two, "first");
        // Without the graph nothing contributes; for another target a head of its own begins at zero.
        Run(config with { InitModel = first, Modalities = ["fingerprint"] }, "no-graph");
        using TrainedModel other = TrainedModel.Load(Run(two with { InitModel = first, Targets = ["b"], AtomContributions = ["b"], LearningRate = 1e-12 }, "other"));
        using (no_grad()) Assert.Equal(0, other.Network.Fusion.get_parameter("atom_head.down.weight")!.abs().max().item<float>(), 1e-6);
        // Named data with its default targets.
        string demo = Run(new RunConfig { Data = "demo", TrainRows = 40, Modalities = ["graph"], Size = "tiny", Epochs = 1, AtomContributions = ["logp"] }, "demo");
        using TrainedModel kept = TrainedModel.Load(Run(new RunConfig { Data = "demo", TrainRows = 40, InitModel = demo, Epochs = 1 }, "kept"));
        Assert.Equal(["logp"], kept.Manifest!.AtomContributions);

        string Run(RunConfig of, string name) => TrainingRun.Run(of, _folder[name], resume: false, _ => { }, TestContext.Current.CancellationToken).Folder;
    }

    [Theory]
    [InlineData(FusionKind.MeanMlp, GraphTokens.Atoms, "mean_mlp")]
    [InlineData(FusionKind.ConcatMlp, GraphTokens.Pooled, "mean_mlp")]
    [InlineData(FusionKind.Llama, GraphTokens.Pooled, "llama")]
    [InlineData(FusionKind.Granite, GraphTokens.Pooled, "granite")]
    public void Another_fusion_learns_too_and_its_folder_is_read_back(FusionKind fusion, GraphTokens tokens, string form)
    {
        TrainingSummary summary = TrainingRun.Run(Config(["fingerprint", "graph"], tokens) with { Fusion = fusion, Epochs = 40, EarlyStopping = 40 },
            _folder["other"], resume: false, _ => { }, TestContext.Current.CancellationToken);
        Assert.True(summary.Manifest.Metrics.Find("train", "a", Comparison.Model)!.Mse < 0.1 * summary.Manifest.Metrics.Find("train", "a", Comparison.Constant)!.Mse);
        using TrainedModel model = TrainedModel.Load(summary.Folder);
        Assert.Equal(form, (string?)model.Network.Fusion.Llm.ConfigJson()["model_type"]);
        // With another modality: wider, or refused where it would stand in another's place.
        RunConfig wider = Config(["smiles", "fingerprint", "graph"], GraphTokens.Pooled) with { GraphTokens = GraphTokens.Pooled, Fingerprint = new(), Size = "mini", MaximumTokens = 256, InitModel = summary.Folder, Epochs = 1 };
        if (fusion is FusionKind.Llama or FusionKind.Granite) Assert.NotNull(TrainingRun.Run(wider, _folder["wider"], resume: false, _ => { }, TestContext.Current.CancellationToken));
        if (fusion == FusionKind.ConcatMlp) Assert.Contains("concatenates", Assert.Throws<ArgumentException>(() => TrainingRun.Run(wider, _folder["wider"], resume: false, _ => { }, TestContext.Current.CancellationToken)).Message);
        // One of the two modalities alone.
        Predictor predictor = new(model, "cpu", modalities: [Modality.Graph]);
        Assert.NotNull(predictor.Predict(DataRow.OfSmiles(["CCO"]), TestContext.Current.CancellationToken).Single().Values);
        Assert.Contains("fusion", Assert.Throws<ArgumentException>((Config(["graph"], GraphTokens.Pooled) with { Fusion = fusion, Backbone = "gpt2" }).Check).Message);
        Assert.Contains("fusion", Assert.Throws<ArgumentException>((Config(["graph"], GraphTokens.Atoms) with { Fusion = FusionKind.ConcatMlp }).Check).Message);
    }

    [Fact]
    public void Graph_settings_need_the_graph_and_a_damaged_encoder_is_refused()
    {
        Assert.Contains("graph_tokens", Assert.Throws<ArgumentException>(() => Config(["fingerprint"], GraphTokens.Atoms).Check()).Message);
        string folder = Train(["graph"], GraphTokens.Pooled, epochs: 1).Folder, config = Path.Combine(folder, "encoders", "graph", "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"hidden_size\": 32", "\"hidden_size\": 40000"));
        Assert.Contains("expected", Assert.Throws<ModelFolderException>(() => TrainedModel.Load(folder)).Message);
    }

    private TrainingSummary Train(string[] modalities, GraphTokens tokens, int epochs) =>
        TrainingRun.Run(Config(modalities, tokens) with { Epochs = epochs, EarlyStopping = epochs }, _folder[$"{string.Join('-', modalities)}-{tokens}"], resume: false, _ => { }, TestContext.Current.CancellationToken);

    private RunConfig Config(string[] modalities, GraphTokens tokens)
    {
        File.WriteAllText(_folder["train.csv"], "smiles,a\nCCO,0.5\nCCCO,0.7\nCCN,-0.3\nc1ccccc1,2.1\nc1ccccc1O,1.4\nCC(=O)O,-0.2\nCC(=O)OC,0.1\nCCCl,1.2\nC1CCCCC1,2.4\nCC#N,0.3\nCCS,0.8\nOCC(O)CO,-1.7\n");
        return new RunConfig
        {
            TrainFile = _folder["train.csv"],
            ValidFile = _folder["train.csv"],
            Targets = ["a"],
            Modalities = [.. modalities],
            GraphTokens = tokens,
            Fingerprint = new() { Size = 128 },
            Size = "tiny",
            MaximumTokens = 32,
            BatchSize = 4,
            Dropout = 0,
            WeightDecay = 0,
            WarmupSteps = 2,
            LearningRate = 3e-3,
            Device = "cpu",
        };
    }

    private static MolecularGraph Graph(string smiles)
    {
        using Molecule molecule = Molecule.Parse(smiles);
        return molecule.Graph();
    }
}
