namespace LlmFusion.Chemistry;

/// <summary>RDKit gave up on a computation for a valid molecule. The message is what was asked and RDKit's own reason.</summary>
public sealed class RdkitException(string message) : Exception(message);
