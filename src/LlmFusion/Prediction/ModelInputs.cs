using LlmFusion.Embedding;
using LlmFusion.Modalities;

namespace LlmFusion.Prediction;

/// <summary>What a model folder holds of how molecules are read: from the manifest to an <see cref="InputEncoder"/>, and back.</summary>
internal static class ModelInputs
{
    /// <summary>Vocabulary of a new encoder, in its folder.</summary>
    public const string VocabularyFile = "vocab.json";

    /// <summary>Everything that makes inputs of molecules.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="sources">Where frozen encoders and vectors are found.</param>
    /// <exception cref="InvalidDataException">A file is damaged or foreign.</exception>
    public static InputEncoder Open(string folder, ModelManifest manifest, ModelSources sources)
    {
        Dictionary<Modality, ModalityEntry> entries = manifest.Modalities.ToDictionary(entry => entry.Modality());
        Dictionary<Modality, IReadOnlyList<string>> components = entries.Where(e => e.Value.Vectors is not null).ToDictionary(e => e.Key, e => e.Value.Vectors!);
        RepresentationOptions representation = new()
        {
            Modalities = [.. entries.Keys],
            SmilesForm = manifest.SmilesForm,
            Fingerprint = manifest.Modalities.FirstOrDefault(m => m.Fingerprint is not null)?.Fingerprint ?? new FingerprintOptions(),
            Columns = entries.Where(e => e.Value.Columns is not null).ToDictionary(e => e.Key, e => (IReadOnlyList<string>)[.. e.Value.Columns!.Select(c => c.Name)]),
            Vectors = sources.OpenVectors(components),
        };
        representation.Fingerprint.Check();
        Dictionary<Modality, InputTokenizer> tokenizers = entries.Where(e => e.Key.IsSequence && e.Value is { Frozen: null, Tuned: null })
            .ToDictionary(e => e.Key, e => new InputTokenizer(e.Key, TokenVocabulary.Load(Path.Combine(ModelFiles.Inside(folder, e.Value.Encoder), VocabularyFile)), manifest.MaximumTokens));
        Dictionary<Modality, ColumnScaler> scalers = entries.Where(e => e.Value.Columns is not null)
            .ToDictionary(e => e.Key, e => new ColumnScaler([.. e.Value.Columns!.Select(c => c.Mean)], [.. e.Value.Columns!.Select(c => c.Deviation)]));
        Dictionary<Modality, FrozenEncoder> frozen = entries.Where(e => e.Key.IsSequence && e.Value.Frozen is not null).ToDictionary(e => e.Key, e =>
            sources.OpenEncoder(e.Key, e.Value.Frozen!, e.Value.Sha256, e.Value.Frozen!.Id is null ? ModelFiles.Inside(folder, e.Value.Encoder) : null));
        Dictionary<Modality, TunedEncoder> tuned = entries.Where(e => e.Key.IsSequence && e.Value.Tuned is not null).ToDictionary(e => e.Key, e => OpenTuned(folder, e.Key, e.Value, e.Value.Tuned!));
        return new InputEncoder(representation, tokenizers, frozen, scalers, components, tuned);
    }

    /// <summary>The entry of a modality that has no network of the model's own: fingerprint, columns, vectors, or a frozen encoder, whose files are written where it is not on the model hub.</summary>
    /// <param name="inputs">What the model reads with.</param>
    /// <param name="modality">The modality.</param>
    /// <param name="folder">The model folder.</param>
    /// <returns>Null for another modality.</returns>
    public static ModalityEntry? Save(InputEncoder inputs, Modality modality, string folder)
    {
        ModalityEntry entry = new() { Name = modality.Name };
        return modality.Kind switch
        {
            ModalityKind.Fingerprint => entry with { Fingerprint = inputs.Representation.Fingerprint },
            ModalityKind.Columns => entry with { Columns = [.. inputs.Representation.Columns[modality].Select((name, c) => new ColumnEntry(name, inputs.Scalers[modality].Means[c], inputs.Scalers[modality].Deviations[c]))] },
            ModalityKind.Vectors => entry with { Vectors = inputs.Components[modality] },
            _ when inputs.Frozen.TryGetValue(modality, out FrozenEncoder? frozen) => SaveFrozen(frozen, entry, EncoderFolder(modality), Path.Combine(folder, EncoderFolder(modality))),
            _ => null,
        };
    }

    /// <summary>Folder of a modality's encoder, relative to the model's.</summary>
    public static string EncoderFolder(Modality modality) => $"encoders/{modality}";

    private static ModalityEntry SaveFrozen(FrozenEncoder encoder, ModalityEntry entry, string relative, string folder)
    {
        if (encoder.IsOwn) return entry with { Tuned = TunedEntry.Of(encoder), Encoder = relative, Sha256 = encoder.Save(folder) };
        FrozenEntry frozen = new(encoder.Name, encoder.Folder?.Id, encoder.Folder?.Commit, encoder.Pooling, encoder.MaximumTokens, encoder.Substitute is not null, encoder.FilesSha256);
        return frozen.Id is not null
            ? entry with { Frozen = frozen, Sha256 = encoder.WeightsSha256 }
            : entry with { Frozen = frozen, Encoder = relative, Sha256 = encoder.Save(folder) };
    }

    private static TunedEncoder OpenTuned(string folder, Modality modality, ModalityEntry entry, TunedEntry tuned)
    {
        string encoder = ModelFiles.Inside(folder, entry.Encoder);
        ModelFiles.RequireSame(Path.Combine(encoder, TrainedModel.WeightsFile), entry.Sha256);
        return new TunedEncoder(FrozenEncoder.OpenSaved(tuned.Model, encoder, modality, tuned.Pooling, tuned.MaximumTokens, tuned.SubstituteVocabulary));
    }
}
