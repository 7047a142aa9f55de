namespace LlmFusion.Prediction;

/// <summary>A model folder is damaged, incomplete, foreign or written by a newer program; the message names the file and the reason.</summary>
public sealed class ModelFolderException(string path, string reason, Exception? inner = null) : Exception($"{path}: {reason}", inner);
