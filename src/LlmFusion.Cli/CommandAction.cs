using System.CommandLine;
using LlmFusion.Cli.Rendering;
using LlmFusion.Transformers;

namespace LlmFusion.Cli;

/// <summary>How a command is given its work.</summary>
internal static class CommandAction
{
    /// <summary>
    /// Lets the command do <paramref name="run"/>, which reads its options, calls one library method, renders, and
    /// returns an <see cref="ExitCode"/>. The token is cancelled by Ctrl-C; what it throws, <see cref="Application"/> reports.
    /// </summary>
    /// <param name="command">The command.</param>
    /// <param name="run">Its work.</param>
    /// <param name="withLibtorch">Whether it needs the libtorch that the user chose; what stands against it is then told before anything else.</param>
    public static void SetRun(this Command command, Func<ParseResult, Screen, CancellationToken, int> run, bool withLibtorch = true) =>
        command.SetAction((parse, stop) =>
        {
            if (withLibtorch) Libtorch.Use();
            var screen = new Screen(parse.InvocationConfiguration.Output, parse.InvocationConfiguration.Error);
            return Task.FromResult(run(parse, screen, stop));
        });
}
