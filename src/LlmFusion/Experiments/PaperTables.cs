using System.Globalization;
using LlmFusion.Baselines;
using LlmFusion.Boosting;
using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>The paper's three tables (P20, P21), each row as the paper names it, with rows beyond it.</summary>
public static class PaperTables
{
    private const int TreesAfterBest = 25, Bins = 64;

    private const string Um = "UM + XGBoost", Nc = "NC + XGBoost", Llm = "LLM-Fusion", Other = "other baselines", Beyond = "beyond the paper", Without = "one modality left out";

    private static readonly string[] Frontier = ["homo", "lumo", "gap"], Druglike = ["logp", "qed"];

    // Modalities by the paper's abbreviations.
    private static readonly Dictionary<string, Modality> Named = new() { ["SM"] = Modality.Smiles, ["SF"] = Modality.Selfies, ["TEXT"] = Modality.Text, ["MFP"] = Modality.Fingerprint, ["GR"] = Modality.Graph };

    /// <summary>Table 1: HOMO, LUMO and gap of QM9.</summary>
    public static Study Table1(StudyScale scale) => new()
    {
        Name = "table1",
        Arguments = $"table1 --scale {scale.Name}",
        Title = "Table 1: HOMO, LUMO and gap of QM9",
        Question = $"""
            The paper's first table{(scale == StudyScale.Smoke ? "" : " on QM9's predefined split")}, {Scaled(scale)} One fusion model predicts all targets at once, except in the row that names one target; trees are grown for
            each target. {Trees(scale)}
            """,
        Departures = [.. Departures(scale), .. scale == StudyScale.Smoke ? Array.Empty<string>() : [Qm9Twins]],
        Panels = [scale == StudyScale.Smoke ? Demo : new("qm9", "QM9", Frontier, StudyMetric.Mae, c => scale.Qm9.Of(c) with { Data = "qm9", Loss = LossKind.Mae }) { IsPapers = true }],
        Rows = Finished(scale,
        [
            Spread(Boosted(scale, "MFP", 4, 0.0076, 0.0092, 0.0113)), Boosted(scale, "SM", 13, 0.0102, 0.0141, 0.0154), Boosted(scale, "SF", 25, 0.0160, 0.030, 0.030),
            Boosted(scale, "SM+MFP", 28, 0.0074, 0.0090, 0.0113), Boosted(scale, "SF+MFP", 30, 0.0076, 0.0092, 0.0113), Boosted(scale, "SM+SF+MFP", 33, 0.0074, 0.0090, 0.0113),
            Fused(scale, "SM+MFP", 18, 0.0063, 0.0080, 0.0085), Fused(scale, "SF+MFP", 18, 0.0067, 0.0080, 0.0079), Spread(Fused(scale, "SM+SF+MFP", 22, 0.0053, 0.0055, 0.0078)),
            Fused(scale, "SM", 10), Fused(scale, "SF", 10), Fused(scale, "MFP", 10),
            .. Linear(), Concat(scale, "SM+SF+MFP", 22),
            Counts(Boosted(scale, "MFP", 6)), Counts(Fused(scale, "SM+SF+MFP", 22)),
            MoreTrees(Boosted(scale, "MFP", 7)), MoreTrees(Boosted(scale, "SM+SF+MFP", 45)),
            MeanMlp(scale, "SM+SF+MFP", 22),
            Alone(Fused(scale, "SM+SF+MFP", 22), AloneInTable1(scale)),
            Titled(Fused(scale, "SM+SF+MFP+GR", 40), Beyond, "llm.sm-sf-mfp-gr", "SM+SF+MFP+GR"),
            Titled(Fused(scale, "GR", 40), Beyond, "llm.gr", "GR"),
            EndToEnd(scale, "SM+SF+MFP", 45),
            Titled(Fused(scale, "SM+SF", 18), Without, "without.mfp", "SM+SF, without MFP"),
        ]),
        Claims =
        [
            .. Beats("SM+MFP", "SF+MFP", "SM+SF+MFP"),
            .. More("sm-sf-mfp", "sm", "sf", "mfp", "sm-mfp", "sf-mfp"), .. More("sm-mfp", "sm", "mfp"), .. More("sf-mfp", "sf", "mfp"), new(MoreHelp, "llm.sm-sf-mfp", "without.mfp"), .. More("sm-sf-mfp-gr", "sm-sf-mfp", "gr"),
            new(ConcatGains, "nc.sm-mfp", "um.mfp"), new(ConcatGains, "nc.sf-mfp", "um.mfp"), new(ConcatGains, "nc.sm-sf-mfp", "nc.sm-mfp"),
            .. new[] { "um.mfp", "nc.sm-sf-mfp" }.Select(row => new StudyClaim("twice as many trees are better", $"{row}.more-trees", row)),
            new("LLM-Fusion is better than NC + XGBoost with twice as many trees", "llm.sm-sf-mfp", "nc.sm-sf-mfp.more-trees"),
            .. OfBest("sm-sf-mfp", AloneInTable1(scale)), new(TrainingAlong, "llm.sm-sf-mfp.end-to-end", "llm.sm-sf-mfp"),
        ],
    };

    /// <summary>Table 2: LogP and QED of ChEBI-20.</summary>
    public static Study Table2(StudyScale scale)
    {
        return new()
        {
            Name = "table2",
            Arguments = $"table2 --scale {scale.Name}",
            Title = "Table 2: LogP and QED of ChEBI-20",
            Question = $"""
                The paper's second table, {Scaled(scale)} {OfChebi20(scale)} LogP and QED are RDKit's formulas, which the models learn to imitate. {Trees(scale)}
                """,
            Departures = [.. Departures(scale), .. Chebi20Data(scale), "Granite has the multipliers of granite-3.1-2b.", .. TemplateTexts(scale)],
            Panels = scale == StudyScale.Smoke ? [Demo] : [Captioned, Chebi20 with { Apply = c => Chebi20.Apply(scale.Chebi20.Of(c)) }],
            Rows = Finished(scale,
            [
                .. new[]
                {
                    Spread(Boosted(scale, "MFP", 1, 3.083, 0.0091)), Boosted(scale, "SM", 4, 5.522, 0.0111), Boosted(scale, "TEXT", 3, 9.131, 0.0212), Boosted(scale, "SF", 5, 2.521, 0.0077),
                    Boosted(scale, "SM+TEXT", 5, 4.971, 0.0112), Boosted(scale, "SM+TEXT+MFP", 5, 2.022, 0.0061), Boosted(scale, "SM+TEXT+MFP+SF", 8, 2.002, 0.0063), Boosted(scale, "SM+SF+MFP", 15),
                    Fused(scale, "SM+TEXT", 5, 2.781, 0.0062), Fused(scale, "SM+TEXT+MFP", 5, 1.578, 0.0034), Fused(scale, "SM+TEXT+MFP+SF", 5, 1.332, 0.0029), Spread(Fused(scale, "SM+SF+MFP", 9)),
                    Fused(scale, "SM", 5), Fused(scale, "MFP", 5), Fused(scale, "SF", 5), Fused(scale, "TEXT", 3),
                },
                .. Linear(), Concat(scale, "SM+TEXT+MFP+SF", 5), Concat(scale, "SM+SF+MFP", 5),
                Counts(Boosted(scale, "MFP", 2)), Counts(Fused(scale, "SM+TEXT+MFP+SF", 5)), Counts(Fused(scale, "SM+SF+MFP", 9)),
                MeanMlp(scale, "SM+TEXT+MFP+SF", 5), .. LanguageModels(scale, "SM+TEXT+MFP+SF", 5),
                .. Druglike.Select(target => Alone(Fused(scale, "SM+TEXT+MFP+SF", 5), target)),
                Titled(Fused(scale, "SM+TEXT+MFP+SF+GR", 12), Beyond, "llm.all-gr", "SM+TEXT+MFP+SF+GR"),
                Titled(Fused(scale, "SM+SF+MFP+GR", 30), Beyond, "llm.sm-sf-mfp-gr", "SM+SF+MFP+GR"),
                Titled(Fused(scale, "GR", 30), Beyond, "llm.gr", "GR"),
                .. WhyTheGraph(scale),
                EndToEnd(scale, "SM+SF+MFP", 45),
                Titled(Fused(scale, "TEXT+MFP+SF", 5), Without, "without.sm", "TEXT+MFP+SF, without SM"), Titled(Fused(scale, "SM+TEXT+SF", 5), Without, "without.mfp", "SM+TEXT+SF, without MFP"),
            ]),
            Claims =
            [
                .. Beats("SM+TEXT", "SM+TEXT+MFP", "SM+TEXT+MFP+SF", "SM+SF+MFP"),
                .. More("sm-text-mfp-sf", "sm", "text", "mfp", "sf", "sm-text", "sm-text-mfp", "sm-sf-mfp"), .. More("sm-sf-mfp", "sm", "sf", "mfp"), .. More("sm-text", "sm", "text"), .. More("sm-text-mfp", "sm-text", "mfp"), new(MoreHelp, "llm.sm-text-mfp-sf", "without.sm"), new(MoreHelp, "llm.sm-text-mfp-sf", "without.mfp"),
                .. More("all-gr", "sm-text-mfp-sf", "gr"), .. More("sm-sf-mfp-gr", "sm-sf-mfp", "sm-sf-mfp.longer", "gr"),
                new("longer training is better", "llm.sm-sf-mfp.longer", "llm.sm-sf-mfp"), new("beside the graph, the others are better left out of half", "llm.sm-sf-mfp-gr.others-half", "llm.sm-sf-mfp-gr"), .. More("sm-sf-mfp-gr.others-half", "gr"),
                new(ConcatGains, "nc.sm-text", "um.sm"), new(ConcatGains, "nc.sm-text-mfp", "nc.sm-text"), new(ConcatGains, "nc.sm-text-mfp-sf", "nc.sm-text-mfp"), new(ConcatGains, "nc.sm-sf-mfp", "um.mfp"),
                .. OfBest("sm-text-mfp-sf", Druglike), .. OfLanguageModels(scale, "sm-text-mfp-sf"), new(BetterThanMlp, "llm.sm-sf-mfp", "nc-mlp.sm-sf-mfp"), new(CountsHelp, "llm.sm-sf-mfp.counts", "llm.sm-sf-mfp"), new(TrainingAlong, "llm.sm-sf-mfp.end-to-end", "llm.sm-sf-mfp"),
            ],
        };
    }

    /// <summary>Table 3: a larger fusing language model in the same training time.</summary>
    public static Study Table3(StudyScale scale) => new()
    {
        Name = "table3",
        Arguments = $"table3 --scale {scale.Name}",
        Title = "Table 3: the size of the language model",
        Question = $"""
            The paper's third table: SM+TEXT+MFP+SF with {(scale.LargeBackbone is { } large ? $"{large} in the place of {scale.Backbone}" : $"a fusing language model of size `{scale.LargeSize}` in the place of `{scale.Size}`, about six times as large")},
            in the same training time: the larger one is trained for so many fewer epochs as a step of it takes longer{(scale == StudyScale.Mini ? ". On `chebi20-captioned` (see Table 2)" : scale == StudyScale.Paper ? ". On ChEBI-20's predefined split" : "")}, {Scaled(scale)}
            """,
        Departures = [.. Departures(scale, isOneRow: true), .. Chebi20Data(scale), .. TemplateTexts(scale), $"Time: the paper gives both language models 24 hours on its GPU; here the smaller one has its epochs, and the larger one {LargeEpochs(scale.Captioned.Frozen, scale)}, about the minutes that these take; in one row it has as many epochs."],
        Panels = [scale == StudyScale.Smoke ? Demo : scale == StudyScale.Paper ? Chebi20 : Captioned],
        Rows = Finished(scale,
        [
            Spread(Titled(Fused(scale, "SM+TEXT+MFP+SF", 5, 1.332, 0.0029), Llm, "small", $"{scale.Backbone ?? scale.Size}: SM+TEXT+MFP+SF")),
            Spread(Shortened(scale, Large(scale, Titled(Fused(scale, "SM+TEXT+MFP+SF", 5, 1.270, 0.0027), Llm, "large", $"{scale.LargeBackbone ?? scale.LargeSize}: SM+TEXT+MFP+SF")))),
            Large(scale, Titled(Fused(scale, "SM+TEXT+MFP+SF", 28), Beyond, "large.same-epochs", $"{scale.LargeBackbone ?? scale.LargeSize}: SM+TEXT+MFP+SF, as many epochs as {scale.Backbone ?? scale.Size}")),
        ]),
        Claims = [new("a larger language model is better in the same time", "large", "small"), new("a larger language model is better in as many epochs", "large.same-epochs", "small")],
    };

    private const string MoreHelp = "more modalities help LLM-Fusion (P22)", ConcatGains = "NC + XGBoost gains with more modalities (P22: it does not)", TrainingAlong = "encoders trained along are better than frozen ones", CountsHelp = "counts are better than bits", BetterThanMlp = "the language model fuses better than an MLP";

    private static IEnumerable<StudyClaim> Beats(params string[] modalities) => modalities.Select(m => new StudyClaim("LLM-Fusion is better than NC + XGBoost (P22)", $"llm.{Slug(m)}", $"nc.{Slug(m)}"));

    private static IEnumerable<StudyClaim> More(string all, params string[] fewer) => fewer.Select(f => new StudyClaim(MoreHelp, $"llm.{all}", $"llm.{f}"));

    /// <summary>What the rows beyond the paper say of its best one.</summary>
    private static IEnumerable<StudyClaim> OfBest(string row, params string[] targets) =>
    [
        .. new[] { "llm.mean-mlp", $"nc-mlp.{row}" }.Select(other => new StudyClaim(BetterThanMlp, $"llm.{row}", other)),
        .. targets.Select(target => new StudyClaim("a model for one target alone is better", $"llm.{row}.{target}-alone", $"llm.{row}")),
        new(CountsHelp, $"llm.{row}.counts", $"llm.{row}"), new(CountsHelp, "um.mfp.counts", "um.mfp"), new(CountsHelp, "ridge.counts", "ridge.bits"),
    ];

    /// <summary>What another language model, or other positions in it, change in the paper's best row.</summary>
    private static IEnumerable<StudyClaim> OfLanguageModels(StudyScale scale, string row) =>
    [
        new("position encodings of modality and language model are better than those of the modality alone (P8)", $"llm.{row}", "llm.modality-positions"),
        .. new[] { "llm.llama", "llm.granite" }.Select(other => new StudyClaim("another language model of equal size is better (P24)", other, $"llm.{row}")),
        new("a language model that was pretrained is better than a new one (P14)", scale.Backbone is null ? PretrainedBackbone : $"llm.{row}", scale.Backbone is null ? $"llm.{row}" : RandomBackbone),
    ];

    // Several seeds of one row of each kind show the spread of all of its kind: more of trees, where another seed draws other settings too, and which take minutes.
    private static StudyRow Spread(StudyRow row) => row with { Seeds = row.Task is CellTask.Boosted ? 5 : 3 };

    private const string RandomBackbone = "llm.random-backbone", PretrainedBackbone = "llm.pretrained-backbone";

    private static StudyPanel Demo { get; } = new("demo", "demo data", Druglike, StudyMetric.Mse, c => c with { Data = DemoDataSet.Name, TrainRows = 400 });

    private static StudyPanel Captioned { get; } = new("captioned", "captioned", Druglike, StudyMetric.Mse, c => c with { Data = "chebi20-captioned" });

    // As many epochs as the row has.
    private static StudyPanel Chebi20 { get; } = new("chebi20", "ChEBI-20", Druglike, StudyMetric.Mse, c => c with { Data = "chebi20" }) { IsPapers = true };

    private static StudyRow Large(StudyScale scale, StudyRow row) => row with { Task = row.Task.Changed(c => c with { Size = scale.LargeSize, Backbone = scale.LargeBackbone }) };

    private static StudyRow Shortened(StudyScale scale, StudyRow row) => row with { Task = row.Task.Changed(c => c with { Epochs = LargeEpochs(c.Epochs, scale), EarlyStopping = LargeEpochs(c.Epochs, scale) }) };

    private static int LargeEpochs(int epochs, StudyScale scale) => Math.Max(1, (int)(epochs / scale.LargeStep));

    private static StudyRow Boosted(StudyScale scale, string modalities, double minutes, params double[] paper) => new(
        $"{(modalities.Contains('+', StringComparison.Ordinal) ? "nc" : "um")}.{Slug(modalities)}", modalities, modalities.Contains('+', StringComparison.Ordinal) ? Nc : Um,
        new CellTask.Boosted(new BaselineConfig { Run = Inputs(scale, modalities), Trials = scale.Trials, SearchRows = scale.SearchRows, MaxBins = Bins, EarlyStopping = TreesAfterBest }), minutes)
    { Paper = PaperOf(paper), Panels = PanelsOf(scale, modalities) };

    private static StudyRow Fused(StudyScale scale, string modalities, double minutes, params double[] paper) => new(
        $"llm.{Slug(modalities)}", modalities, Llm, new CellTask.Fusion(Network(scale, modalities)), minutes)
    { Paper = PaperOf(paper), Panels = PanelsOf(scale, modalities) };

    private static StudyRow Concat(StudyScale scale, string modalities, double minutes) =>
        Changed(Fused(scale, modalities, minutes), $"nc-mlp.{Slug(modalities)}", $"NC + MLP, {modalities}", Other, c => c with { Fusion = FusionKind.ConcatMlp, Backbone = null });

    private static IEnumerable<StudyRow> Linear() => new[] { false, true }.Select(counts => new StudyRow(counts ? "ridge.counts" : "ridge.bits", $"ridge on MFP{(counts ? ", counts" : "")}", Other,
        new CellTask.Ridge(new RunConfig { Fingerprint = new FingerprintOptions { Counts = counts } }), 3));

    private static StudyRow Counts(StudyRow row) => Changed(row, row.Name + ".counts", $"{row.Group}: {row.Title}, counts", Beyond, c => c with { Fingerprint = c.Fingerprint with { Counts = true } });

    // Where early stopping seldom ends growing on all training rows, the bound on the trees may be what holds the baseline back.
    private static StudyRow MoreTrees(StudyRow row) => row.Task is CellTask.Boosted { Config: var config }
        ? Changed(row, row.Name + ".more-trees", $"{row.Group}: {row.Title}, twice as many trees", Beyond, c => c) with { Task = new CellTask.Boosted(config with { FinalEstimators = 2 * config.FinalEstimators }) }
        : throw new ArgumentException($"row: got {row.Name}, expected one of trees");

    private static StudyRow MeanMlp(StudyScale scale, string modalities, double minutes) =>
        Changed(Fused(scale, modalities, minutes), "llm.mean-mlp", $"{modalities}, mean and MLP for the language model", Beyond, c => c with { Fusion = FusionKind.MeanMlp, Backbone = null });

    /// <summary>Language models that the paper does not try; in one table, as ten hours are few.</summary>
    private static IEnumerable<StudyRow> LanguageModels(StudyScale scale, string modalities, double minutes)
    {
        StudyRow row = Fused(scale, modalities, minutes);
        yield return Changed(row, "llm.modality-positions", $"{modalities}, modality encodings alone (P8)", Beyond, c => c with { Positions = PositionMode.Modality });
        yield return Changed(row, "llm.llama", $"{modalities}, a Llama of equal size (P24)", Beyond, c => c with { Fusion = FusionKind.Llama, Backbone = null });
        yield return Changed(row, "llm.granite", $"{modalities}, a Granite of equal size (P24)", Beyond, c => c with { Fusion = FusionKind.Granite, Backbone = null });
        yield return scale.Backbone is null
            ? Changed(row, PretrainedBackbone, $"{modalities}, language model that begins as {scale.Encoders[Modality.Text]}{(HasTemplates(scale) ? "†" : "")} (P14)", Beyond, c => c with { Backbone = scale.Encoders[Modality.Text] })
            : Changed(row, RandomBackbone, $"{modalities}, language model with random weights", Beyond, c => c with { Backbone = null });
    }

    // A network for each of the three would take longer than it tells: ten hours are few. The gap is the one that a joint model could take from the other two.
    private static string AloneInTable1(StudyScale scale) => scale == StudyScale.Smoke ? "qed" : "gap";

    /// <summary>What changes where a model is trained for one target alone.</summary>
    private static StudyRow Alone(StudyRow row, string target) => row with { Name = $"{row.Name}.{target}-alone", Title = $"{row.Title}, trained for {target} alone", Group = Beyond, Target = target, Paper = new Dictionary<string, double>() };

    /// <summary>Two reasons that the graph may have for what it does beside others: longer training, and training molecules that the others let the model learn by heart. On the few captioned ones.</summary>
    private static IEnumerable<StudyRow> WhyTheGraph(StudyScale scale) =>
    [
        Changed(Fused(scale, "SM+SF+MFP", 10), "llm.sm-sf-mfp.longer", "SM+SF+MFP, as many epochs as with GR", Beyond, c => c with { Epochs = scale.Captioned.Graph, EarlyStopping = scale.Captioned.Graph }) with { Panels = OnCaptioned },
        Changed(Fused(scale, "SM+SF+MFP+GR", 14), "llm.sm-sf-mfp-gr.others-half", "SM+SF+MFP+GR, each but GR left out of half of the training molecules", Beyond,
            c => c with { ModalityDropouts = c.Encoders.Keys.Append(Modality.Fingerprint.Name).ToDictionary(name => name, _ => 0.5) }) with { Panels = OnCaptioned },
    ];

    /// <summary>Encoders trained along from where they were pretrained.</summary>
    private static StudyRow EndToEnd(StudyScale scale, string modalities, double minutes) => Changed(Fused(scale, modalities, minutes), $"llm.{Slug(modalities)}.end-to-end", $"{modalities}, encoders trained along", Beyond,
        c => scale.Captioned.Of(c with { Encoders = c.Encoders.ToDictionary(e => e.Key, e => e.Value + ",train"), EncoderLearningRates = c.Encoders.ToDictionary(e => e.Key, _ => c.LearningRate / 2) }));

    private static StudyRow Changed(StudyRow row, string name, string title, string group, Func<RunConfig, RunConfig> change) =>
        row with { Name = name, Title = title, Group = group, Task = row.Task.Changed(change), Paper = new Dictionary<string, double>() };

    private static StudyRow Titled(StudyRow row, string group, string name, string title) => row with { Name = name, Title = title, Group = group };

    private static RunConfig Inputs(StudyScale scale, string modalities)
    {
        Modality[] stack = [.. Modality.InStackOrder(modalities.Split('+').Select(name => Named[name]))];
        return new RunConfig
        {
            Modalities = [.. stack.Select(m => m.Name)],
            Encoders = stack.Where(m => m.IsSequence).ToDictionary(m => m.Name, m => scale.Encoders[m]),
            Fingerprint = new FingerprintOptions { Counts = false },
            // ChemBERTa and SELF-BART learned from molecules as they were written, the program's encoders from canonical ones.
            SmilesForm = scale == StudyScale.Paper ? SmilesForm.AsGiven : SmilesForm.Canonical,
            // SELFIES cannot spell all of ChEBI-20: a row of it alone leaves these out, and the report says how many.
            SkipBadRows = stack is [{ } only] && only == Modality.Selfies,
        };
    }

    // A panel of more molecules has epochs of its own.
    private static RunConfig Network(StudyScale scale, string modalities) => scale.Captioned.Of(Inputs(scale, modalities) with
    {
        Size = scale.Size,
        Backbone = scale.Backbone,
        Dropout = 0,
        // Training molecules are learned by heart from it, and little of the others is then left to learn.
        ModalityDropouts = HasFingerprintBesideOthers(modalities) ? new() { [Modality.Fingerprint.Name] = 0.5 } : [],
        BatchSize = 128,
        LearningRate = 5e-4,
        WeightDecay = 0.01,
        Schedule = ScheduleKind.OneCycle,
        EmaDecay = 0.999,
    });

    private static bool HasFingerprintBesideOthers(string modalities) => modalities.Split('+') is { Length: > 1 } several && several.Contains("MFP");

    private static Dictionary<string, double> PaperOf(double[] values) => (values.Length == 3 ? Frontier : Druglike).Zip(values).ToDictionary(v => v.First, v => v.Second);

    /// <summary>Rows with text are run where there is text; at the paper's scale <c>data download chebi20</c> has brought all of it.</summary>
    private static string[]? PanelsOf(StudyScale scale, string modalities) => scale != StudyScale.Paper && modalities.Contains("TEXT", StringComparison.Ordinal) ? OnCaptioned : null;

    private static string[] OnCaptioned => [Captioned.Name, Demo.Name];

    /// <summary>Minutes are those of the mini scale, in which the program was measured. Where the text encoder learned from templates, the row says so.</summary>
    private static IReadOnlyList<StudyRow> Finished(StudyScale scale, IReadOnlyList<StudyRow> rows) =>
    [
        .. rows.Select(row => row with
        {
            Minutes = row.Minutes * (scale == StudyScale.Smoke ? 0.01 : scale == StudyScale.Paper ? 30 : 1),
            Title = HasTemplates(scale) ? row.Title.Replace("TEXT", "TEXT†", StringComparison.Ordinal) : row.Title,
        }),
    ];

    private static bool HasTemplates(StudyScale scale) => scale != StudyScale.Paper;

    private static string[] TemplateTexts(StudyScale scale) =>
        HasTemplates(scale) ? [$"†: `{scale.Encoders[Modality.Text]}` was pretrained on texts made by template, which are not ChEBI-20's captions."] : [];

    private static string Slug(string modalities) => modalities.Replace('+', '-').ToLowerInvariant();

    private static string Scaled(StudyScale scale) => scale.Name switch
    {
        "paper" => "with the paper's encoders (ChemBERTa, SELF-BART, GPT-2) and language models.",
        "mini" => "with the encoders that come with the program in the place of ChemBERTa, SELF-BART and GPT-2, frozen like them, and a new language model of 3 million parameters in the place of GPT-2 Small.",
        _ => "in a few minutes on the built-in demo data: this shows that every row runs, and nothing of the paper.",
    };

    private const string Qm9Twins = "Data: of QM9's training molecules 112 stand, stereochemistry ignored, in a validation or test split of QM9 or ChEBI-20; the split is predefined, and they are trained on.";

    /// <summary>Which molecules of ChEBI-20 are used, in a sentence or two.</summary>
    private static string OfChebi20(StudyScale scale)
    {
        if (scale == StudyScale.Smoke) return "";
        string captioned = "`chebi20-captioned`, the 6,601 molecules of ChEBI-20's validation and test files with their real descriptions in a split of our own (80/10/10, stereoisomers together)";
        return (scale == StudyScale.Paper
                ? $"All rows are run on the full predefined split, which needs ChEBI-20 with its descriptions, as `data download chebi20` brings it, and, as at the other scales, on {captioned}."
                : $"Rows with text are run on {captioned}, and so are all other rows, on the same molecules; rows without text are run on the full predefined split as well.")
            + " The paper's numbers are of the full data set; where a row of ours was run on the captioned molecules alone, its difference from the paper names them: other molecules, and far fewer to learn from."
            + (scale == StudyScale.Mini ? " No molecule or caption of either validation or test split was seen in pretraining." : "");
    }

    private static string[] Chebi20Data(StudyScale scale) => scale == StudyScale.Smoke ? [ComputedTargets] :
    [
        scale == StudyScale.Mini ? $"Data: what is read as text are the captions of ChEBI-20's validation and test files, 6,601; the paper has 33,003. {PaperSplit}" : $"Data: {PaperSplit}",
        ComputedTargets,
    ];

    private const string PaperSplit = "The paper's split is 26,403 / 3,301 / 3,299 (P13), that of the published files 26,407 / 3,301 / 3,300.";

    private const string ComputedTargets = "LogP and QED are RDKit's, of the molecules as they are written; the paper does not say where its values come from.";

    /// <summary>In what each table is not the paper's.</summary>
    /// <param name="scale">Its scale.</param>
    /// <param name="isOneRow">Whether it has one kind of row alone, without trees and variants.</param>
    private static IReadOnlyList<string> Departures(StudyScale scale, bool isOneRow = false) =>
    [
        scale.Backbone is null
            ? $"Encoders: `{string.Join("`, `", scale.Encoders.Values)}` of 256 dimensions, in the place of ChemBERTa, SELF-BART and GPT-2 (P15), frozen like them. They were pretrained by this program on QM9's and ChEBI-20's training molecules and texts; those of SMILES and SELFIES also learned {StructureDescriptors.Names.Count} RDKit descriptors, among which are neither LogP and QED nor what these are made of, but relatives of them (surfaces, charges, counts of atoms and rings)."
            : "Encoders: those that the paper names (P15), frozen.",
        scale.Backbone is null
            ? "Language model: a new GPT-2 of random weights (P14 has the pretrained GPT-2 Small). There is no projection where the widths are equal (P6)."
            : $"Language model: {scale.Backbone}, all of it trained (P14).",
        scale.Backbone is null ? "Sequences are cut at 256 tokens." : "Sequences are cut where their models end, SELFIES at 128 tokens.",
        $"Training, in epochs: {(isOneRow ? scale.Captioned.Frozen.ToString(CultureInfo.InvariantCulture) : $"QM9 {scale.Qm9}, ChEBI-20 {scale.Chebi20}, captioned {scale.Captioned}")}. One-cycle in the place of ReduceLROnPlateau (P19), a running average of the weights; the loss is the error that the table shows. No dropout; where the fingerprint stands beside other modalities, every second training molecule, drawn anew each epoch, comes without it. {scale.Tuning}{(isOneRow ? "" : $" The trees have {scale.Trials} settings for each row and target.")}",
        "Fingerprint: radius 2, 2,048 bits (the paper gives neither), binary as in P16" + (isOneRow ? "." : ", except where a row says *counts*."),
        .. isOneRow ? Array.Empty<string>() :
        [
            "Targets: one fusion model learns all targets of a table at once; the rows *trained for .. alone* show what that changes. The paper does not say.",
            "XGBoost: P18 names the settings that are searched, not their ranges. Here: " + Ranges(new BaselineConfig { Run = new RunConfig() }),
            "Positions: GPT-2's own stay beside the encodings of the modalities (P8 leaves it open; a row of Table 2 is without them).",
            "Time: the paper gives 24 hours on its GPU for Table 3 alone; here each row shows its minutes.",
            "Ridge regression's penalty is chosen by the squared error on validation.",
        ],
    ];

    private static string Ranges(BaselineConfig config)
    {
        RandomSearch search = config.Search;
        return string.Create(CultureInfo.InvariantCulture,
            $"learning rate {Of(search.LearningRate)}, depth {Of(search.MaxDepth)}, trees {Of(search.Estimators)}, share of rows {Of(search.Subsample)} and of features {Of(search.ColsampleByTree)}, gamma 0 or {Of(search.Gamma)}, least weight of a leaf {Of(search.MinChildWeight)}; growing stops {TreesAfterBest} trees after the best, and on all training rows at {config.FinalEstimators:N0}; features have {Bins} bins.");
    }

    private static string Of<T>(SearchRange<T> range) => string.Create(CultureInfo.InvariantCulture, $"{range.Low} to {range.High}");

    private static string Trees(StudyScale scale) =>
        $"XGBoost: {scale.Trials} random settings for each target{(scale.SearchRows is { } rows ? $" on at most {rows:N0} training rows" : "")}, chosen on validation by the error that the table shows, the best grown on all training rows. Where that error is the absolute one, every second setting minimises a pseudo-Huber error (slope: half a deviation), and the others squares; XGBoost 1.7 does not scale the leaves of the absolute error by the learning rate. Fusion: one setting for all rows.";
}
