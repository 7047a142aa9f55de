using LlmFusion.Training;

namespace LlmFusion.Prediction;

/// <summary>The report.html of a model folder.</summary>
public static class RunReport
{
    /// <summary>HTML.</summary>
    public static string Of(ModelManifest manifest, RunConfig config, TrainingState state, StopReason reason, string folder) => "";
}
