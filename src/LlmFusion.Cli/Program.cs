using LlmFusion.Cli;

return await Application.RunAsync(args, Console.Out, Console.Error);
