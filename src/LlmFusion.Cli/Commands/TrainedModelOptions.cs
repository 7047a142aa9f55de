using System.CommandLine;
using System.Globalization;
using LlmFusion.Cli.Rendering;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Prediction;

namespace LlmFusion.Cli.Commands;

/// <summary>The options by which a command finds a trained model and what the model needs.</summary>
internal sealed class TrainedModelOptions
{
    private readonly Option<string[]> model = new("--model", "-m") { Description = $"Model folder, or the name of a model that came with the program; repeated: the mean of several [default: {ShippedModels.Default}]", HelpName = "NAME|DIR" };
    private readonly Option<string?> modalities = new("--modalities") { Description = "Give the model these of its modalities alone, separated by commas (else all)", HelpName = "NAMES" };
    private readonly Option<string> device = new("--device") { Description = "auto, cpu or cuda", DefaultValueFactory = _ => "auto" };
    private readonly Option<string[]> vectors = OptionValues.Pairs("--modality", "File of a modality made of vectors, as in img=vectors:FILE; without it the modality is missing", "NAME=vectors:FILE");
    private readonly Option<string[]> encoders = OptionValues.Pairs("--encoder", "Local folder of a frozen encoder (else from the model hub and its cache)", "NAME=FOLDER");
    private readonly Option<bool> noStore = new("--no-store") { Description = "Neither use nor keep stored embeddings of frozen encoders" };

    /// <summary>Gives a command these options.</summary>
    public TrainedModelOptions(Command command)
    {
        foreach (Option option in new Option[] { model, modalities, device, vectors, encoders, noStore }) command.Options.Add(option);
    }

    /// <summary>The model folders, at least one.</summary>
    public IReadOnlyList<string> Folders(ParseResult parse) => parse.GetValue(model) is { Length: > 0 } named ? [.. named.Select(ShippedModels.Resolve)] : [ShippedModels.Resolve(null)];

    /// <summary>Loads the models, and says which of their modalities will be missing.</summary>
    /// <param name="parse">The command line.</param>
    /// <param name="screen">Takes the notes.</param>
    /// <param name="columns">Columns of the file to predict; null where there is none.</param>
    /// <param name="stop">Stops a download.</param>
    /// <param name="store">Whether stored embeddings may be used at all.</param>
    public OpenModel Open(ParseResult parse, Screen screen, IReadOnlyList<string>? columns, CancellationToken stop, bool store = true)
    {
        TrainedModel.Prepare();
        using DownloadView view = new(screen);
        Dictionary<string, string> files = OptionValues.ParsePairs("--modality", parse.GetValue(vectors));
        ModelSources sources = new()
        {
            Progress = view.Show,
            Cancellation = stop,
            Encoders = OptionValues.ParsePairs("--encoder", parse.GetValue(encoders)),
            Vectors = files.ToDictionary(f => f.Key, f => f.Value.StartsWith("vectors:", StringComparison.Ordinal) ? f.Value["vectors:".Length..]
                : throw new UsageException($"--modality {f.Key}: got {f.Value}, expected vectors:FILE")),
        };
        List<PredictiveModel> models = [];
        EmbeddingStore? stored = null;
        try
        {
            foreach (string folder in Folders(parse)) models.Add(PredictiveModel.Load(folder, sources));
            NoteMissing(models[0], columns, screen);
            stored = !store || parse.GetValue(noStore) || models.All(m => m.Inputs.Frozen.Count == 0) ? null : EmbeddingStore.Open();
            return new OpenModel(models, new Predictor(models, parse.GetValue(device)!, store: stored, modalities: Chosen(parse, models[0])), stored);
        }
        catch
        {
            foreach (PredictiveModel loaded in models) loaded.Dispose();
            stored?.Dispose();
            throw;
        }
    }

    private static void NoteMissing(PredictiveModel trained, IReadOnlyList<string>? columns, Screen screen)
    {
        foreach (Modality modality in trained.Inputs.Components.Keys.Where(m => !trained.Inputs.Representation.Vectors.ContainsKey(m)))
            screen.Note($"no --modality {modality}=vectors:FILE given: {modality} is missing for every molecule");
        foreach ((Modality modality, IReadOnlyList<string> needed) in trained.Inputs.Representation.Columns)
            if (needed.Where(c => columns?.Contains(c) != true).ToArray() is { Length: > 0 } absent)
                screen.Note($"there is no column {string.Join(", ", absent)}: {modality} is missing for every molecule");
    }

    private IReadOnlyList<Modality>? Chosen(ParseResult parse, PredictiveModel trained)
    {
        if (OptionValues.List(parse.GetValue(modalities)) is not { } names) return null;
        IReadOnlyList<Modality> known = trained.Inputs.Representation.Modalities;
        return [.. names.Select(name => known.FirstOrDefault(m => m.Name.Equals(name, StringComparison.OrdinalIgnoreCase) || m.Abbreviation.Equals(name, StringComparison.OrdinalIgnoreCase))
            ?? throw new UsageException($"--modalities: got {name}, expected some of {string.Join(", ", known)}"))];
    }
}

/// <summary>Loaded models, ready to predict together.</summary>
internal sealed record OpenModel(IReadOnlyList<PredictiveModel> Models, Predictor Predictor, EmbeddingStore? Store) : IDisposable
{
    /// <summary>Says what was cut off of sequences longer than their encoders read.</summary>
    public void NoteTruncation(Screen screen)
    {
        foreach ((Modality modality, Truncation cut) in Models.SelectMany(m => m.Inputs.Truncated).GroupBy(t => t.Key, (_, cuts) => cuts.MaxBy(t => t.Value.Tokens)))
            screen.Note(string.Create(CultureInfo.InvariantCulture, $"{cut.Molecules:N0} {modality} sequences are longer than the encoder reads: {cut.Tokens:N0} tokens were cut off"));
    }

    public void Dispose()
    {
        foreach (PredictiveModel model in Models) model.Dispose();
        Store?.Dispose();
    }
}
