using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Baselines;
using LlmFusion.Embedding;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Pretraining;
using LlmFusion.Training;
using LlmFusion.Transformers;

namespace LlmFusion.Experiments;

/// <summary>Which error a table shows.</summary>
public enum StudyMetric
{
    /// <summary>Mean absolute error, in the target's unit.</summary>
    Mae,

    /// <summary>Mean squared error, in the target's unit squared.</summary>
    Mse,
}

/// <summary>A group of columns: the same molecules and targets for every row.</summary>
/// <param name="Name">Short, for names of files.</param>
/// <param name="Title">What stands above the columns.</param>
/// <param name="Targets">The targets, a column each.</param>
/// <param name="Metric">The error shown.</param>
/// <param name="Apply">Gives a run the panel's data.</param>
public sealed record StudyPanel(string Name, string Title, IReadOnlyList<string> Targets, StudyMetric Metric, Func<RunConfig, RunConfig> Apply)
{
    /// <summary>Whether the paper's numbers are of this data, so that ours can be compared with them.</summary>
    public bool IsPapers { get; init; }
}

/// <summary>What a cell runs.</summary>
public abstract record CellTask
{
    private CellTask()
    {
    }

    /// <summary>Data, targets, modalities and seed.</summary>
    public abstract RunConfig Run { get; }

    /// <summary>Name of the predictor in the metrics.</summary>
    public abstract string Predictor { get; }

    /// <summary>The same on other data.</summary>
    public abstract CellTask Changed(Func<RunConfig, RunConfig> change);

    /// <summary>A fusion model is trained.</summary>
    /// <param name="Config">How.</param>
    public sealed record Fusion(RunConfig Config) : CellTask
    {
        /// <inheritdoc/>
        public override RunConfig Run => Config;

        /// <inheritdoc/>
        public override string Predictor => Comparison.Model;

        /// <inheritdoc/>
        public override CellTask Changed(Func<RunConfig, RunConfig> change) => new Fusion(change(Config));
    }

    /// <summary>Boosted trees are grown on embeddings.</summary>
    /// <param name="Config">How, and how their settings are searched.</param>
    public sealed record Boosted(BaselineConfig Config) : CellTask
    {
        /// <inheritdoc/>
        public override RunConfig Run => Config.Run;

        /// <inheritdoc/>
        public override string Predictor => Comparison.Boosted;

        /// <inheritdoc/>
        public override CellTask Changed(Func<RunConfig, RunConfig> change) => new Boosted(Config with { Run = change(Config.Run) });
    }

    /// <summary>Ridge regression on the fingerprint, its penalty chosen on validation.</summary>
    /// <param name="Config">Data and fingerprint.</param>
    public sealed record Ridge(RunConfig Config) : CellTask
    {
        /// <inheritdoc/>
        public override RunConfig Run => Config;

        /// <inheritdoc/>
        public override string Predictor => Comparison.Ridge;

        /// <inheritdoc/>
        public override CellTask Changed(Func<RunConfig, RunConfig> change) => new Ridge(change(Config));
    }
}

/// <summary>A row of a table: one way to learn the same.</summary>
/// <param name="Name">Short, for names of files and <c>--only</c>.</param>
/// <param name="Title">What stands in the table.</param>
/// <param name="Group">Rows of a group stand together under its title.</param>
/// <param name="Task">What is run; data and targets are the panel's.</param>
/// <param name="Minutes">About how long a cell takes on two cores, for the plan.</param>
public sealed record StudyRow(string Name, string Title, string Group, CellTask Task, double Minutes)
{
    /// <summary>What the paper gives, by target; empty where it has no such row.</summary>
    public IReadOnlyDictionary<string, double> Paper { get; init; } = new Dictionary<string, double>();

    /// <summary>Names of the panels that have the row; null: all.</summary>
    public IReadOnlyList<string>? Panels { get; init; }

    /// <summary>The one target that it is trained for; null: all targets of the panel at once.</summary>
    public string? Target { get; init; }

    /// <summary>With how many seeds it is run at least: a row with several lends its spread to those of its kind that have one (<see cref="SeedSpread"/>).</summary>
    public int Seeds { get; init; } = 1;
}

/// <summary>A question that a table answers: every row is trained on the data of every panel, with every seed.</summary>
public sealed record Study
{
    /// <summary>Short, for the command line.</summary>
    public required string Name { get; init; }

    /// <summary>The title of its report.</summary>
    public required string Title { get; init; }

    /// <summary>What is asked and how it is measured, in Markdown.</summary>
    public required string Question { get; init; }

    /// <summary>In what it departs from the paper, each in Markdown; empty where the paper has no such study.</summary>
    public IReadOnlyList<string> Departures { get; init; } = [];

    /// <summary>The arguments of <c>reproduce</c> that make it.</summary>
    public required string Arguments { get; init; }

    /// <summary>The groups of columns.</summary>
    public required IReadOnlyList<StudyPanel> Panels { get; init; }

    /// <summary>The rows.</summary>
    public required IReadOnlyList<StudyRow> Rows { get; init; }

    /// <summary>What its rows are to confirm or refute.</summary>
    public IReadOnlyList<StudyClaim> Claims { get; init; } = [];

    /// <summary>All cells, seed after seed, so that a study that was cut off has whole tables of few seeds.</summary>
    /// <param name="seeds">How many seeds, from 0; rows may ask for more.</param>
    /// <param name="only">Names of cells, or parts of them, one of which a cell must have; null: all cells.</param>
    public IReadOnlyList<StudyCell> Cells(int seeds, IReadOnlyList<string>? only = null)
    {
        IReadOnlyList<StudyCell> all = All(seeds);
        if (only is null) return all;
        HashSet<string> names = [.. all.Select(cell => cell.Name)];
        return [.. all.Where(cell => only.Any(part => names.Contains(part) ? cell.Name == part : cell.Name.Contains(part, StringComparison.OrdinalIgnoreCase)))];
    }

    /// <summary>The same, its networks trained with products in bfloat16.</summary>
    public Study InBFloat16() => this with
    {
        Arguments = $"{Arguments} --bf16",
        Question = $"{Question.TrimEnd()}\n\nNetworks were trained with products in bfloat16; validation and test are in float32.",
        Rows = [.. Rows.Select(row => row.Task is CellTask.Fusion ? row with { Task = row.Task.Changed(config => config with { Bf16 = true }) } : row)],
    };

    private IReadOnlyList<StudyCell> All(int seeds) =>
    [
        .. from seed in Enumerable.Range(0, Math.Max(seeds, Rows.Max(row => row.Seeds)))
           from row in Rows
           from panel in Panels
           where row.Panels?.Contains(panel.Name) != false && (seed == 0 || (row.Task is not CellTask.Ridge && seed < Math.Max(seeds, row.Seeds))) // ridge regression has nothing that a seed decides
           select new StudyCell(row, panel, seed),
    ];
}

/// <summary>One run of a study.</summary>
/// <param name="Row">How it is trained.</param>
/// <param name="Panel">On what.</param>
/// <param name="Seed">The seed of weights and order.</param>
public sealed record StudyCell(StudyRow Row, StudyPanel Panel, int Seed)
{
    /// <summary>Its name, which is that of its files.</summary>
    public string Name { get; } = string.Create(CultureInfo.InvariantCulture, $"{Row.Name}.{Panel.Name}.seed{Seed}");

    /// <summary>What is run.</summary>
    public CellTask Task { get; } = Row.Task.Changed(config => Panel.Apply(config) with { Targets = [.. Row.Target is { } target ? [target] : Panel.Targets], Seed = Seed }) switch
    {
        CellTask.Boosted trees => new CellTask.Boosted(trees.Config with { Run = WithoutTraining(trees.Config.Run), Metric = Panel.Metric == StudyMetric.Mae ? "mae" : "rmse" }), // what the table shows chooses
        CellTask.Ridge ridge => new CellTask.Ridge(WithoutTraining(ridge.Config)),
        var network => network,
    };

    // What a panel says of the training of networks is nothing to others, and must not run them again.
    private static RunConfig WithoutTraining(RunConfig config)
    {
        RunConfig byDefault = new();
        return config with
        {
            Epochs = byDefault.Epochs,
            EarlyStopping = byDefault.EarlyStopping,
            Loss = byDefault.Loss,
            Dropout = byDefault.Dropout,
            ModalityDropouts = byDefault.ModalityDropouts,
            BatchSize = byDefault.BatchSize,
            LearningRate = byDefault.LearningRate,
            WeightDecay = byDefault.WeightDecay,
            EmaDecay = byDefault.EmaDecay,
        };
    }

    /// <summary>To be raised where the program gives another result for the same configuration, and old cells must not stand beside new ones.</summary>
    private int Version => Task is CellTask.Boosted ? BaselineRun.SearchVersion : 2;

    private static readonly ConcurrentDictionary<string, string> Hashes = new();

    /// <summary>
    /// What decides the result, as far as it is known before the data is read: the configuration, with the files of local encoders in the place of their
    /// folders, and without what is as it is by default, so that a new option leaves old cells as they are. A cell whose key has changed is run again.
    /// Named data is not compared; its hash stands in the result.
    /// </summary>
    public string Key()
    {
        CellTask named = Task.Changed(config => config with { Encoders = config.Encoders.ToDictionary(e => e.Key, e => Named(e.Value)), Backbone = config.Backbone is { } backbone ? Named(backbone) : null });
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Version} {named.GetType().Name} {WithoutDefaults(ToJson(named)).ToJsonString()}")));

        static JsonObject WithoutDefaults(JsonObject task)
        {
            if (task["run"] is null) Remove(task, ResumeRules.ToJson(new RunConfig()));
            else RemoveWithin(task, ToJson(new CellTask.Boosted(new BaselineConfig { Run = new RunConfig() })));
            return task;
        }

        // Also within the parts: a new option of the fingerprint or of the search leaves trees as they are.
        static void RemoveWithin(JsonObject of, JsonObject byDefault)
        {
            Remove(of, byDefault);
            foreach ((string name, JsonNode? part) in of)
                if (part is JsonObject some && byDefault[name] is JsonObject standard) RemoveWithin(some, standard);
        }

        static void Remove(JsonObject of, JsonObject byDefault)
        {
            foreach (string name in of.Select(p => p.Key).Where(name => JsonNode.DeepEquals(of[name], byDefault[name])).ToArray()) of.Remove(name);
        }

        static string Named(string text)
        {
            EncoderChoice choice = EncoderChoice.Parse(text);
            string folder = ShippedModels.ResolveEncoder(choice.Model);
            return (Directory.Exists(folder) ? choice with { Model = Hashes.GetOrAdd(folder, HashOf) } : choice).ToString();
        }

        // Weights, configuration and tokenizer; not what a pretraining tells of itself.
        static string HashOf(string folder) => CheckpointFiles.Sha256(folder) + "-" + Convert.ToHexStringLower(SHA256.HashData(
            [.. Directory.GetFiles(folder).Where(f => Path.GetExtension(f) is ".json" or ".txt" && Path.GetFileName(f) != PretrainRecord.FileName).Order(StringComparer.Ordinal).SelectMany(File.ReadAllBytes)]));
    }

    /// <summary>The whole configuration of a task.</summary>
    internal static JsonObject ToJson(CellTask task) =>
        (task is CellTask.Boosted boosted ? JsonSerializer.SerializeToNode(boosted.Config, RunConfig.Json) : JsonSerializer.SerializeToNode(task.Run, RunConfig.Json))!.AsObject();
}
