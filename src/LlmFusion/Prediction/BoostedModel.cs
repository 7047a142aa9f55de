using System.Text.Json;
using LlmFusion.Baselines;
using LlmFusion.Boosting;
using LlmFusion.Embedding;
using LlmFusion.Modalities;
using LlmFusion.Training;
using static TorchSharp.torch;

namespace LlmFusion.Prediction;

/// <summary>
/// A baseline: gradient-boosted trees on the embedding of one modality (the paper's UM) or on the concatenation of several (NC; P18), for each target
/// its own. Its folder holds <c>llmfusion.json</c>, <c>trees/</c> with XGBoost's JSON, and <c>encoders/</c> as a fusion model's.
/// </summary>
public sealed class BoostedModel : PredictiveModel
{
    /// <summary>What <see cref="BaselineEntry.Kind"/> says.</summary>
    public const string Kind = "xgboost";

    internal const string Trees = "trees";

    private readonly IReadOnlyList<Booster> _boosters;

    /// <param name="inputs">What the trees read; it becomes the model's.</param>
    /// <param name="scaler">Mean and deviation of the targets.</param>
    /// <param name="boosters">For each target its trees, which predict it in scaled units; they become the model's.</param>
    public BoostedModel(InputEncoder inputs, TargetScaler scaler, IReadOnlyList<Booster> boosters) : base(inputs, scaler) => _boosters = boosters;

    /// <summary>Loads a model folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="sources">Where frozen encoders and vectors are found; null: the model hub's cache, and no vectors.</param>
    /// <exception cref="ModelFolderException">The folder is damaged, incomplete, foreign, or no baseline's.</exception>
    public static new BoostedModel Load(string folder, ModelSources? sources = null)
    {
        ModelManifest manifest = ReadManifest(folder);
        List<Booster> boosters = [];
        BoostedModel? model = null;
        try
        {
            BaselineEntry entry = manifest.Baseline ?? throw new InvalidDataException("is no baseline");
            if (entry.Kind != Kind) throw new InvalidDataException($"baseline: got {entry.Kind}, expected {Kind}");
            if (entry.Targets.Count != manifest.Targets.Count) throw new InvalidDataException($"baseline: got trees for {entry.Targets.Count} targets, expected {manifest.Targets.Count}");
            foreach (ModalityEntry modality in manifest.Modalities)
                if (modality.Modality() is var kind && (kind == Modality.Graph || (kind.IsSequence && modality.Frozen is null))) throw new InvalidDataException($"modality {kind}: has no frozen encoder, without which a baseline cannot read it");
            sources ??= new ModelSources();
            sources.RequireKnown(manifest);
            TargetScaler scaler = new([.. manifest.Targets.Select(t => t.Mean)], [.. manifest.Targets.Select(t => t.Deviation)], [.. manifest.Targets.Select(t => t.Scaling)]);
            model = new BoostedModel(ModelInputs.Open(folder, manifest, sources), scaler, boosters) { Manifest = manifest, Domains = LoadDomains(folder, manifest.Release) };
            foreach (BoostedTarget target in entry.Targets)
            {
                string file = ModelFiles.Inside(folder, target.File);
                ModelFiles.RequireSame(file, target.Sha256);
                byte[] bytes = File.ReadAllBytes(file);
                TreeFile.Check(bytes, file, FeatureRows.WidthOf(model.Inputs));
                boosters.Add(Booster.Load(bytes));
            }

            return model;
        }
        catch (Exception e) when (e is BoostingException or InvalidDataException or ArgumentException or JsonException or IOException or UnauthorizedAccessException)
        {
            model?.Dispose();
            throw new ModelFolderException(folder, e.Message, e);
        }
    }

    /// <summary>Writes trees, encoders and last the manifest, each atomically.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="trials">For each target the trial whose settings its trees have.</param>
    /// <param name="complete">Makes the manifest from modality entries, the baseline's entry, and a hash of all trees.</param>
    public ModelManifest Save(string folder, IReadOnlyList<Trial> trials, Func<IReadOnlyList<ModalityEntry>, BaselineEntry, string, ModelManifest> complete)
    {
        ModalityEntry[] entries = [.. Inputs.Representation.Modalities.Select(modality => ModelInputs.Save(Inputs, modality, folder) ?? throw new InvalidOperationException($"{modality} has no embedding"))];
        Directory.CreateDirectory(Path.Combine(folder, Trees));
        List<BoostedTarget> trees = [];
        foreach ((int t, Trial trial) in trials.Index())
        {
            string file = $"{Trees}/{t}.json", path = Path.Combine(folder, file), part = path + ".part";
            File.WriteAllBytes(part, _boosters[t].Save(json: true));
            File.Move(part, path, overwrite: true);
            trees.Add(new BoostedTarget(file, ModelFiles.Sha256(path), _boosters[t].RoundsUsed, trial.Settings, trial.Number));
        }

        string all = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(string.Concat(trees.Select(t => t.Sha256)))));
        ModelManifest manifest = complete(entries, new BaselineEntry(Kind, Booster.LibraryVersion, trees), all);
        manifest = manifest with { FormatVersion = manifest.FormatNeeded() };
        AtomicFile.Write(Path.Combine(folder, ManifestFile), JsonSerializer.Serialize(manifest, ModelManifest.Json));
        return manifest;
    }

    /// <inheritdoc/>
    public override void MoveTo(Device device)
    {
        // Trees are the CPU's.
    }

    /// <inheritdoc/>
    public override float[][] PredictScaled(IReadOnlyList<MoleculeInputs> inputs, int batchSize, Device device)
    {
        if (inputs.Count == 0) return [];
        using FeatureMatrix rows = FeatureRows.Of(inputs, Inputs);
        float[][] byTarget = [.. _boosters.Select(booster => booster.Predict(rows))];
        return [.. Enumerable.Range(0, inputs.Count).Select(n => byTarget.Select(values => values[n]).ToArray())];
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            foreach (Booster booster in _boosters) booster.Dispose();
        base.Dispose(disposing);
    }
}
