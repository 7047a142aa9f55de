using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.Training;

/// <summary>What a run tells its observer; the library itself never prints.</summary>
public abstract record TrainingEvent
{
    private protected TrainingEvent()
    {
    }
}

/// <summary>Molecules are being parsed and turned into representations.</summary>
/// <param name="Split">train, valid or test.</param>
/// <param name="Done">Rows done.</param>
/// <param name="Total">Rows in all.</param>
public sealed record PreparationProgress(string Split, int Done, int Total) : TrainingEvent;

/// <summary>A pretrained model is being fetched.</summary>
/// <param name="Hub">What the hub does.</param>
public sealed record ModelProgress(HubProgress Hub) : TrainingEvent;

/// <summary>A frozen encoder is embedding a split.</summary>
/// <param name="Split">train, valid or test.</param>
/// <param name="Modality">The modality.</param>
/// <param name="Encoder">The encoder, as the user named it.</param>
/// <param name="Done">Different sequences done.</param>
/// <param name="Total">Molecules in all.</param>
public sealed record EmbeddingProgress(string Split, string Modality, string Encoder, int Done, int Total) : TrainingEvent;

/// <summary>What was used in the place of a pretrained model's own.</summary>
/// <param name="Text">A sentence.</param>
public sealed record Substituted(string Text) : TrainingEvent;

/// <summary>The data is read; training is about to start.</summary>
/// <param name="Data">Name of the data and its split.</param>
/// <param name="Train">Training rows.</param>
/// <param name="Valid">Validation rows.</param>
/// <param name="Test">Test rows.</param>
/// <param name="Refused">Rows left out, with their errors.</param>
/// <param name="Missing">Per modality, rows of all splits that lack it.</param>
/// <param name="Truncated">Per modality, what was cut off of sequences longer than its encoder reads; only where anything was.</param>
/// <param name="Embeddings">Sequences that frozen encoders computed, and those that the store had.</param>
/// <param name="Parameters">Trained and frozen parameters of each part of the network.</param>
/// <param name="FirstEpoch">1, or where a resumed run goes on.</param>
/// <param name="FirstStep">Steps of that epoch that are done already.</param>
public sealed record RunStarted(
    string Data, int Train, int Valid, int Test, IReadOnlyList<RowError> Refused, IReadOnlyDictionary<string, int> Missing, IReadOnlyDictionary<Modality, Truncation> Truncated,
    (long Computed, long Found) Embeddings, IReadOnlyList<PartParameters> Parameters, int FirstEpoch, int FirstStep) : TrainingEvent;

/// <summary>One optimiser step is done.</summary>
/// <param name="Epoch">Epoch, counted from 1.</param>
/// <param name="Step">Step of the epoch, counted from 1.</param>
/// <param name="Steps">Steps of an epoch.</param>
/// <param name="Epochs">Most epochs.</param>
/// <param name="Loss">Mean training loss of the epoch so far, in scaled units.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="MoleculesPerSecond">Rate over the epoch so far.</param>
/// <param name="BatchLoss">Training loss of the step's batch, in scaled units.</param>
/// <param name="GradientNorm">Norm of the gradient before clipping; null where gradients are not clipped.</param>
public sealed record StepDone(
    int Epoch, int Step, int Steps, int Epochs, double Loss, double LearningRate, double MoleculesPerSecond, double BatchLoss, double? GradientNorm) : TrainingEvent;

/// <summary>A checkpoint is on the disk.</summary>
/// <param name="Epoch">Epoch that it goes on with, counted from 1.</param>
/// <param name="Step">Steps of that epoch that are done.</param>
/// <param name="Seconds">What writing took.</param>
/// <param name="Bytes">Its size.</param>
public sealed record CheckpointWritten(int Epoch, int Step, double Seconds, long Bytes) : TrainingEvent;

/// <summary>Something about the run that its user should know.</summary>
/// <param name="Text">A sentence.</param>
public sealed record RunNote(string Text) : TrainingEvent;

/// <summary>The steps of an epoch are done by several processes.</summary>
/// <param name="Epoch">Counted from 1.</param>
/// <param name="Processes">How many trained together.</param>
/// <param name="SecondsWaited">Seconds in which this process only waited for others and for sums of gradients.</param>
/// <param name="Seconds">Seconds that the steps took.</param>
public sealed record EpochSynchronised(int Epoch, int Processes, double SecondsWaited, double Seconds) : TrainingEvent;

/// <summary>One epoch is done and validated.</summary>
/// <param name="Record">What the log says of it.</param>
/// <param name="Targets">Names of the targets.</param>
/// <param name="Best">Whether it is the best epoch so far.</param>
public sealed record EpochDone(EpochRecord Record, IReadOnlyList<string> Targets, bool Best) : TrainingEvent;

/// <summary>One line of the training log.</summary>
/// <param name="Epoch">Counted from 1.</param>
/// <param name="TrainLoss">Mean over the epoch's steps, with dropout, in scaled units.</param>
/// <param name="ValidLoss">On the validation split, in scaled units.</param>
/// <param name="LearningRate">Of the epoch's last step.</param>
/// <param name="Seconds">Training and validation.</param>
/// <param name="MoleculesPerSecond">Training rate.</param>
/// <param name="ValidMae">Per target, in its unit.</param>
public sealed record EpochRecord(int Epoch, double TrainLoss, double ValidLoss, double LearningRate, double Seconds, double MoleculesPerSecond, IReadOnlyList<double> ValidMae);
