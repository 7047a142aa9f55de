using System.CommandLine;

namespace LlmFusion.Cli.Commands;

/// <summary><c>models</c>: pretrained models.</summary>
internal static class ModelsCommand
{
    public static Command Create() => new("models", "Look after pretrained models")
    {
        ModelsVerifyCommand.Create(),
    };
}
