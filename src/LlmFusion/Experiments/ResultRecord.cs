using System.Text.Json;
using System.Text.Json.Nodes;
using LlmFusion.Diagnostics;
using LlmFusion.Evaluation;
using LlmFusion.Prediction;
using LlmFusion.Training;

namespace LlmFusion.Experiments;

/// <summary>A result that is to last: metrics with all that a repeat needs, written by the program that measured them.</summary>
public static class ResultRecord
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Writes the record of a measurement as JSON.</summary>
    /// <param name="path">The file; replaced atomically.</param>
    /// <param name="evaluation">What was measured.</param>
    /// <param name="modelFolders">Folders of the models that predicted together, for their manifests and configurations.</param>
    public static void Write(string path, DataSetEvaluation evaluation, IReadOnlyList<string> modelFolders)
    {
        DoctorReport machine = Doctor.Examine();
        JsonObject record = new()
        {
            ["command"] = string.Join(' ', Environment.GetCommandLineArgs().Skip(1).Prepend("./llmfusion")),
            ["data"] = evaluation.Data,
            ["split"] = evaluation.Split,
            ["split_sha256"] = evaluation.SplitSha256,
            ["metrics"] = JsonNode.Parse(evaluation.All.ToJson()),
            ["metrics_without_stereo_twins"] = JsonNode.Parse(evaluation.WithoutStereoTwins.ToJson()),
            [modelFolders.Count == 1 ? "model" : "models"] = modelFolders.Count == 1 ? Model(modelFolders[0]) : new JsonArray([.. modelFolders.Select(Model)]),
            ["versions"] = new JsonObject(machine.Parts.Where(p => p.Version is not null).Select(p => KeyValuePair.Create(p.Name, (JsonNode?)p.Version))),
            ["machine"] = new JsonObject
            {
                ["system"] = machine.Machine.System,
                ["processor"] = machine.Machine.Processor,
                ["cores"] = machine.Machine.Cores,
                ["threads"] = machine.Machine.Threads,
            },
        };
        AtomicFile.Write(path, record.ToJsonString(Json));
    }

    private static JsonObject Model(string folder)
    {
        ModelManifest manifest = PredictiveModel.ReadManifest(folder);
        return new JsonObject
        {
            ["weights_sha256"] = manifest.WeightsSha256,
            ["trained_with"] = manifest.ProgramVersion,
            ["trained_on"] = JsonSerializer.SerializeToNode(manifest.Data, Json),
            ["training"] = JsonSerializer.SerializeToNode(manifest.Training, Json),
            ["metrics_in_model_folder"] = JsonNode.Parse(manifest.Metrics.ToJson()),
            ["configuration"] = JsonSerializer.SerializeToNode(RunConfig.Load(Path.Combine(folder, TrainingRun.ConfigFile)), RunConfig.Json),
        };
    }
}
