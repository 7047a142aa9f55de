using System.Text.Json.Nodes;
using LlmFusion.DataSets;
using LlmFusion.Embedding;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>
/// A trained model that a run begins from: its architecture, its vocabularies, its weights. The run may fuse fewer modalities or
/// more, and learn other targets; what the model does not have is new.
/// </summary>
internal sealed class InitialModel : IDisposable
{
    private const string Network = "fusion.", Positions = Network + FusionModel.PositionsName, LlmPositions = Network + "llm.wpe.weight",
        HeadWeight = Network + "head.weight", HeadBias = Network + "head.bias", AtomHead = Network + "atom_head.down.weight";

    // What a model decides for whoever goes on with it.
    private static readonly string[] Architecture = ["smiles_form", "size", "backbone", "positions", "modality_encoding", "maximum_tokens"],
        OfFingerprint = ["fingerprint"], OfGraph = ["graph_tokens", "graph_width", "graph_layers"];

    private readonly TrainedModel _model;
    private readonly string _folder;

    private InitialModel(string folder, TrainedModel model)
    {
        Entry = new InitialEntry(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), model.Manifest!.WeightsSha256);
        _model = model;
        _folder = folder;
        if (model.Network.Fusion.Llm.Adapters is not null) LowRankAdapters.Merge(model.Network.Fusion.Llm);
    }

    /// <summary>What the manifest says of it.</summary>
    public InitialEntry Entry { get; }

    /// <summary>What it reads with.</summary>
    public InputEncoder Inputs => _model.Inputs;

    /// <summary>The pretrained model that its language model began as; null for a new one.</summary>
    public BackboneSource? BackboneSource => _model.Manifest!.BackboneSource;

    /// <summary>Opens a trained model.</summary>
    /// <param name="model">Its folder, or the name of one that ships with the program.</param>
    /// <param name="hub">Where its frozen encoders come from; null: as Hugging Face's variables say.</param>
    /// <exception cref="ModelFolderException">The folder is damaged, incomplete, foreign or of a newer format.</exception>
    public static InitialModel Open(string model, ModelHub? hub)
    {
        string folder = ShippedModels.Resolve(model);
        return new(folder, TrainedModel.Load(folder, new ModelSources { Hub = hub }));
    }

    /// <summary>The configuration of a run that begins here: the architecture is the model's, and so are the modalities where none are named.</summary>
    /// <exception cref="ArgumentException">A setting of the architecture is neither the default nor the model's.</exception>
    public RunConfig Configure(RunConfig config)
    {
        ModelManifest manifest = _model.Manifest!;
        Dictionary<string, string> columns = manifest.Modalities.Where(m => m.Columns is not null).ToDictionary(m => m.Name, m => $"columns:{string.Join(',', m.Columns!.Select(c => c.Name))}");
        List<string> modalities = config.Modalities ?? [.. manifest.Modalities.Select(m => m.Name)];
        RunConfig own = config with
        {
            Modalities = modalities,
            Inputs = columns.Where(c => modalities.Contains(c.Key)).Concat(config.Inputs.Where(i => !columns.ContainsKey(i.Key))).ToDictionary(),
            SmilesForm = manifest.SmilesForm,
            Size = SizePreset.All.FirstOrDefault(p => p.Width == _model.Network.Fusion.Llm.Width)?.Name ?? config.Size,
            Backbone = null,
            Positions = manifest.Positions,
            ModalityEncoding = manifest.ModalityEncoding,
            MaximumTokens = manifest.MaximumTokens,
        };
        foreach (string name in manifest.Modalities.Where(m => m.Vectors is not null).Select(m => m.Name).Where(modalities.Contains).Where(name => !own.Inputs.ContainsKey(name)))
            throw new ArgumentException($"modality {name}: {Entry.Name} reads vectors from a file, got none; expected --modality {name}=vectors:FILE, or --modalities without it");
        foreach ((string name, string source) in config.Inputs.Where(i => columns.ContainsKey(i.Key) && i.Value.Replace(" ", "", StringComparison.Ordinal) != columns[i.Key]))
            throw new ArgumentException($"modality {name}: got {source}, but {Entry.Name}, from which the run begins, reads {columns[name]}; expected the same, or nothing");
        IReadOnlyList<Modality> stack = own.StackOrder();
        foreach (string name in config.Encoders.Keys.Where(name => Has(Modality.Parse(name))))
            throw new ArgumentException($"encoder of {name}: got {config.Encoders[name]}, but {Entry.Name} has one, which the run begins from; expected encoders of new modalities alone");
        foreach (string name in config.EncoderLearningRates.Keys.Where(name => Inputs.Frozen.Keys.Any(m => m.Name == name)))
            throw new ArgumentException($"encoder_learning_rates: got {name}, whose encoder in {Entry.Name} is frozen; expected one that is trained along");

        if (config.FreezeEncoders && !stack.Any(m => m.IsSequence && Has(m) && !Inputs.Frozen.ContainsKey(m) && !config.EncoderLearningRates.ContainsKey(m.Name)))
            throw new ArgumentException($"freeze_encoders: of {string.Join(", ", stack)}, {Entry.Name} has no encoder that was trained along, of smiles, selfies or text, and is not named in encoder_learning_rates; expected one, or no freeze_encoders");

        IEnumerable<string> decided = Architecture;
        if (Has(Modality.Fingerprint) && stack.Contains(Modality.Fingerprint))
        {
            own = own with { Fingerprint = Inputs.Representation.Fingerprint };
            decided = decided.Concat(OfFingerprint);
        }

        if (_model.Network.Graph is { Config: var graph } && stack.Contains(Modality.Graph))
        {
            own = own with { GraphTokens = manifest.GraphTokens, AtomContributions = [.. config.AtomContributions.Union(manifest.AtomContributions.Intersect(config.Targets.Count > 0 ? config.Targets : config.DefaultTargets()))], GraphWidth = graph.Width, GraphLayers = graph.Layers };
            decided = decided.Concat(OfGraph);
        }

        if (_model.Network.Fusion.Llm is MeanMlp { Config.Concatenated: > 0 } && !stack.SequenceEqual(Inputs.Representation.Modalities))
            throw new ArgumentException($"modalities: got {string.Join(", ", stack)}, but {Entry.Name}, from which the run begins, concatenates {string.Join(", ", Inputs.Representation.Modalities)}; expected the same");
        JsonObject asked = ResumeRules.ToJson(config), has = ResumeRules.ToJson(own), byDefault = ResumeRules.ToJson(new RunConfig());
        foreach (string key in decided)
            if (!JsonNode.DeepEquals(asked[key], byDefault[key]) && !JsonNode.DeepEquals(asked[key], has[key]))
                throw new ArgumentException($"{key}: got {asked[key]?.ToJsonString()}, but the run begins from {Entry.Name}, where it is {has[key]?.ToJsonString() ?? "its own"}; expected it to be left out");
        return own;
    }

    /// <summary>The encoders of sequences that were trained along with the model, as frozen ones that go on being its own.</summary>
    /// <param name="trained">Names of modalities whose encoders are trained on.</param>
    public Dictionary<Modality, FrozenEncoder> OwnEncodersFrozen(ICollection<string> trained) => _model.Manifest!.Modalities.Where(entry => entry.Modality().IsSequence && entry.Frozen is null && !trained.Contains(entry.Name))
        .ToDictionary(entry => entry.Modality(), entry =>
        {
            (Modality modality, string folder, TunedEntry? tuned) = (entry.Modality(), ModelFiles.Inside(_folder, entry.Encoder), entry.Tuned);
            return FrozenEncoder.OpenSaved(tuned?.Model ?? entry.Name, folder, modality, tuned?.Pooling ?? NewNetworks.Pooling(modality), tuned?.MaximumTokens ?? _model.Manifest!.MaximumTokens, tuned?.SubstituteVocabulary ?? true, own: true);
        });

    /// <summary>config.json of a new encoder that the model's weights fit; null where the model has no such one.</summary>
    public JsonObject? EncoderConfig(Modality modality) => Inputs.Tokenizers.ContainsKey(modality) ? _model.Network.Encoders[modality].Model.ConfigJson() : null;

    /// <summary>config.json of the language model, with room for so many positions.</summary>
    public JsonObject BackboneConfig(int positions)
    {
        JsonObject json = _model.Network.Fusion.Llm.ConfigJson();
        foreach (string key in new[] { "n_positions", "max_position_embeddings" })
            if (json[key] is { } places) json[key] = Math.Max(places.GetValue<int>(), positions);
        return json;
    }

    /// <summary>
    /// Gives a network of <see cref="Configure"/>'s architecture the weights of this one: tensors by their names, positions by their
    /// modality, the head by target, so that the predictions of a target of the same name, unit and kind of scaling stay what they were in its unit.
    /// </summary>
    /// <param name="model">The new model, on the CPU.</param>
    /// <param name="targets">Its targets.</param>
    /// <param name="units">Their units, empty where unknown.</param>
    /// <param name="newEncoders">Modalities whose encoder keeps its fresh weights.</param>
    /// <returns>What was taken and what is new, in words.</returns>
    public string Give(TrainedModel model, IReadOnlyList<string> targets, IReadOnlyList<string> units, IReadOnlyList<string> newEncoders)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> from = _model.Network.state_dict();
        IReadOnlyList<Modality> before = Inputs.Representation.Modalities, now = model.Inputs.Representation.Modalities;
        string[] anew = [.. newEncoders.SelectMany(m => PropertyModel.EncoderNames(Modality.Parse(m)))];
        foreach ((string name, Tensor tensor) in model.Network.state_dict())
        {
            if (name is HeadWeight or HeadBias or AtomHead || !from.TryGetValue(name, out Tensor? value) || anew.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal))) continue;
            if (name == Positions && model.Network.Fusion.Config.Encoding == ModalityEncoding.Sinusoidal) continue; // a fixed table, by place
            if (name == Positions) GiveRows(tensor, value, [.. now.Select(m => IndexOf(before, m))]);
            else if (name == LlmPositions) GiveRows(tensor, value, Places(_model.Network.Fusion.Config, model.Network.Fusion.Config, (int)tensor.shape[0]));
            else tensor.copy_(value);
        }

        string[] same = [.. targets.Where((target, t) => GiveHead(model, from, target, t, units[t]))];
        return $"the run begins from {Entry.Name}: weights of {List([.. now.Where(Has).Select(m => m.Name).Except(newEncoders)])} and of the language model are its own, and the outputs of {List(same)}; "
            + $"new are modalities: {List([.. now.Where(m => !Has(m)).Select(m => m.Name)])}, {(newEncoders.Count > 0 ? $"encoders: {List([.. newEncoders])}, " : "")}targets: {List([.. targets.Except(same)])}";

        static string List(string[] names) => names.Length > 0 ? string.Join(", ", names) : "none";
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private bool Has(Modality modality) => Inputs.Representation.Modalities.Contains(modality);

    /// <summary>The language model's place of each token, as one of the model's; -1 for a new modality's, and where the model has none.</summary>
    private static int[] Places(FusionConfig before, FusionConfig now, int count)
    {
        Modality[] tokensBefore = Tokens(before), tokens = Tokens(now);
        // Behind the modalities stand the atoms of a graph.
        return [.. Enumerable.Range(0, count).Select(i => i < tokens.Length ? IndexOf(tokensBefore, tokens[i]) : i - tokens.Length + tokensBefore.Length)];

        static Modality[] Tokens(FusionConfig config) => [.. config.Modalities.Where(m => m != Modality.Graph || config.GraphTokens == GraphTokens.Pooled)];
    }

    private static void GiveRows(Tensor table, Tensor from, int[] rows)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            if (rows[i] >= 0 && rows[i] < from.shape[0]) table[i].copy_(from[rows[i]]);
        }
    }

    /// <summary>
    /// One row of the head, for the new scaling: with y = (W x + b) s + m before, it is W s / s', (b s + m - m') / s' now.
    /// </summary>
    /// <returns>Whether the model has the target, in the same unit and kind of scaling, and as a sum over atoms where it is one now.</returns>
    private bool GiveHead(TrainedModel model, Dictionary<string, Tensor> from, string target, int row, string unit)
    {
        IReadOnlyList<TargetEntry> entries = _model.Manifest!.Targets;
        int place = entries.ToList().FindIndex(e => e.Name == target);
        TargetScaler scaler = model.Scaler;
        if (place < 0 || (unit.Length > 0 && entries[place].Unit.Length > 0 && unit != entries[place].Unit)) return false;
        if (entries[place].Scaling == ScalingKind.Log != (scaler.Kinds[row] == ScalingKind.Log)) return false;
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> to = model.Network.state_dict();
        double factor = entries[place].Deviation / scaler.Deviations[row];
        to[HeadWeight][row].copy_(from[HeadWeight][place] * factor);
        // Without the graph there is no atom to contribute anything.
        int given = _model.Manifest.AtomContributions.ToList().IndexOf(target), own = model.Network.Fusion.Config.AtomTargets.ToList().IndexOf(row);
        if (given >= 0 && own >= 0) to[AtomHead][own].copy_(from[AtomHead][given] * factor);
        to[HeadBias][row].copy_(from[HeadBias][place] * factor + (entries[place].Mean - scaler.Means[row]) / scaler.Deviations[row]);
        return given >= 0 || own < 0; // a sum over atoms that was none before is new
    }

    private static int IndexOf(IReadOnlyList<Modality> modalities, Modality modality) => modalities.ToList().IndexOf(modality);
}
