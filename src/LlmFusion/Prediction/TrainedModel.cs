using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Chemistry;
using LlmFusion.Embedding;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Prediction;

/// <summary>
/// A model with all that a prediction needs, and its folder: <c>llmfusion.json</c>, <c>model.safetensors</c> (fusion
/// model), <c>adapter/</c> where it has low-rank adapters, <c>encoders/NAME/</c> with <c>config.json</c>, weights and tokenizer
/// each, and <c>domain.bin</c> in a model to hand on. A frozen encoder of the model hub is not copied: the manifest names its repository, commit and weights' sha256.
/// </summary>
public sealed class TrainedModel : IDisposable
{
    /// <summary>Name of the manifest in a model folder.</summary>
    public const string ManifestFile = "llmfusion.json";

    internal const string WeightsFile = "model.safetensors";
    private const string ConfigFile = "config.json";
    private const string VocabularyFile = "vocab.json";
    private const string AdapterFolder = "adapter";
    private const long LargestManifest = 64L << 20;

    /// <summary>Joins network, inputs and scaling.</summary>
    public TrainedModel(PropertyModel network, InputEncoder inputs, TargetScaler scaler)
    {
        Network = network;
        Inputs = inputs;
        Scaler = scaler;
    }

    /// <summary>The network.</summary>
    public PropertyModel Network { get; }

    /// <summary>From representations to what the network reads.</summary>
    public InputEncoder Inputs { get; }

    /// <summary>Mean and deviation of the targets.</summary>
    public TargetScaler Scaler { get; }

    /// <summary>The manifest that the model was loaded with; null for a model in training.</summary>
    public ModelManifest? Manifest { get; private init; }

    /// <summary>What the training molecules were like, one for each data set; none where that was not recorded.</summary>
    public IReadOnlyList<TrainingDomain> Domains { get; private init; } = [];

    /// <summary>A new network around a language model; its other weights are from torch's generator.</summary>
    /// <param name="config">Size, positions, dropout.</param>
    /// <param name="inputs">What the network reads; it becomes the model's.</param>
    /// <param name="llm">The language model; it becomes the model's.</param>
    /// <param name="scaler">Mean and deviation of the targets.</param>
    /// <param name="architectures">config.json of encoders of another shape than <see cref="NewNetworks"/> gives them; null: there are none.</param>
    public static TrainedModel New(RunConfig config, InputEncoder inputs, LanguageModel llm, TargetScaler scaler, IReadOnlyDictionary<Modality, JsonObject>? architectures = null)
    {
        SizePreset size = SizePreset.Named(config.Size);
        Dictionary<Modality, SequenceEncoder> encoders = inputs.Tokenizers.ToDictionary(t => t.Key, t => new SequenceEncoder(
            Architectures.New(Element(architectures?.GetValueOrDefault(t.Key) ?? NewNetworks.Encoder(t.Key, size, t.Value.Vocabulary.Count, config.MaximumTokens, config.Dropout))), NewNetworks.Pooling(t.Key)));
        foreach ((Modality modality, TunedEncoder tuned) in inputs.Tuned) encoders[modality] = tuned.Network;
        GraphNetwork? graph = inputs.Representation.Modalities.Contains(Modality.Graph)
            ? new GraphNetwork(NewNetworks.Graph(config.GraphWidth ?? size.Width / 2, config.GraphLayers ?? size.GraphLayers)) : null;
        return new TrainedModel(Build(encoders, graph, inputs, llm, config.Positions, config.ModalityEncoding, config.GraphTokens, config.PlacesOfContributions(), scaler.Means.Count), inputs, scaler);
    }

    /// <summary>Begins to load libtorch and RDKit on other cores, while the caller reads the command and the manifest. A failure shows where they are used.</summary>
    public static void Prepare()
    {
        _ = Task.Run(() =>
        {
            using DisposeScope scope = NewDisposeScope();
            _ = matmul(ones(16, 16), ones(16, 16)); // MKL and the threads begin with the first product
        });
        _ = Task.Run(() =>
        {
            if (Molecule.TryParse("C", out Molecule? methane, out _)) methane.Dispose();
        });
    }

    /// <summary>Loads a model folder; every tensor must be there, of the right shape, and none besides.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="sources">Where frozen encoders and vectors are found; null: the model hub's cache, and no vectors.</param>
    /// <exception cref="ModelFolderException">The folder is damaged, incomplete, foreign or of a newer format.</exception>
    /// <exception cref="HubException">A frozen encoder cannot be had.</exception>
    public static TrainedModel Load(string folder, ModelSources? sources = null)
    {
        ModelManifest manifest = ReadManifest(folder);
        try
        {
            sources ??= new ModelSources();
            sources.RequireKnown(manifest);
            InputEncoder inputs = InputsOf(folder, manifest, sources);
            JsonElement backbone = Element(manifest.Backbone);
            RequireRoom(Path.Combine(folder, WeightsFile), Architectures.ShapeOf(backbone), tokenEmbedding: false);
            Dictionary<Modality, (ModalityEntry Entry, string Folder, JsonElement Config)> trained = manifest.Modalities
                .Where(entry => inputs.Tokenizers.ContainsKey(entry.Modality())).Select(entry => (entry, Inside(folder, entry.Encoder)))
                .ToDictionary(e => e.entry.Modality(), e => (e.entry, e.Item2, Architectures.ReadConfig(e.Item2)));
            foreach ((_, string encoder, JsonElement config) in trained.Values) RequireRoom(Path.Combine(encoder, WeightsFile), Architectures.ShapeOf(config), tokenEmbedding: true);

            Dictionary<Modality, SequenceEncoder> encoders = trained.ToDictionary(t => t.Key, t => new SequenceEncoder(Architectures.New(t.Value.Config, initialize: false), NewNetworks.Pooling(t.Key)));
            foreach ((Modality modality, TunedEncoder tuned) in inputs.Tuned) encoders[modality] = tuned.Network;
            ModalityEntry? graph = manifest.Modalities.FirstOrDefault(m => m.Modality() == Modality.Graph);
            PropertyModel network = Build(encoders, graph is null ? null : NewGraph(Inside(folder, graph.Encoder)), inputs,
                Architectures.NewLanguageModel(backbone, initialize: false), manifest.Positions, manifest.ModalityEncoding, manifest.GraphTokens, [.. manifest.AtomContributions.Select(name => manifest.Targets.ToList().FindIndex(t => t.Name == name))], manifest.Targets.Count);
            Load(network.Fusion, Path.Combine(folder, WeightsFile), manifest.WeightsSha256);
            foreach ((Modality modality, (ModalityEntry entry, string encoder, _)) in trained) Load(network.Encoders[modality].Model, Path.Combine(encoder, WeightsFile), entry.Sha256);
            if (graph is not null) Load(network.Graph!, Path.Combine(Inside(folder, graph.Encoder), WeightsFile), graph.Sha256);
            if (manifest.Adapter is { } adapter) LoadAdapter(network.Fusion.Llm, Inside(folder, adapter.Folder), adapter);
            network.eval();
            TargetScaler scaler = new([.. manifest.Targets.Select(t => t.Mean)], [.. manifest.Targets.Select(t => t.Deviation)], [.. manifest.Targets.Select(t => t.Scaling)]);
            return new TrainedModel(network, inputs, scaler) { Manifest = manifest, Domains = LoadDomains(folder, manifest.Release) };
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
        foreach (Modality modality in Inputs.Representation.Modalities)
        {
            ModalityEntry entry = new() { Name = modality.Name };
            string relative = $"encoders/{modality}", encoder = Path.Combine(folder, relative);
            entries.Add(modality.Kind switch
            {
                ModalityKind.Fingerprint => entry with { Fingerprint = Inputs.Representation.Fingerprint },
                ModalityKind.Columns => entry with { Columns = [.. Inputs.Representation.Columns[modality].Select((name, c) => new ColumnEntry(name, Inputs.Scalers[modality].Means[c], Inputs.Scalers[modality].Deviations[c]))] },
                ModalityKind.Vectors => entry with { Vectors = Inputs.Components[modality] },
                ModalityKind.Graph => SaveEncoder(Network.Graph!, Network.Graph!.Config.ToJson(), entry, relative, encoder),
                _ when Inputs.Frozen.TryGetValue(modality, out FrozenEncoder? frozen) => SaveFrozen(frozen, entry, relative, encoder),
                _ when Inputs.Tuned.TryGetValue(modality, out TunedEncoder? tuned) => SaveTuned(tuned, entry, relative, encoder),
                _ => SaveTrained(modality, entry, relative, encoder),
            });
        }

        Safetensors.Write(Path.Combine(folder, WeightsFile), Network.Fusion.state_dict().Where(t => !LowRankAdapters.IsAdapter(t.Key)).ToDictionary(), Metadata);
        ModelManifest manifest = complete(entries, Sha256(Path.Combine(folder, WeightsFile)));
        manifest = manifest with { Adapter = Network.Fusion.Llm.Adapters is null ? null : SaveAdapter(folder, manifest.BackboneSource) };
        manifest = manifest with { FormatVersion = manifest.FormatNeeded() };
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
        float[][] predicted = PredictScaled(inputs, batchSize, device);
        foreach (float[] values in predicted)
            for (int t = 0; t < values.Length; t++) values[t] = Scaler.Unscale(values[t], t);
        return predicted;
    }

    /// <summary>As <see cref="Predict"/>, in scaled units.</summary>
    public float[][] PredictScaled(IReadOnlyList<MoleculeInputs> inputs, int batchSize, Device device)
    {
        Network.eval();
        float[][] predicted = new float[inputs.Count][];
        IReadOnlyList<int[]> batches = BatchSampler.ByLength([.. inputs.Select(i => i.TokenCount)], batchSize, MostTokens);
        // On the CPU a batch for each core: no core waits for another within an operation, nor while a batch is put together.
        CpuWorkers.Run(device.type == DeviceType.CPU ? batches.Count : 1, batches, Forward, CancellationToken.None);
        return predicted;

        void Forward(int[] rows)
        {
            using IDisposable inference = inference_mode();
            using DisposeScope scope = NewDisposeScope();
            Batch batch = Batch.Of([.. rows.Select(i => inputs[i])], Inputs.Representation.Modalities, Inputs.Representation.Fingerprint.Size, device);
            float[] scaled = [.. Network.Forward(batch).cpu().data<float>()];           // (N, T)
            int targets = Scaler.Means.Count;
            for (int n = 0; n < rows.Length; n++) predicted[rows[n]] = scaled[(n * targets)..((n + 1) * targets)];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Network.Dispose();
        Inputs.Dispose();
    }

    /// <summary>Most tokens predicted from at once: larger batches take gigabytes and are no faster.</summary>
    private const int MostTokens = 1 << 14;

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    private ModalityEntry SaveTrained(Modality modality, ModalityEntry entry, string relative, string folder)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, VocabularyFile), Inputs.Tokenizers[modality].Vocabulary.ToJson());
        return SaveEncoder(Network.Encoders[modality].Model, Network.Encoders[modality].Model.ConfigJson(), entry, relative, folder);
    }

    private static ModalityEntry SaveEncoder(nn.Module encoder, JsonObject config, ModalityEntry entry, string relative, string folder)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, ConfigFile), config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        Safetensors.Write(Path.Combine(folder, WeightsFile), encoder.state_dict(), Metadata);
        return entry with { Encoder = relative, Sha256 = Sha256(Path.Combine(folder, WeightsFile)) };
    }

    private static ModalityEntry SaveTuned(TunedEncoder encoder, ModalityEntry entry, string relative, string folder)
    {
        FrozenEncoder origin = encoder.Origin;
        TunedEntry tuned = new(origin.Name, origin.Folder?.Id, origin.Folder?.Commit, origin.Pooling, origin.MaximumTokens, origin.Substitute is not null);
        return entry with { Tuned = tuned, Encoder = relative, Sha256 = encoder.Save(folder) };
    }

    private AdapterEntry SaveAdapter(string folder, BackboneSource? source)
    {
        string path = Path.Combine(folder, AdapterFolder);
        Directory.CreateDirectory(path);
        LowRankAdapters.Save(Network.Fusion.Llm, path, source?.Id ?? source?.Model);
        return new AdapterEntry(AdapterFolder, Sha256(Path.Combine(path, LowRankAdapters.WeightsFile)), Sha256(Path.Combine(path, LowRankAdapters.ConfigFile)));
    }

    private static void LoadAdapter(LanguageModel llm, string folder, AdapterEntry entry)
    {
        foreach ((string file, string sha256) in new[] { (LowRankAdapters.ConfigFile, entry.ConfigSha256), (LowRankAdapters.WeightsFile, entry.Sha256) })
            RequireSame(Path.Combine(folder, file), sha256);
        LowRankAdapters.Load(llm, folder);
    }

    private static ModalityEntry SaveFrozen(FrozenEncoder encoder, ModalityEntry entry, string relative, string folder)
    {
        FrozenEntry frozen = new(encoder.Name, encoder.Folder?.Id, encoder.Folder?.Commit, encoder.Pooling, encoder.MaximumTokens, encoder.Substitute is not null, encoder.FilesSha256);
        return frozen.Id is not null
            ? entry with { Frozen = frozen, Sha256 = encoder.WeightsSha256 }
            : entry with { Frozen = frozen, Encoder = relative, Sha256 = encoder.Save(folder) };
    }

    private static IReadOnlyList<TrainingDomain> LoadDomains(string folder, ReleaseEntry? release)
    {
        if (release is null) return [];
        release.Check();
        string path = Path.Combine(folder, TrainingDomain.File);
        RequireSame(path, release.DomainSha256);
        return TrainingDomain.Load(path, release.Domains);
    }

    private static InputEncoder InputsOf(string folder, ModelManifest manifest, ModelSources sources)
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
            .ToDictionary(e => e.Key, e => new InputTokenizer(e.Key, TokenVocabulary.Load(Path.Combine(Inside(folder, e.Value.Encoder), VocabularyFile)), manifest.MaximumTokens));
        Dictionary<Modality, ColumnScaler> scalers = entries.Where(e => e.Value.Columns is not null)
            .ToDictionary(e => e.Key, e => new ColumnScaler([.. e.Value.Columns!.Select(c => c.Mean)], [.. e.Value.Columns!.Select(c => c.Deviation)]));
        Dictionary<Modality, FrozenEncoder> frozen = entries.Where(e => e.Key.IsSequence && e.Value.Frozen is not null).ToDictionary(e => e.Key, e =>
            sources.OpenEncoder(e.Key, e.Value.Frozen!, e.Value.Sha256, e.Value.Frozen!.Id is null ? Inside(folder, e.Value.Encoder) : null));
        Dictionary<Modality, TunedEncoder> tuned = entries.Where(e => e.Key.IsSequence && e.Value.Tuned is not null).ToDictionary(e => e.Key, e => OpenTuned(folder, e.Key, e.Value, e.Value.Tuned!));
        return new InputEncoder(representation, tokenizers, frozen, scalers, components, tuned);
    }

    private static TunedEncoder OpenTuned(string folder, Modality modality, ModalityEntry entry, TunedEntry tuned)
    {
        string encoder = Inside(folder, entry.Encoder);
        RequireSame(Path.Combine(encoder, WeightsFile), entry.Sha256);
        return new TunedEncoder(FrozenEncoder.OpenSaved(tuned.Model, encoder, modality, tuned.Pooling, tuned.MaximumTokens, tuned.SubstituteVocabulary));
    }

    /// <summary>A graph encoder without weights, of a size that its weights file holds.</summary>
    private static GraphNetwork NewGraph(string folder)
    {
        GraphNetworkConfig config = GraphNetworkConfig.From(Architectures.ReadConfig(folder));
        if ((config.Features, config.Relations) != (GraphFeatures.Count, GraphFeatures.Relations))
            throw new InvalidDataException($"{folder}: a graph encoder of {config.Features} node features and {config.Relations} relations, expected {GraphFeatures.Count} and {GraphFeatures.Relations}");
        string weights = Path.Combine(folder, WeightsFile);
        long held = Safetensors.ReadHeader(weights).Entries.Sum(entry => entry.Shape.Aggregate(1L, (count, size) => count * size));
        if (config.Parameters != held) throw new InvalidDataException($"{weights}: holds {held} numbers, expected {config.Parameters} for its config.json");
        return new GraphNetwork(config, initialize: false);
    }

    private static PropertyModel Build(IReadOnlyDictionary<Modality, SequenceEncoder> encoders, GraphNetwork? graph, InputEncoder inputs, LanguageModel llm,
        PositionMode positions, ModalityEncoding encoding, GraphTokens graphTokens, IReadOnlyList<int> atomTargets, int targets) => new(encoders, graph, new FusionModel(new FusionConfig
        {
            Modalities = inputs.Representation.Modalities,
            Widths = inputs.Representation.Modalities.ToDictionary(m => m, m => encoders.TryGetValue(m, out SequenceEncoder? encoder) ? encoder.Model.Width
                : m != Modality.Graph ? inputs.WidthOf(m)
                : graphTokens == GraphTokens.Atoms ? graph!.Config.Width : graph!.PooledWidth),
            Positions = positions,
            Encoding = encoding,
            GraphTokens = graphTokens,
            AtomWidth = graph?.Config.Width ?? 0,
            AtomTargets = atomTargets,
            Targets = targets,
        }, llm));

    /// <summary>Sizes are refused that the weights file cannot hold, before memory is asked for them.</summary>
    private static void RequireRoom(string weights, TransformerShape shape, bool tokenEmbedding) =>
        shape.RequireIn(Safetensors.ReadHeader(weights).Entries.Sum(entry => entry.Shape.Aggregate(1L, (numbers, length) => numbers * length)), tokenEmbedding, weights);

    private static JsonElement Element(JsonObject json) => JsonSerializer.SerializeToElement(json);

    /// <summary>Strictly, and only the very bytes that were written: a file that was changed or damaged is refused.</summary>
    private static void Load(nn.Module module, string weights, string? sha256)
    {
        Checkpoint.LoadFile(module, weights);
        RequireSame(weights, sha256);
    }

    private static void RequireSame(string file, string? sha256)
    {
        if (Sha256(file) is var got && got != sha256) throw new InvalidDataException($"{file}: damaged or replaced, its sha256 is {got}, expected {sha256}");
    }

    internal static string Inside(string folder, string? relative)
    {
        string root = Path.GetFullPath(folder) + Path.DirectorySeparatorChar;
        string path = relative is null ? "" : Path.GetFullPath(Path.Combine(folder, relative));
        return path.StartsWith(root, StringComparison.Ordinal) ? path
            : throw new InvalidDataException($"encoder folder: got {relative ?? "nothing"}, expected a folder inside the model's");
    }

    internal static string Sha256(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
