using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Embedding;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Prediction;

/// <summary>
/// A model with all that a prediction needs, and its folder: <c>llmfusion.json</c>, <c>model.safetensors</c> (fusion
/// model), <c>encoders/NAME/</c> with <c>config.json</c>, <c>model.safetensors</c> and <c>vocab.json</c> each.
/// </summary>
public sealed class TrainedModel : IDisposable
{
    /// <summary>Name of the manifest in a model folder.</summary>
    public const string ManifestFile = "llmfusion.json";

    private const string WeightsFile = "model.safetensors";
    private const string ConfigFile = "config.json";
    private const string VocabularyFile = "vocab.json";
    private const long LargestManifest = 64L << 20;

    /// <summary>Joins network, tokenizer and scaling.</summary>
    public TrainedModel(PropertyModel network, InputTokenizer tokenizer, RepresentationOptions representation, TargetScaler scaler)
    {
        Network = network;
        Tokenizer = tokenizer;
        Representation = representation;
        Scaler = scaler;
    }

    /// <summary>The network.</summary>
    public PropertyModel Network { get; }

    /// <summary>The vocabularies.</summary>
    public InputTokenizer Tokenizer { get; }

    /// <summary>What is computed of each molecule.</summary>
    public RepresentationOptions Representation { get; }

    /// <summary>Mean and deviation of the targets.</summary>
    public TargetScaler Scaler { get; }

    /// <summary>The manifest that the model was loaded with; null for a model in training.</summary>
    public ModelManifest? Manifest { get; private init; }

    /// <summary>A new network with weights from torch's generator.</summary>
    /// <param name="config">Size, modalities, positions, dropout.</param>
    /// <param name="tokenizer">Vocabularies of the training split.</param>
    /// <param name="scaler">Mean and deviation of the targets.</param>
    public static TrainedModel New(RunConfig config, InputTokenizer tokenizer, TargetScaler scaler)
    {
        SizePreset size = SizePreset.Named(config.Size);
        IReadOnlyList<Modality> modalities = config.StackOrder();
        Dictionary<Modality, JsonObject> encoders = modalities.Where(m => m != Modality.Fingerprint)
            .ToDictionary(m => m, m => SequenceEncoder.NewConfig(m, size, tokenizer.Vocabularies[m].Count, config.MaximumTokens, config.Dropout));
        RepresentationOptions representation = new() { Modalities = modalities, Fingerprint = config.Fingerprint, SmilesForm = config.SmilesForm };
        PropertyModel network = Build(encoders, representation, SequenceEncoder.BackboneConfig(size, positions: modalities.Count, config.Dropout),
            config.Positions, config.ModalityEncoding, scaler.Means.Count);
        return new TrainedModel(network, tokenizer, representation, scaler);
    }

    /// <summary>Loads a model folder; every tensor must be there, of the right shape, and none besides.</summary>
    /// <exception cref="ModelFolderException">The folder is damaged, incomplete, foreign or of a newer format.</exception>
    public static TrainedModel Load(string folder)
    {
        ModelManifest manifest = ReadManifest(folder);
        try
        {
            Modality[] modalities = [.. manifest.Modalities.Select(m => ModalityNames.Parse(m.Name))];
            Dictionary<Modality, JsonObject> configs = [];
            Dictionary<Modality, TokenVocabulary> vocabularies = [];
            Dictionary<Modality, string> folders = [];
            foreach ((Modality modality, ModalityEntry entry) in modalities.Zip(manifest.Modalities))
            {
                if (modality == Modality.Fingerprint) continue;
                string encoder = folders[modality] = Inside(folder, entry.Encoder);
                vocabularies[modality] = TokenVocabulary.Load(Path.Combine(encoder, VocabularyFile));
                configs[modality] = JsonNode.Parse(File.ReadAllText(Path.Combine(encoder, ConfigFile))) as JsonObject
                    ?? throw new ModelFolderException(Path.Combine(encoder, ConfigFile), "expected a JSON object");
            }

            RepresentationOptions representation = new()
            {
                Modalities = modalities,
                SmilesForm = manifest.SmilesForm,
                Fingerprint = manifest.Modalities.FirstOrDefault(m => m.Fingerprint is not null)?.Fingerprint ?? new FingerprintOptions(),
            };
            representation.Fingerprint.Check();
            Gpt2Config backbone = Gpt2Config.From(JsonSerializer.SerializeToElement(manifest.Backbone));
            RequireRoom(Path.Combine(folder, WeightsFile), backbone.Width, backbone.Layers, backbone.Positions);
            foreach ((Modality modality, string encoder) in folders)
            {
                (int width, int layers, int vocabulary) = SequenceEncoder.SizesOf(modality, configs[modality]);
                RequireRoom(Path.Combine(encoder, WeightsFile), width, layers, vocabulary);
            }

            PropertyModel network = Build(configs, representation, manifest.Backbone, manifest.Positions, manifest.ModalityEncoding, manifest.Targets.Count);
            Load(network.Fusion, Path.Combine(folder, WeightsFile), manifest.WeightsSha256);
            foreach ((Modality modality, string encoder) in folders)
                Load(network.Encoders[modality].Model, Path.Combine(encoder, WeightsFile), manifest.Modalities.First(m => m.Name == modality.Name()).Sha256);
            network.eval();
            TargetScaler scaler = new([.. manifest.Targets.Select(t => t.Mean)], [.. manifest.Targets.Select(t => t.Deviation)]);
            return new TrainedModel(network, new InputTokenizer(vocabularies, manifest.MaximumTokens), representation, scaler) { Manifest = manifest };
        }
        catch (Exception e) when (e is CheckpointException or InvalidDataException or ArgumentException or JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(folder, e.Message, e);
        }
    }

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

    /// <summary>Writes weights, encoders and last the manifest, each atomically.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="complete">Makes the manifest from modality entries and the weights' sha256.</param>
    public ModelManifest Save(string folder, Func<IReadOnlyList<ModalityEntry>, string, ModelManifest> complete)
    {
        List<ModalityEntry> entries = [];
        foreach (Modality modality in Representation.Modalities)
        {
            if (modality == Modality.Fingerprint)
            {
                entries.Add(new ModalityEntry { Name = modality.Name(), Fingerprint = Representation.Fingerprint });
                continue;
            }

            string relative = $"encoders/{modality.Name()}", encoder = Path.Combine(folder, relative);
            Directory.CreateDirectory(encoder);
            AtomicFile.Write(Path.Combine(encoder, ConfigFile), Network.Encoders[modality].Config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
            AtomicFile.Write(Path.Combine(encoder, VocabularyFile), Tokenizer.Vocabularies[modality].ToJson());
            Safetensors.Write(Path.Combine(encoder, WeightsFile), Network.Encoders[modality].Model.state_dict(), Metadata);
            entries.Add(new ModalityEntry { Name = modality.Name(), Encoder = relative, Sha256 = Sha256(Path.Combine(encoder, WeightsFile)) });
        }

        Safetensors.Write(Path.Combine(folder, WeightsFile), Network.Fusion.state_dict(), Metadata);
        ModelManifest manifest = complete(entries, Sha256(Path.Combine(folder, WeightsFile)));
        AtomicFile.Write(Path.Combine(folder, ManifestFile), JsonSerializer.Serialize(manifest, ModelManifest.Json));
        return manifest;
    }

    /// <summary>Predicts molecules, in batches of like length.</summary>
    /// <param name="inputs">N molecules, each with at least one modality.</param>
    /// <param name="batchSize">Molecules per forward pass.</param>
    /// <param name="device">Where the network lies.</param>
    /// <returns>N arrays of T values in the targets' units, in the order of <paramref name="inputs"/>.</returns>
    public float[][] Predict(IReadOnlyList<MoleculeInputs> inputs, int batchSize, Device device)
    {
        Network.eval();
        using IDisposable inference = inference_mode();
        float[][] predicted = new float[inputs.Count][];
        foreach (int[] rows in BatchSampler.ByLength([.. inputs.Select(i => i.TokenCount)], batchSize))
        {
            using DisposeScope scope = NewDisposeScope();
            Batch batch = Batch.Of([.. rows.Select(i => inputs[i])], Representation.Modalities, Representation.Fingerprint.Size, device);
            float[] scaled = [.. Network.Forward(batch).cpu().data<float>()];           // (N, T)
            int targets = Scaler.Means.Count;
            for (int n = 0; n < rows.Length; n++)
                predicted[rows[n]] = [.. Enumerable.Range(0, targets).Select(t => Scaler.Unscale(scaled[n * targets + t], t))];
        }

        return predicted;
    }

    /// <inheritdoc/>
    public void Dispose() => Network.Dispose();

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    private static PropertyModel Build(IReadOnlyDictionary<Modality, JsonObject> encoderConfigs, RepresentationOptions representation, JsonObject backbone,
        PositionMode positions, ModalityEncoding encoding, int targets)
    {
        Dictionary<Modality, SequenceEncoder> encoders = encoderConfigs.ToDictionary(c => c.Key, c => new SequenceEncoder(c.Key, c.Value));
        FusionModel fusion = new(new FusionConfig
        {
            Modalities = representation.Modalities,
            Widths = representation.Modalities.ToDictionary(m => m, m => m == Modality.Fingerprint ? representation.Fingerprint.Size : encoders[m].Width),
            Llm = Gpt2Config.From(JsonSerializer.SerializeToElement(backbone)),
            Positions = positions,
            Encoding = encoding,
            Targets = targets,
        });
        return new PropertyModel(encoders, fusion);
    }

    /// <summary>Sizes are refused that the weights file cannot hold, before memory is asked for them.</summary>
    private static void RequireRoom(string weights, double width, double layers, double rows)
    {
        double least = sizeof(float) * (layers * width * width + rows * width), got = new FileInfo(weights).Length;
        if (got < least) throw new InvalidDataException($"{weights}: has {got:N0} bytes, expected at least {least:N0} for {layers:N0} layers of width {width:N0} and {rows:N0} embeddings");
    }

    /// <summary>Strictly, and only the very bytes that were written: a file that was changed or damaged is refused.</summary>
    private static void Load(nn.Module module, string weights, string? sha256)
    {
        Checkpoint.LoadFile(module, weights);
        if (Sha256(weights) is var got && got != sha256) throw new InvalidDataException($"{weights}: damaged or replaced, its sha256 is {got}, expected {sha256}");
    }

    private static string Inside(string folder, string? relative)
    {
        string root = Path.GetFullPath(folder) + Path.DirectorySeparatorChar;
        string path = relative is null ? "" : Path.GetFullPath(Path.Combine(folder, relative));
        return path.StartsWith(root, StringComparison.Ordinal) ? path
            : throw new InvalidDataException($"encoder folder: got {relative ?? "nothing"}, expected a folder inside the model's");
    }

    private static string Sha256(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
