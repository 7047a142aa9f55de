namespace LlmFusion.Transformers.Hub;

/// <summary>A folder with a model's config.json, weights and tokenizer files.</summary>
/// <param name="Path">The full path.</param>
/// <param name="Id">The repository id on the hub; null for a folder that the user named.</param>
/// <param name="Commit">The commit that the files are of; null for a folder that the user named.</param>
public sealed record ModelFolder(string Path, string? Id, string? Commit);
