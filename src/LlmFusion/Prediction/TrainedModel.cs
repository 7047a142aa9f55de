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
public sealed class TrainedModel : PredictiveModel
{
    internal const string WeightsFile = "model.safetensors";
    private const string ConfigFile = "config.json";
    private const string AdapterFolder = "adapter";

    /// <summary>Joins network, inputs and scaling.</summary>
    public TrainedModel(PropertyModel network, InputEncoder inputs, TargetScaler scaler) : base(inputs, scaler) => Network = network;

    /// <summary>The network.</summary>
    public PropertyModel Network { get; }

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
    public static new TrainedModel Load(string folder, ModelSources? sources = null)
    {
        ModelManifest manifest = ReadManifest(folder);
        if (manifest.Baseline is { } baseline) throw new ModelFolderException(folder, $"is a baseline ({baseline.Kind}), which has no network; expected a model that was trained by ./llmfusion train");
        try
        {
            sources ??= new ModelSources();
            sources.RequireKnown(manifest);
            InputEncoder inputs = ModelInputs.Open(folder, manifest, sources);
            JsonElement backbone = Element(manifest.Backbone ?? throw new InvalidDataException("the manifest names no backbone"));
            RequireRoom(Path.Combine(folder, WeightsFile), Architectures.ShapeOf(backbone), tokenEmbedding: false);
            Dictionary<Modality, (ModalityEntry Entry, string Folder, JsonElement Config)> trained = manifest.Modalities
                .Where(entry => inputs.Tokenizers.ContainsKey(entry.Modality())).Select(entry => (entry, ModelFiles.Inside(folder, entry.Encoder)))
                .ToDictionary(e => e.entry.Modality(), e => (e.entry, e.Item2, Architectures.ReadConfig(e.Item2)));
            foreach ((_, string encoder, JsonElement config) in trained.Values) RequireRoom(Path.Combine(encoder, WeightsFile), Architectures.ShapeOf(config), tokenEmbedding: true);

            Dictionary<Modality, SequenceEncoder> encoders = trained.ToDictionary(t => t.Key, t => new SequenceEncoder(Architectures.New(t.Value.Config, initialize: false), NewNetworks.Pooling(t.Key)));
            foreach ((Modality modality, TunedEncoder tuned) in inputs.Tuned) encoders[modality] = tuned.Network;
            ModalityEntry? graph = manifest.Modalities.FirstOrDefault(m => m.Modality() == Modality.Graph);
            PropertyModel network = Build(encoders, graph is null ? null : NewGraph(ModelFiles.Inside(folder, graph.Encoder)), inputs,
                Architectures.NewLanguageModel(backbone, initialize: false), manifest.Positions, manifest.ModalityEncoding, manifest.GraphTokens, [.. manifest.AtomContributions.Select(name => manifest.Targets.ToList().FindIndex(t => t.Name == name))], manifest.Targets.Count);
            Load(network.Fusion, Path.Combine(folder, WeightsFile), manifest.WeightsSha256);
            foreach ((Modality modality, (ModalityEntry entry, string encoder, _)) in trained) Load(network.Encoders[modality].Model, Path.Combine(encoder, WeightsFile), entry.Sha256);
            if (graph is not null) Load(network.Graph!, Path.Combine(ModelFiles.Inside(folder, graph.Encoder), WeightsFile), graph.Sha256);
            if (manifest.Adapter is { } adapter) LoadAdapter(network.Fusion.Llm, ModelFiles.Inside(folder, adapter.Folder), adapter);
            network.eval();
            TargetScaler scaler = new([.. manifest.Targets.Select(t => t.Mean)], [.. manifest.Targets.Select(t => t.Deviation)], [.. manifest.Targets.Select(t => t.Scaling)]);
            return new TrainedModel(network, inputs, scaler) { Manifest = manifest, Domains = LoadDomains(folder, manifest.Release) };
        }
        catch (Exception e) when (e is CheckpointException or InvalidDataException or ArgumentException or JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(folder, e.Message, e);
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
            if (ModelInputs.Save(Inputs, modality, folder) is { } ready)
            {
                entries.Add(ready);
                continue;
            }

            ModalityEntry entry = new() { Name = modality.Name };
            string relative = ModelInputs.EncoderFolder(modality), encoder = Path.Combine(folder, relative);
            entries.Add(modality.Kind == ModalityKind.Graph ? SaveEncoder(Network.Graph!, Network.Graph!.Config.ToJson(), entry, relative, encoder)
                : Inputs.Tuned.TryGetValue(modality, out TunedEncoder? tuned) ? SaveTuned(tuned, entry, relative, encoder)
                : SaveTrained(modality, entry, relative, encoder));
        }

        Safetensors.Write(Path.Combine(folder, WeightsFile), Network.Fusion.state_dict().Where(t => !LowRankAdapters.IsAdapter(t.Key)).ToDictionary(), Metadata);
        ModelManifest manifest = complete(entries, ModelFiles.Sha256(Path.Combine(folder, WeightsFile)));
        manifest = manifest with { Adapter = Network.Fusion.Llm.Adapters is null ? null : SaveAdapter(folder, manifest.BackboneSource) };
        manifest = manifest with { FormatVersion = manifest.FormatNeeded() };
        AtomicFile.Write(Path.Combine(folder, ManifestFile), JsonSerializer.Serialize(manifest, ModelManifest.Json));
        return manifest;
    }

    /// <inheritdoc/>
    public override void MoveTo(Device device) => Network.to(device);

    /// <inheritdoc/>
    public override float[][] PredictScaled(IReadOnlyList<MoleculeInputs> inputs, int batchSize, Device device)
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
    protected override void Dispose(bool disposing)
    {
        if (disposing) Network.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Most tokens predicted from at once: larger batches take gigabytes and are no faster.</summary>
    private const int MostTokens = 1 << 14;

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    private ModalityEntry SaveTrained(Modality modality, ModalityEntry entry, string relative, string folder)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, ModelInputs.VocabularyFile), Inputs.Tokenizers[modality].Vocabulary.ToJson());
        return SaveEncoder(Network.Encoders[modality].Model, Network.Encoders[modality].Model.ConfigJson(), entry, relative, folder);
    }

    private static ModalityEntry SaveEncoder(nn.Module encoder, JsonObject config, ModalityEntry entry, string relative, string folder)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, ConfigFile), config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        Safetensors.Write(Path.Combine(folder, WeightsFile), encoder.state_dict(), Metadata);
        return entry with { Encoder = relative, Sha256 = ModelFiles.Sha256(Path.Combine(folder, WeightsFile)) };
    }

    private static ModalityEntry SaveTuned(TunedEncoder encoder, ModalityEntry entry, string relative, string folder)
    {
        return entry with { Tuned = TunedEntry.Of(encoder.Origin), Encoder = relative, Sha256 = encoder.Save(folder) };
    }

    private AdapterEntry SaveAdapter(string folder, BackboneSource? source)
    {
        string path = Path.Combine(folder, AdapterFolder);
        Directory.CreateDirectory(path);
        LowRankAdapters.Save(Network.Fusion.Llm, path, source?.Id ?? source?.Model);
        return new AdapterEntry(AdapterFolder, ModelFiles.Sha256(Path.Combine(path, LowRankAdapters.WeightsFile)), ModelFiles.Sha256(Path.Combine(path, LowRankAdapters.ConfigFile)));
    }

    private static void LoadAdapter(LanguageModel llm, string folder, AdapterEntry entry)
    {
        foreach ((string file, string sha256) in new[] { (LowRankAdapters.ConfigFile, entry.ConfigSha256), (LowRankAdapters.WeightsFile, entry.Sha256) })
            ModelFiles.RequireSame(Path.Combine(folder, file), sha256);
        LowRankAdapters.Load(llm, folder);
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
        ModelFiles.RequireSame(weights, sha256);
    }
}
