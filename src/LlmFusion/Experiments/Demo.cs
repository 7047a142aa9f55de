using LlmFusion.DataSets;
using LlmFusion.Prediction;
using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>A test molecule of the demo, with what is true and what was predicted, in the order of the targets.</summary>
/// <param name="Smiles">The molecule.</param>
/// <param name="Truth">RDKit's values.</param>
/// <param name="Predicted">The model's.</param>
public sealed record DemoPrediction(string Smiles, IReadOnlyList<float> Truth, IReadOnlyList<float> Predicted);

/// <summary>What the demo shows.</summary>
/// <param name="Training">The run, with its metrics beside the constant predictor and ridge regression.</param>
/// <param name="Predictions">The first test molecules.</param>
public sealed record DemoResult(TrainingSummary Training, IReadOnlyList<DemoPrediction> Predictions);

/// <summary>The whole story offline: made-up molecules, four modalities, baselines, a fusion model, plots and predictions.</summary>
public static class Demo
{
    private const int Shown = 5;

    /// <summary>The demo's run: the smallest size on the built-in molecules, all four modalities.</summary>
    public static RunConfig Config { get; } = new()
    {
        Data = DemoDataSet.Name,
        Modalities = ["smiles", "selfies", "text", "fingerprint"],
        Size = "tiny",
        Epochs = 20,
        BatchSize = 32,
        LearningRate = 2e-3,
        WarmupSteps = 50,
        Schedule = ScheduleKind.Cosine,
        Dropout = 0,
        RidgeBaseline = true,
    };

    /// <summary>Runs the demo.</summary>
    /// <param name="output">Model folder; an earlier demo in it is replaced, anything else is refused.</param>
    /// <param name="observe">Receives what happens.</param>
    /// <param name="cancellation">Stops after the step under way.</param>
    public static DemoResult Run(string output, Action<TrainingEvent> observe, CancellationToken cancellation)
    {
        RemoveEarlier(output);
        TrainingSummary summary = TrainingRun.Run(Config, output, resume: false, observe, cancellation);
        using TrainedModel model = TrainedModel.Load(output);
        DataRow[] rows = [.. Catalog.Open(DemoDataSet.Name).Test.Take(Shown)];
        // Five molecules take no time: a run that was stopped shows them too.
        return new DemoResult(summary, [.. new Predictor(model).Predict(rows, CancellationToken.None).Select(p => new DemoPrediction(p.Row.Smiles, p.Row.Sample!.Targets, p.Values!))]);
    }

    private static void RemoveEarlier(string output)
    {
        string config = Path.Combine(output, TrainingRun.ConfigFile);
        if (!Directory.Exists(output) || !Directory.EnumerateFileSystemEntries(output).Any()) return;
        if (!File.Exists(config) || RunConfig.Load(config).Data != DemoDataSet.Name)
            throw new InvalidDataException($"{output}: holds something else than an earlier demo; give another folder with -o");
        Directory.Delete(output, recursive: true);
    }
}
