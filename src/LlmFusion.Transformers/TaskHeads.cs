namespace LlmFusion.Transformers;

/// <summary>What fine-tuning puts on top of an encoder: it is no part of the encoder, and left out where one is loaded.</summary>
internal static class TaskHeads
{
    private static readonly string[] names =
        ["classifier.", "classification_head.", "qa_outputs.", "score.", "multiple_choice_head.", "regression.", "norm_mean", "norm_std"];

    /// <summary>Whether a tensor of a checkpoint, named without the base model's prefix, belongs to such a head.</summary>
    public static bool Contain(string key) => names.Any(name => key.StartsWith(name, StringComparison.Ordinal));
}
