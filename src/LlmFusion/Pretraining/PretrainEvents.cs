using LlmFusion.Training;

namespace LlmFusion.Pretraining;

/// <summary>The corpus is being read.</summary>
/// <param name="Source">Data set or file.</param>
/// <param name="Rows">Rows done.</param>
public sealed record CorpusProgress(string Source, int Rows) : TrainingEvent;

/// <summary>The corpus is ready; training is about to start.</summary>
/// <param name="Corpus">The corpus.</param>
/// <param name="Vocabulary">Number of tokens.</param>
/// <param name="Parameters">Numbers of the encoder, without its heads.</param>
public sealed record PretrainStarted(PretrainCorpus Corpus, int Vocabulary, long Parameters) : TrainingEvent;

/// <summary>One step is done.</summary>
/// <param name="Epoch">Counted from 1.</param>
/// <param name="Step">Step of the epoch, counted from 1.</param>
/// <param name="Steps">Steps of the epoch.</param>
/// <param name="Done">Share of the run that is done.</param>
/// <param name="Loss">Mean loss of the epoch so far.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="TokensPerSecond">Real tokens, over the epoch so far in this process.</param>
public sealed record PretrainStep(int Epoch, int Step, int Steps, double Done, double Loss, double LearningRate, double TokensPerSecond) : TrainingEvent;

/// <summary>An epoch is done, or the run's time is up.</summary>
/// <param name="Epoch">Counted from 1.</param>
/// <param name="Step">Steps that were done of it.</param>
/// <param name="TrainLoss">Mean over its steps.</param>
/// <param name="HeldOut">On the held-out part.</param>
/// <param name="Minutes">Of training so far.</param>
public sealed record PretrainValidated(int Epoch, int Step, double TrainLoss, HeldOutLosses HeldOut, double Minutes) : TrainingEvent;

/// <summary>Losses on the held-out part of the corpus, in its canonical spelling, with masks that are always the same.</summary>
/// <param name="Loss">What training minimises.</param>
/// <param name="Tokens">Cross entropy of the tokens asked for, natural logarithm.</param>
/// <param name="Accuracy">Share of them that got the highest score.</param>
/// <param name="Descriptors">Squared error of standardised descriptors, 1 where nothing is known of them; null where they are not learned.</param>
public sealed record HeldOutLosses(double Loss, double Tokens, double Accuracy, double? Descriptors);
