using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Embedding;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Transformers;
using LlmFusion.Transformers.Hub;

namespace LlmFusion.Training;

/// <summary>Makes what a run fuses and fuses with: pretrained encoders, vocabularies, scalers, the language model.</summary>
/// <param name="config">A checked configuration.</param>
/// <param name="initial">The trained model that the run begins from; null: it begins anew.</param>
/// <param name="hub">Where pretrained models come from; null: as Hugging Face's variables say.</param>
/// <param name="observe">Receives what happens.</param>
/// <param name="cancellation">Stops a download.</param>
internal sealed class RunEncoders(RunConfig config, InitialModel? initial, ModelHub? hub, Action<TrainingEvent> observe, CancellationToken cancellation)
{
    /// <summary>Finds the pretrained models, before any data is read: a wrong name fails at once.</summary>
    /// <returns>The encoders; none with random weights, which need a vocabulary first.</returns>
    public Dictionary<Modality, FrozenEncoder> OpenPretrained()
    {
        if (config.Backbone is { } name) Architectures.RequireLanguageModel(Element(ConfigOf(EncoderChoice.Parse(name))));
        return config.Init == InitKind.Random ? []
            : config.EncoderChoices().ToDictionary(c => c.Key, c => FrozenEncoder.Open(c.Value, Get(c.Value.Model, c.Value.Revision),
                c.Value.Train ? json => Element(WithDropout(JsonObject.Create(json)!)) : null));
    }

    /// <summary>The configuration with the commits that were found in the place of branches: a run is resumed, and repeated, with what it began with.</summary>
    public RunConfig Pinned()
    {
        if (config.Init == InitKind.Random) return config;
        string Pin(string text) => EncoderChoice.Parse(text) is var choice && Get(choice.Model, choice.Revision).Commit is { } commit ? (choice with { Revision = commit }).ToString() : text;
        return config with { Encoders = config.Encoders.ToDictionary(e => e.Key, e => Pin(e.Value)), Backbone = config.Backbone is { } name ? Pin(name) : null };
    }

    /// <summary>Everything that makes inputs of representations.</summary>
    /// <param name="representation">What was computed of each molecule.</param>
    /// <param name="train">The training split.</param>
    /// <param name="pretrained">The pretrained encoders.</param>
    public InputEncoder Inputs(RepresentationOptions representation, IReadOnlyList<Representations> train, Dictionary<Modality, FrozenEncoder> pretrained)
    {
        IReadOnlyDictionary<Modality, EncoderChoice> choices = config.EncoderChoices();
        Dictionary<Modality, FrozenEncoder> own = config.FreezeEncoders ? initial!.OwnEncodersFrozen(config.EncoderLearningRates.Keys) : [];
        if (config.Init == InitKind.Random)
            foreach ((Modality modality, EncoderChoice choice) in choices)
                pretrained[modality] = Random(modality, choice, train);
        Dictionary<Modality, InputTokenizer> tokenizers = representation.Modalities.Where(m => m.IsSequence && !choices.ContainsKey(m) && !own.ContainsKey(m))
            .Where(m => !Initial(i => i.Frozen).ContainsKey(m) && !Initial(i => i.Tuned).ContainsKey(m))
            .ToDictionary(m => m, m => Initial(i => i.Tokenizers).GetValueOrDefault(m) ?? InputTokenizer.Build(m, train, config.MaximumTokens));
        Dictionary<Modality, ColumnScaler> scalers = representation.Columns
            .ToDictionary(c => c.Key, c => Initial(i => i.Scalers).GetValueOrDefault(c.Key) ?? ColumnScaler.Fit([.. train.Where(r => r.Numbers.ContainsKey(c.Key)).Select(r => r.Numbers[c.Key])], c.Value.Count));
        return new InputEncoder(representation, tokenizers, pretrained.Where(e => !choices[e.Key].Train).Concat(Kept(i => i.Frozen)).Concat(Of(own)).ToDictionary(), scalers,
            representation.Vectors.ToDictionary(v => v.Key, v => v.Value.Components),
            pretrained.Where(e => choices[e.Key].Train).Select(e => KeyValuePair.Create(e.Key, new TunedEncoder(e.Value))).Concat(Kept(i => i.Tuned).Where(e => !own.ContainsKey(e.Key))).ToDictionary());

        IReadOnlyDictionary<Modality, T> Initial<T>(Func<InputEncoder, IReadOnlyDictionary<Modality, T>> of) => initial is null ? new Dictionary<Modality, T>() : of(initial.Inputs);
        IEnumerable<KeyValuePair<Modality, T>> Kept<T>(Func<InputEncoder, IReadOnlyDictionary<Modality, T>> of) => Of(Initial(of));
        IEnumerable<KeyValuePair<Modality, T>> Of<T>(IReadOnlyDictionary<Modality, T> all) => all.Where(e => representation.Modalities.Contains(e.Key));
    }

    /// <summary>config.json of each encoder that a model which the run begins from has, and that is to be trained along.</summary>
    public IReadOnlyDictionary<Modality, JsonObject> InitialEncoders(IEnumerable<Modality> modalities) => initial is null ? new Dictionary<Modality, JsonObject>()
        : modalities.Select(m => (Modality: m, Config: initial.EncoderConfig(m))).Where(e => e.Config is not null).ToDictionary(e => e.Modality, e => WithDropout(e.Config!));

    /// <summary>The language model that fuses, and where it comes from.</summary>
    public (LanguageModel Model, BackboneSource? Source) Backbone(int modalities)
    {
        int positions = config.GraphTokens == GraphTokens.Atoms ? modalities - 1 + config.MaximumTokens : modalities;
        if (initial is not null) return (Architectures.NewLanguageModel(Element(WithDropout(initial.BackboneConfig(positions)))), initial.BackboneSource);
        if (config.Backbone is not { } name)
        {
            SizePreset size = SizePreset.Named(config.Size);
            return (Architectures.NewLanguageModel(Element(config.Fusion switch
            {
                FusionKind.Llama => NewNetworks.Llama(size, positions, config.Dropout).ToJson(),
                FusionKind.Granite => NewNetworks.Granite(size, positions, config.Dropout).ToJson(),
                FusionKind.MeanMlp => NewNetworks.MeanMlp(size, config.Dropout),
                FusionKind.ConcatMlp => NewNetworks.MeanMlp(size, config.Dropout, modalities),
                _ => NewNetworks.Backbone(size, positions, config.Dropout),
            })), null);
        }

        EncoderChoice choice = EncoderChoice.Parse(name);
        if (config.Init == InitKind.Random)
            return (Architectures.NewLanguageModel(Element(WithDropout(ConfigOf(choice)))), null);
        ModelFolder folder = Get(choice.Model, choice.Revision);
        LanguageModel model = Architectures.LoadLanguageModel(folder.Path, json => Element(WithDropout(JsonObject.Create(json)!)));
        return (model, new BackboneSource(choice.Model, folder.Id, folder.Commit, CheckpointFiles.Sha256(folder.Path)));
    }

    private FrozenEncoder Random(Modality modality, EncoderChoice choice, IReadOnlyList<Representations> train)
    {
        JsonObject json = ConfigOf(choice);
        TransformerShape shape = Architectures.ShapeOf(Element(json));
        if (choice.MaximumTokens > shape.MaximumLength)
            throw new ArgumentException($"max-tokens of {choice.Model}: got {choice.MaximumTokens}, expected at most the {shape.MaximumLength} that the model can read");
        int longest = Math.Min(choice.MaximumTokens ?? ModelPresets.Find(choice.Model)?.MaximumTokens ?? int.MaxValue, shape.MaximumLength);
        InputTokenizer substitute = InputTokenizer.Build(modality, train, longest, limit: shape.VocabSize);
        observe(new Substituted($"{modality}: {choice.Model} has random weights and a substitute vocabulary of {substitute.Vocabulary.Count} tokens from the training split"));
        return FrozenEncoder.Random(choice, choice.Train ? WithDropout(json) : json, substitute);
    }

    /// <summary>The architecture: of a preset without its checkpoint, where the weights are random.</summary>
    private JsonObject ConfigOf(EncoderChoice choice) => (config.Init == InitKind.Random ? ModelPresets.Find(choice.Model)?.Config() : null)
        ?? JsonObject.Create(Architectures.ReadConfig(Get(choice.Model, choice.Revision).Path))!;

    private ModelFolder Get(string model, string? revision) => (hub ?? new ModelHub()).Get(ShippedModels.ResolveEncoder(model), revision, progress => observe(new ModelProgress(progress)), cancellation);

    /// <summary>The run's dropout, where the architecture has any: three in a GPT-2, that of attention alone in Llama and Granite.</summary>
    private JsonObject WithDropout(JsonObject json)
    {
        string[] keys = json["model_type"]?.ToString() switch
        {
            "gpt2" => ["resid_pdrop", "embd_pdrop", "attn_pdrop"],
            "roberta" => ["hidden_dropout_prob", "attention_probs_dropout_prob"],
            "bart" => ["dropout", "attention_dropout"],
            _ => ["attention_dropout"],
        };
        foreach (string key in keys) json[key] = config.Dropout;
        return json;
    }

    private static JsonElement Element(JsonObject json) => JsonSerializer.SerializeToElement(json);
}
