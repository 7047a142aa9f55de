using LlmFusion.Cli;

try
{
    OtherLibtorch.StartAnew(args);
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return ExitCode.Failed;
}

return await Application.RunAsync(args, Console.Out, Console.Error);
