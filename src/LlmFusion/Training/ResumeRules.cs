using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmFusion.Training;

/// <summary>What may differ between a checkpoint's run and the one that goes on with it.</summary>
public static class ResumeRules
{
    // Where files lie is free, as the hash of their content is compared.
    private static readonly HashSet<string> Free =
        ["data", "init_model", "file", "train_file", "valid_file", "test_file", "units", "epochs", "early_stopping", "minutes", "checkpoint_minutes", "keep_checkpoints", "device", "evaluate_test", "ridge_baseline", "store"];

    // The network and its optimiser's state fit all the same, though the result is no longer that of one run.
    private static readonly HashSet<string> Acceptable =
        ["learning_rate", "weight_decay", "clip_norm", "dropout", "schedule", "warmup_steps", "one_cycle_rise", "plateau_factor", "plateau_patience", "loss", "target_losses", "epochs"];

    /// <summary>A configuration as it is kept in a checkpoint.</summary>
    public static JsonObject ToJson(RunConfig config) => JsonSerializer.SerializeToNode(config, RunConfig.Json)!.AsObject();

    /// <summary>Fails where the run would not be the one that was begun.</summary>
    /// <param name="began">The checkpoint's configuration.</param>
    /// <param name="config">The one to go on with.</param>
    /// <param name="acceptChanges">Let settings of the optimisation differ.</param>
    /// <returns>The differences that were accepted, in words.</returns>
    /// <exception cref="InvalidDataException">Settings differ; each is named with both values.</exception>
    public static IReadOnlyList<string> Check(JsonObject began, RunConfig config, bool acceptChanges)
    {
        JsonObject now = ToJson(config), byDefault = ToJson(new RunConfig());
        // The end of cosine and cycle depends on the number of epochs.
        bool isFree(string key) => Free.Contains(key) && !(key == "epochs" && config.Schedule != ScheduleKind.Plateau);
        (string Key, string Before, string Now)[] changed =
        [
            .. now.Select(n => (n.Key, Before: Text(began.ContainsKey(n.Key) ? began[n.Key] : byDefault[n.Key]), Now: Text(n.Value)))
                .Where(c => c.Before != c.Now && !isFree(c.Key)),
        ];
        string[] refused = [.. changed.Where(c => !acceptChanges || !Acceptable.Contains(c.Key)).Select(c => $"{c.Key}: got {c.Now}, the run was begun with {c.Before}")];
        if (refused.Length == 0) return [.. changed.Select(c => $"{c.Key} is {c.Now} from here on (before: {c.Before})")];
        bool canAccept = changed.All(c => Acceptable.Contains(c.Key));
        throw new InvalidDataException($"the checkpoint belongs to another configuration: {string.Join("; ", refused)}. Leave the option out"
            + (canAccept ? ", or go on with it all the same by --accept-changes" : ", or begin a new run in another folder"));
    }

    private static string Text(JsonNode? value) => value?.ToJsonString() ?? "nothing";
}
