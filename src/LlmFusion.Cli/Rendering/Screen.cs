using Spectre.Console;

namespace LlmFusion.Cli.Rendering;

/// <summary>Where a command writes: data to stdout, so that it can be piped on; everything about the work to stderr.</summary>
internal sealed class Screen(TextWriter output, TextWriter error)
{
    /// <summary>True if stderr is a terminal, so that a line can be drawn over.</summary>
    public bool IsInteractive { get; } = ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected;

    /// <summary>One line of data, or a whole JSON document.</summary>
    public void Data(string text) => output.WriteLine(text);

    /// <summary>A table as data: drawn for a terminal, with lines of equal columns where it is piped.</summary>
    public void Table(DataTable table)
    {
        bool terminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;
        Of(output, terminal).Write(table.Drawn(terminal));
    }

    /// <summary>One line about the work: what is being done, what was left out.</summary>
    public void Note(string text) => error.WriteLine(text);

    /// <summary>A running count that is drawn over on a terminal and repeated now and then elsewhere; see <see cref="ProgressLine"/>.</summary>
    public ProgressLine Progress(string unit, long? total = null, long before = 0) => new(error, IsInteractive, unit, total, before);

    private static IAnsiConsole Of(TextWriter writer, bool terminal)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = terminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        // A file has no width: nothing in it is to be wrapped.
        if (!terminal) console.Profile.Width = 1000;
        return console;
    }
}
