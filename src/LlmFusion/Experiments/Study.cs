using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using LlmFusion.Embedding;
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
/// <param name="Apply">Gives a row's configuration the panel's data.</param>
public sealed record StudyPanel(string Name, string Title, IReadOnlyList<string> Targets, StudyMetric Metric, Func<RunConfig, RunConfig> Apply);

/// <summary>A row of a table: one way to learn the same.</summary>
/// <param name="Name">Short, for names of files and <c>--only</c>.</param>
/// <param name="Title">What stands in the table.</param>
/// <param name="Group">Rows of a group stand together under its title.</param>
/// <param name="Config">How it is trained; data and targets are the panel's.</param>
/// <param name="Minutes">About how long a cell takes on two cores, for the plan.</param>
public sealed record StudyRow(string Name, string Title, string Group, RunConfig Config, double Minutes);

/// <summary>A question that a table answers: every row is trained on the data of every panel, with every seed.</summary>
public sealed record Study
{
    /// <summary>Short, for the command line.</summary>
    public required string Name { get; init; }

    /// <summary>The title of its report.</summary>
    public required string Title { get; init; }

    /// <summary>What is asked and how it is measured, in Markdown.</summary>
    public required string Question { get; init; }

    /// <summary>The groups of columns.</summary>
    public required IReadOnlyList<StudyPanel> Panels { get; init; }

    /// <summary>The rows.</summary>
    public required IReadOnlyList<StudyRow> Rows { get; init; }

    /// <summary>All cells, seed after seed, so that a study that was cut off has whole tables of few seeds.</summary>
    /// <param name="seeds">How many seeds, from 0.</param>
    /// <param name="only">Parts of names of cells, one of which a cell must have; null: all cells.</param>
    public IReadOnlyList<StudyCell> Cells(int seeds, IReadOnlyList<string>? only = null) =>
    [
        .. from seed in Enumerable.Range(0, seeds)
           from row in Rows
           from panel in Panels
           let cell = new StudyCell(row, panel, seed)
           where only is null || only.Any(part => cell.Name.Contains(part, StringComparison.OrdinalIgnoreCase))
           select cell,
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

    /// <summary>The whole configuration of the run.</summary>
    public RunConfig Config { get; } = Panel.Apply(Row.Config) with { Targets = [.. Panel.Targets], Seed = Seed };

    /// <summary>What decides the result: the configuration, with the weights of local encoders in the place of their folders. A cell whose key has changed is run again.</summary>
    public string Key()
    {
        JsonObject json = JsonNode.Parse(System.Text.Json.JsonSerializer.Serialize(Config with { Encoders = Config.Encoders.ToDictionary(e => e.Key, e => Named(e.Value)) }, RunConfig.Json))!.AsObject();
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json.ToJsonString())));

        static string Named(string text)
        {
            EncoderChoice choice = EncoderChoice.Parse(text);
            return (Directory.Exists(choice.Model) ? choice with { Model = CheckpointFiles.Sha256(choice.Model) } : choice).ToString();
        }
    }
}
