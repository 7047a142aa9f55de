namespace LlmFusion.Cli;

/// <summary>Options that each are right but do not go together: the program ends with <see cref="ExitCode.WrongUse"/>.</summary>
internal sealed class UsageException(string message) : Exception(message);
