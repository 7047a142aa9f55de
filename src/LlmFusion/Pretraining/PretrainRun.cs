using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Chemistry;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Pretraining;

/// <summary>Pretrains an encoder: corpus, vocabulary, training, and a folder that <c>train --encoder</c>, <c>embed</c> and transformers read.</summary>
public static class PretrainRun
{
    /// <summary>JSON lines of what happened.</summary>
    public const string EventsFile = "events.jsonl";

    private const int StepsPerLine = 50;

    private static readonly RunFiles Files = new("pretrain", PretrainRecord.FileName, null, ["model.safetensors", "config.json", "README.md", EventsFile, .. Tokenizer.Files]);

    /// <summary>Begins a run.</summary>
    /// <param name="config">What to do.</param>
    /// <param name="output">The encoder's folder; created where it is missing, refused where it holds another run.</param>
    /// <param name="observe">Receives what happens.</param>
    /// <param name="cancellation">Stops after the step under way, which is kept in a checkpoint.</param>
    /// <param name="overwrite">Replace an earlier run in the folder.</param>
    /// <exception cref="RunStoppedException">The user stopped it; the checkpoint stays.</exception>
    /// <exception cref="TrainingDivergedException">A loss, a gradient or a weight is not finite; the last good checkpoint is kept.</exception>
    public static PretrainRecord Start(PretrainConfig config, string output, Action<TrainingEvent> observe, CancellationToken cancellation, bool overwrite = false)
    {
        config.Check();
        using RunFolder folder = RunFolder.Open(output, resume: false, overwrite, Files);
        return Run(config, folder, null, observe, cancellation);
    }

    /// <summary>Goes on with a run that was stopped, from its last checkpoint and with the configuration that stands in it.</summary>
    /// <inheritdoc cref="Start"/>
    public static PretrainRecord Resume(string output, Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        using RunFolder folder = RunFolder.Open(output, resume: true, overwrite: false, Files);
        TrainingState state = folder.Checkpoint.ReadState();
        PretrainConfig config = PretrainConfig.From(state.Config);
        config.Check();
        return Run(config, folder, state, observe, cancellation);
    }

    private static PretrainRecord Run(PretrainConfig config, RunFolder folder, TrainingState? resumed, Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        Device device = ComputeDevice.Resolve(config.Device);
        if (config.Bf16 && ComputeDevice.NoteOnBFloat16(device) is { } slow) observe(new RunNote(slow));
        RunEnvironment environment = RunEnvironment.Current(device);
        PretrainCorpus corpus = PretrainCorpus.Read(config, observe, cancellation);
        if (resumed is not null && resumed.DataSha256 != corpus.Sha256)
            throw new InvalidDataException($"{folder.FullName}: the checkpoint belongs to another corpus (hash {resumed.DataSha256}), got {corpus.Sha256}: a run resumes with what it began with");
        folder.Clear();
        CorpusSequences sequences = new(config);
        Tokenizer tokenizer = PretrainTokenizer.Write(folder.FullName, config, sequences.OfEpoch(corpus.Train, 1, text => text, cancellation));
        PretrainData data = new(config, corpus, sequences, tokenizer);

        manual_seed(config.Seed).Dispose();
        JsonObject shape = NewNetworks.Encoder(config.Reads(), SizePreset.Named(config.Size), tokenizer.VocabularySize, config.MaximumTokens, config.Dropout);
        if (config.Reads() == Modality.Selfies) (shape["decoder_layers"], shape["decoder_ffn_dim"]) = (1, SizePreset.Named(config.Size).Width); // never used
        SequenceEncoder encoder = new(Architectures.New(JsonSerializer.SerializeToElement(shape)), NewNetworks.Pooling(config.Reads()));
        using PretrainNetwork network = new(encoder, data.Descriptors);
        network.to(device);
        using AdamW optimizer = new([new ParameterGroup([.. network.named_parameters().Select(p => (p.name, p.parameter))], config.WeightDecay)]);
        folder.Checkpoint.Parts = [CheckpointPart.Of(network), CheckpointPart.Of(optimizer)];
        if (resumed is not null) folder.Checkpoint.Load(resumed);
        TrainingState state = (resumed ?? new TrainingState { DataSha256 = corpus.Sha256, Config = config.ToJson(), Environment = environment }) with { Environment = environment };

        using EventLog log = new(Path.Combine(folder.FullName, EventsFile), resumed);
        long parameters = encoder.Model.parameters().Sum(p => p.numel());
        observe(new PretrainStarted(corpus, tokenizer.VocabularySize, parameters));
        PretrainLoop loop = new(config, network, data, optimizer, folder.Checkpoint, device, happened =>
        {
            Write(log, happened);
            observe(happened);
        });
        state = loop.Train(state, cancellation);
        if (cancellation.IsCancellationRequested)
            throw new RunStoppedException($"stopped; go on with: ./llmfusion pretrain --resume {folder.FullName}");

        PretrainRecord record = new()
        {
            Config = config,
            Corpus = corpus.Sources,
            Sequences = corpus.Train.Count,
            HeldOut = corpus.HeldOut.Count,
            CorpusSha256 = corpus.Sha256,
            Exclusion = new ExclusionCheck(config.Exclude, corpus.Reserved.Molecules, corpus.Reserved.Texts, corpus.Reserved.Sha256, corpus.Sources.Sum(s => s.Reserved)),
            Descriptors = config.LearnsDescriptors ? StructureDescriptors.Names : [],
            Vocabulary = tokenizer.VocabularySize,
            Parameters = parameters,
            WeightsSha256 = EncoderFolder.Write(folder.FullName, encoder.Model, shape, tokenizer),
            Minutes = state.History.Sum(h => h.Seconds) / 60,
            Epochs = state.History,
            Losses = loop.Validate(),
            Environment = environment,
        };
        AtomicFile.Write(Path.Combine(folder.FullName, "README.md"), EncoderCard.Of(record));
        AtomicFile.Write(Path.Combine(folder.FullName, PretrainRecord.FileName), record.ToJson());
        folder.Checkpoint.Delete();
        return record;
    }

    private static void Write(EventLog log, TrainingEvent happened)
    {
        switch (happened)
        {
            case PretrainStep s when s.Step % StepsPerLine == 0 || s.Step == s.Steps:
                log.Add("step", s.Epoch, s.Step, ("steps", s.Steps), ("done", s.Done), ("loss", EventLog.Number(s.Loss)), ("learning_rate", s.LearningRate), ("tokens_per_second", EventLog.Number(s.TokensPerSecond)));
                break;
            case PretrainValidated v:
                log.Add("epoch", v.Epoch, v.Step, ("train_loss", EventLog.Number(v.TrainLoss)), ("held_out_loss", EventLog.Number(v.HeldOut.Loss)), ("token_loss", EventLog.Number(v.HeldOut.Tokens)),
                    ("token_accuracy", EventLog.Number(v.HeldOut.Accuracy)), ("descriptor_error", v.HeldOut.Descriptors is { } error ? EventLog.Number(error) : null), ("minutes", v.Minutes));
                break;
            case CheckpointWritten c:
                log.Add("checkpoint", c.Epoch, c.Step, ("bytes", c.Bytes), ("seconds", c.Seconds));
                break;
        }
    }
}
