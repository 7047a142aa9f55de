using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.CompilerServices;

namespace LlmFusion.Cli.Rendering;

/// <summary>The usual help of a command, then notes on what it does, and its examples.</summary>
internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
{
    private static readonly ConditionalWeakTable<Command, (string Title, string[] Lines)[]> Sections = new();

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <summary>Gives a command its examples, which are whole command lines, and its notes, line by line.</summary>
    public static void Set(Command command, string[] examples, string[]? notes = null) =>
        Sections.AddOrUpdate(command, [.. notes is null ? [] : new[] { ("Notes:", notes) }, ("Examples:", examples)]);

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        int code = help.Invoke(parseResult);
        if (!Sections.TryGetValue(parseResult.CommandResult.Command, out (string Title, string[] Lines)[]? sections)) return code;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        foreach ((string title, string[] lines) in sections)
        {
            output.WriteLine(title);
            foreach (string line in lines) output.WriteLine("  " + line);
            output.WriteLine();
        }

        return code;
    }
}
