namespace LlmFusion.Transformers.Tests;

/// <summary>The folder Golden/: tiny checkpoints, each with inputs and what Hugging Face's transformers made of them.</summary>
internal static class GoldenFolder
{
    public static string Of(string name) => Path.Combine(AppContext.BaseDirectory, "Golden", name);
}
