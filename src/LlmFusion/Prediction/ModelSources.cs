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

    /// <summary>Opens a frozen encoder and checks that it is the very one.</summary>
    internal FrozenEncoder OpenEncoder(Modality modality, FrozenEntry entry, string? sha256, string? saved)
    {
        EncoderChoice choice = new() { Model = entry.Model, Pooling = entry.Pooling, MaximumTokens = entry.MaximumTokens };
        FrozenEncoder encoder = Encoders.TryGetValue(modality.Name, out string? folder) ? FrozenEncoder.Open(choice, new ModelFolder(Path.GetFullPath(folder), entry.Id, entry.Commit))
            : saved is not null ? FrozenEncoder.OpenSaved(entry.Model, saved, modality, entry.Pooling, entry.MaximumTokens, entry.SubstituteVocabulary)
            : FrozenEncoder.Open(choice, (Hub ?? new ModelHub()).Get(entry.Id!, entry.Commit, Progress));
        if (encoder.WeightsSha256 == sha256) return encoder;
        encoder.Dispose();
        throw new InvalidDataException($"encoder of {modality}: the weights in {encoder.Folder?.Path ?? saved} have the sha256 {encoder.WeightsSha256}, expected {sha256}, those that the model was trained with");
    }

    /// <summary>Opens the files of vectors.</summary>
    /// <param name="widths">The model's modalities of that kind, and the length of their vectors.</param>
    internal Dictionary<Modality, VectorTable> OpenVectors(IReadOnlyDictionary<Modality, int> widths)
    {
        if (Vectors.Keys.FirstOrDefault(name => widths.Keys.All(m => m.Name != name)) is { } unknown)
            throw new ArgumentException($"modality {unknown}: the model has none of that name made of vectors{(widths.Count > 0 ? $"; expected {string.Join(", ", widths.Keys)}" : "")}");
        Dictionary<Modality, VectorTable> tables = [];
        foreach ((Modality modality, int width) in widths)
        {
            if (!Vectors.TryGetValue(modality.Name, out string? path)) continue;
            VectorTable table = tables[modality] = VectorTable.Load(path);
            if (table.Width != width) throw new InvalidDataException($"{path}: its vectors have {table.Width} numbers, expected {width} for the modality {modality}");
        }

        return tables;
    }
}
