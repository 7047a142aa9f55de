using System.Text.Json;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Prediction;

/// <summary>A model as its folder describes it: how molecules are read, what is made of that, and in which units.</summary>
/// <param name="inputs">From representations to what the model reads; it becomes the model's.</param>
/// <param name="scaler">Mean and deviation of the targets.</param>
public abstract class PredictiveModel(InputEncoder inputs, TargetScaler scaler) : IDisposable
{
    /// <summary>Name of the manifest in a model folder.</summary>
    public const string ManifestFile = "llmfusion.json";

    private const long LargestManifest = 64L << 20;

    /// <summary>From representations to what the model reads.</summary>
    public InputEncoder Inputs { get; } = inputs;

    /// <summary>Mean and deviation of the targets.</summary>
    public TargetScaler Scaler { get; } = scaler;

    /// <summary>The manifest, of a model that was loaded.</summary>
    public ModelManifest? Manifest { get; private protected init; }

    /// <summary>What the training molecules were like, one for each data set; none where that was not recorded.</summary>
    public IReadOnlyList<TrainingDomain> Domains { get; private protected init; } = [];

    /// <summary>Loads a model folder, of a fusion model or of a baseline.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="sources">Where frozen encoders and vectors are found; null: the model hub's cache, and no vectors.</param>
    /// <exception cref="ModelFolderException">The folder is damaged, incomplete, foreign or of a newer format.</exception>
    public static PredictiveModel Load(string folder, ModelSources? sources = null) =>
        ReadManifest(folder).Baseline is null ? TrainedModel.Load(folder, sources) : BoostedModel.Load(folder, sources);

    /// <summary>Reads <c>llmfusion.json</c> and checks its form.</summary>
    /// <exception cref="ModelFolderException">It is missing, damaged, foreign or of a newer format.</exception>
    public static ModelManifest ReadManifest(string folder)
    {
        string path = Path.Combine(folder, ManifestFile);
        if (!Directory.Exists(folder)) throw new ModelFolderException(folder, "no such folder; expected the output folder of a training run");
        if (!File.Exists(path) && new TrainingCheckpoint(folder).Exists) throw new ModelFolderException(folder, $"is an unfinished run; go on with it: ./llmfusion train --resume {folder}");
        if (!File.Exists(path)) throw new ModelFolderException(folder, $"holds no {ManifestFile}; expected the output folder of a finished training run");
        if (new FileInfo(path).Length > LargestManifest) throw new ModelFolderException(path, $"is larger than {LargestManifest >> 20} MiB, which no manifest is");
        try
        {
            byte[] bytes = File.ReadAllBytes(path);
            using (JsonDocument document = JsonDocument.Parse(bytes))
            {
                if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("format_version", out JsonElement version) || !version.TryGetInt32(out int format))
                    throw new ModelFolderException(path, "has no number format_version; expected a manifest of LlmFusion");
                if (format > ModelManifest.CurrentFormat)
                    throw new ModelFolderException(path, $"format_version is {format}, this program reads up to {ModelManifest.CurrentFormat}: update LlmFusion");
                if (format < 1) throw new ModelFolderException(path, $"format_version is {format}, expected 1 to {ModelManifest.CurrentFormat}");
            }

            return JsonSerializer.Deserialize<ModelManifest>(bytes, ModelManifest.Json) ?? throw new ModelFolderException(path, "is null");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(path, e.Message, e);
        }
    }

    /// <summary>Moves what computes.</summary>
    public abstract void MoveTo(Device device);

    /// <summary>Predicts molecules, in batches of like length.</summary>
    /// <param name="inputs">N molecules, each with at least one modality.</param>
    /// <param name="batchSize">Molecules per forward pass.</param>
    /// <param name="device">Where the network lies.</param>
    /// <returns>N arrays of T values in the targets' units, in the order of <paramref name="inputs"/>.</returns>
    public float[][] Predict(IReadOnlyList<MoleculeInputs> inputs, int batchSize, Device device)
    {
        float[][] predicted = PredictScaled(inputs, batchSize, device);
        foreach (float[] values in predicted)
            for (int t = 0; t < values.Length; t++) values[t] = Scaler.Unscale(values[t], t);
        return predicted;
    }

    /// <summary>As <see cref="Predict"/>, in scaled units.</summary>
    public abstract float[][] PredictScaled(IReadOnlyList<MoleculeInputs> inputs, int batchSize, Device device);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the model holds.</summary>
    protected virtual void Dispose(bool disposing) => Inputs.Dispose();

    /// <summary>What the training molecules were like.</summary>
    private protected static IReadOnlyList<TrainingDomain> LoadDomains(string folder, ReleaseEntry? release)
    {
        if (release is null) return [];
        release.Check();
        string path = Path.Combine(folder, TrainingDomain.File);
        ModelFiles.RequireSame(path, release.DomainSha256);
        return TrainingDomain.Load(path, release.Domains);
    }
}
