using LlmFusion.Modalities;
using LlmFusion.Transformers.Tokenizers;
using TorchSharp;

namespace LlmFusion.Pretraining;

/// <summary>The corpus as batches: spelt, tokenized and masked anew in each epoch; everything follows from seed and epoch.</summary>
public sealed class PretrainData
{
    /// <summary>Standardised descriptors are clipped here: a few molecules lie a hundred deviations away and would decide the loss.</summary>
    private const float Extreme = 5;

    private readonly PretrainConfig _config;
    private readonly PretrainCorpus _corpus;
    private readonly CorpusSequences _sequences;
    private readonly Tokenizer _tokenizer;
    private readonly ColumnScaler _scaler;

    /// <param name="config">A checked configuration.</param>
    /// <param name="corpus">The corpus.</param>
    /// <param name="sequences">How it is spelt.</param>
    /// <param name="tokenizer">The tokenizer of the encoder's folder.</param>
    public PretrainData(PretrainConfig config, PretrainCorpus corpus, CorpusSequences sequences, Tokenizer tokenizer)
    {
        (_config, _corpus, _sequences, _tokenizer) = (config, corpus, sequences, tokenizer);
        _scaler = ScalerOf(corpus.Train);
    }

    /// <summary>Number of descriptors.</summary>
    public int Descriptors => _scaler.Means.Count;

    /// <summary>The training sequences of an epoch, counted from 1, each in the corpus's place.</summary>
    public IReadOnlyList<TrainingSequence> OfEpoch(int epoch, CancellationToken cancellation) => Ask(_corpus.Train, epoch, epoch, cancellation);

    /// <summary>The held-out sequences: canonical, the same places asked for at every call.</summary>
    public IReadOnlyList<TrainingSequence> HeldOut() => Ask(_corpus.HeldOut, 0, -1, CancellationToken.None);

    /// <summary>Makes a batch of training or held-out sequences.</summary>
    /// <param name="sequences">Of <see cref="OfEpoch"/> or <see cref="HeldOut"/>.</param>
    /// <param name="rows">Which of them.</param>
    /// <param name="heldOut">Whether they are the held-out ones.</param>
    /// <param name="device">Where the tensors shall lie.</param>
    public PretrainBatch Batch(IReadOnlyList<TrainingSequence> sequences, int[] rows, bool heldOut, torch.Device device)
    {
        IReadOnlyList<CorpusItem> items = heldOut ? _corpus.HeldOut : _corpus.Train;
        return PretrainBatch.Of([.. rows.Select(r => sequences[r])], Descriptors == 0 ? null : [.. rows.Select(r => Standardised(items[r].Descriptors))], PadOf(_tokenizer), device);
    }

    private static int PadOf(Tokenizer tokenizer) => tokenizer.PadToken!.Value;

    private TrainingSequence[] Ask(IReadOnlyList<CorpusItem> items, int spelling, int masks, CancellationToken cancellation)
    {
        IReadOnlyList<int[]> ids = _sequences.OfEpoch(items, spelling, text => _tokenizer.Encode(text, _config.MaximumTokens).Ids, cancellation);
        return [.. ids.Select((tokens, i) => _config.Reads() == Modality.Text
            ? TrainingSequence.Next(tokens, tokens.Length < _config.MaximumTokens ? _tokenizer.EndToken!.Value : null)
            : TrainingSequence.Masked(tokens, _config.MaskRate, _tokenizer.MaskToken!.Value, _tokenizer.VocabularySize, CorpusSequences.SeedOf(~_config.Seed, masks, i)))];
    }

    /// <summary>Zero, the mean, where RDKit has no value.</summary>
    private float[] Standardised(float[] values) => Array.ConvertAll(_scaler.Scale(values), z => float.IsFinite(z) ? Math.Clamp(z, -Extreme, Extreme) : 0);

    private static ColumnScaler ScalerOf(IReadOnlyList<CorpusItem> items)
    {
        float[][] known = [.. items.Select(item => item.Descriptors).Where(d => d.All(float.IsFinite))];
        return ColumnScaler.Fit(known, items[0].Descriptors.Length);
    }
}
