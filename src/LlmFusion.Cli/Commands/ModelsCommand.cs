using System.CommandLine;

namespace LlmFusion.Cli.Commands;

/// <summary><c>models</c>: pretrained models and their files.</summary>
internal static class ModelsCommand
{
    public static Command Create() => new("models", "Pretrained models: their tokenizers") { ModelsTokenizeCommand.Create() };
}
