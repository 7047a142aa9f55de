using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.Prediction;

/// <summary>Where a model folder's frozen encoders and vectors are found; they are not part of the folder.</summary>
public sealed record ModelSources
{
    /// <summary>The model hub; null: as Hugging Face's variables say.</summary>
    public ModelHub? Hub { get; init; }

    /// <summary>Receives what the hub does.</summary>
    public Action<HubProgress>? Progress { get; init; }

    /// <summary>Local folders of frozen encoders, by modality name; they must hold the very weights that the model was trained with.</summary>
    public IReadOnlyDictionary<string, string> Encoders { get; init; } = new Dictionary<string, string>();

    /// <summary>Files of vectors (see <see cref="VectorTable"/>), by modality name; without its file a modality is missing.</summary>
    public IReadOnlyDictionary<string, string> Vectors { get; init; } = new Dictionary<string, string>();

    /// <summary>Stops a download.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>Fails where something is named that the model does not have.</summary>
    internal void RequireKnown(ModelManifest manifest)
    {
        Require("encoder", "with a frozen encoder", Encoders.Keys, [.. manifest.Modalities.Where(m => m.Frozen is not null).Select(m => m.Name)]);
        Require("modality", "made of vectors", Vectors.Keys, [.. manifest.Modalities.Where(m => m.Vectors is not null).Select(m => m.Name)]);

        static void Require(string what, string kind, IEnumerable<string> given, string[] known)
        {
            if (given.FirstOrDefault(name => !known.Contains(name)) is { } unknown)
                throw new ArgumentException($"{what} {unknown}: the model has no modality of that name {kind}{(known.Length > 0 ? $"; expected {string.Join(", ", known)}" : "")}");
        }
    }

    /// <summary>Opens a frozen encoder and checks that it is the very one.</summary>
    internal FrozenEncoder OpenEncoder(Modality modality, FrozenEntry entry, string? sha256, string? saved)
    {
        EncoderChoice choice = new() { Model = entry.Model, Pooling = entry.Pooling, MaximumTokens = entry.MaximumTokens };
        FrozenEncoder encoder = Encoders.TryGetValue(modality.Name, out string? folder) ? FrozenEncoder.Open(choice, new ModelFolder(Path.GetFullPath(folder), entry.Id, entry.Commit))
            : saved is not null ? FrozenEncoder.OpenSaved(entry.Model, saved, modality, entry.Pooling, entry.MaximumTokens, entry.SubstituteVocabulary)
            : FrozenEncoder.Open(choice, (Hub ?? new ModelHub()).Get(entry.Id!, entry.Commit, Progress, Cancellation));
        (string What, string? Got, string? Expected)[] parts = [("weights", encoder.WeightsSha256, sha256), ("config.json and tokenizer files", encoder.FilesSha256, entry.FilesSha256)];
        if (parts.All(part => part.Got == part.Expected)) return encoder;
        encoder.Dispose();
        (string what, string? got, string? expected) = parts.First(part => part.Got != part.Expected);
        throw new InvalidDataException($"encoder of {modality}: the {what} in {encoder.Folder?.Path ?? saved} have the sha256 {got}, expected {expected}, those that the model was trained with");
    }

    /// <summary>Opens the files of vectors.</summary>
    /// <param name="components">The model's modalities of that kind, and the components of their vectors.</param>
    internal Dictionary<Modality, VectorTable> OpenVectors(IReadOnlyDictionary<Modality, IReadOnlyList<string>> components)
    {
        Dictionary<Modality, VectorTable> tables = [];
        foreach ((Modality modality, IReadOnlyList<string> names) in components)
            if (Vectors.TryGetValue(modality.Name, out string? path)) tables[modality] = VectorTable.Load(path).InOrder(names);

        return tables;
    }
}
