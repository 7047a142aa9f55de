using System.Text.Json.Nodes;

namespace LlmFusion.Training;

/// <summary>What a run must know to go on, beside the tensors.</summary>
public sealed record TrainingState
{
    /// <summary>Hash of the data it was started with, vectors and frozen encoders included.</summary>
    public required string DataSha256 { get; init; }

    /// <summary>The configuration it was started with.</summary>
    public required JsonObject Config { get; init; }

    /// <summary>What it computes with: the same again gives the same numbers to the last bit.</summary>
    public required RunEnvironment Environment { get; init; }

    /// <summary>Epochs done.</summary>
    public int Epoch { get; init; }

    /// <summary>Steps done of the next epoch; 0 between epochs.</summary>
    public int Step { get; init; }

    /// <summary>Training losses of the epoch under way, each times its batch's rows.</summary>
    public double LossSum { get; init; }

    /// <summary>Rows trained on in the epoch under way.</summary>
    public int Rows { get; init; }

    /// <summary>Seconds spent in the epoch under way.</summary>
    public double Seconds { get; init; }

    /// <summary>Best epoch so far; 0 where none was done.</summary>
    public int Best { get; init; }

    /// <summary>Its validation loss.</summary>
    public double BestLoss { get; init; } = double.PositiveInfinity;

    /// <summary>ReduceLROnPlateau's memory; null before the first epoch.</summary>
    public ReduceOnPlateau.State? Plateau { get; init; }

    /// <summary>The log so far.</summary>
    public IReadOnlyList<EpochRecord> History { get; init; } = [];
}
