using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using System.Text.Json;
using LlmFusion.Cli.Commands;
using LlmFusion.Cli.Rendering;
using LlmFusion.Distributed;
using LlmFusion.Training;

namespace LlmFusion.Cli;

/// <summary>The command line as a whole: its commands, Ctrl-C, and the one place that turns exceptions into messages.</summary>
internal static class Application
{
    private static readonly Option<bool> Debug = new("--debug")
    {
        Description = "Show the stack trace of an error",
        Recursive = true,
    };

    /// <summary>In which the first process ends the job where all of them failed alike.</summary>
    private static readonly TimeSpan HeadStart = TimeSpan.FromSeconds(3);

    /// <summary>Runs one command; returns its <see cref="ExitCode"/>.</summary>
    public static Task<int> RunAsync(string[] args, TextWriter output, TextWriter error) => RunAsync(Commands(), args, output, error);

    /// <summary>Runs one command of a tree made by <see cref="Commands"/>.</summary>
    internal static async Task<int> RunAsync(Command root, string[] args, TextWriter output, TextWriter error)
    {
        // A SMILES may begin with '@' or '-': no response files, no bundled letters.
        ParseResult parse = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
        // Of several processes that train together the first talks. What all of them find wrong it tells before the launcher,
        // at the first process that fails, ends the others.
        bool first = Launch.Current is not { Rank: > 0 };
        if (!first) output = TextWriter.Null;
        if (parse.Action is ParseErrorAction)
        {
            if (!first) Thread.Sleep(HeadStart);
            return Refuse(parse, first ? error : TextWriter.Null);
        }


        int stoppedAs = ExitCode.Stopped;
        using var stop = new CancellationTokenSource();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            int code = await parse.InvokeAsync(
                new InvocationConfiguration
                {
                    Output = output,
                    Error = first ? error : TextWriter.Null,
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = null,
                },
                stop.Token).ConfigureAwait(false);
            return code == ExitCode.Stopped ? stoppedAs : code;
        }
        catch (UsageException e)
        {
            if (!first) Thread.Sleep(HeadStart);
            else error.WriteLine($"error: {e.Message}\n{SeeHelp(parse)}");
            return EndJob(ExitCode.WrongUse);
        }
        catch (OperationCanceledException e) when (stop.IsCancellationRequested)
        {
            if (!first) Thread.Sleep(HeadStart);
            else error.WriteLine($"error: {(e is RunStoppedException ? e.Message : "stopped before the work was done")}");
            return EndJob(stoppedAs);
        }
        catch (Exception e)
        {
            if (!first) Thread.Sleep(HeadStart);
            string message = parse.GetValue(Debug) ? e.ToString() : Message(e);
            error.WriteLine(first ? message : $"process {Launch.Current!.Rank}: {message}");
            return EndJob(ExitCode.Failed);
        }

        void Stop(PosixSignalContext signal)
        {
            // The first asks the command to finish what must not be lost; the second ends the process at once.
            signal.Cancel = !stop.IsCancellationRequested;
            if (!signal.Cancel) return;
            stoppedAs = signal.Signal == PosixSignal.SIGTERM ? ExitCode.Terminated : ExitCode.Stopped;
            if (first) error.WriteLine("Stopping... (once more to stop at once)");
            stop.Cancel();
        }
    }

    /// <summary>The others would wait for this process for ever.</summary>
    private static int EndJob(int code)
    {
        ProcessGroup.AbortIfJoined(code);
        return code;
    }

    /// <summary>Every command.</summary>
    internal static Command Commands()
    {
        // No RootCommand: it would take its name from the program's file, where users know ./llmfusion.
        var root = new Command("llmfusion", "Learns a property of molecules from several representations at once, and predicts it.")
        {
            new HelpOption { Action = new HelpWithExamples(new HelpAction()) },
            new VersionOption(),
            Debug,
            BaselineCommand.Create(),
            DemoCommand.Create(),
            DoctorCommand.Create(),
            DataCommand.Create(),
            FeaturizeCommand.Create(),
            EmbedCommand.Create(),
            ModelsCommand.Create(),
            PretrainCommand.Create(),
            ReproduceCommand.Create(),
            TrainCommand.Create(),
            EvaluateCommand.Create(),
            PredictCommand.Create(),
            BenchCommand.Create(),
            PackCommand.Create(),
        };
        root.SetAction(parse => root.Parse(["--help"]).Invoke(parse.InvocationConfiguration));
        return root;
    }

    private static int Refuse(ParseResult parse, TextWriter error)
    {
        foreach (string message in parse.Errors.Select(e => e.Message).Distinct())
            error.WriteLine($"error: {message}");
        error.WriteLine(SeeHelp(parse));
        return ExitCode.WrongUse;
    }

    private static string SeeHelp(ParseResult parse)
    {
        List<string> path = [];
        for (Command? command = parse.CommandResult.Command; command is not null; command = command.Parents.OfType<Command>().FirstOrDefault())
            path.Insert(0, command.Name);
        return $"See: ./{string.Join(' ', path)} --help";
    }

    /// <summary>What the user reads: an expected failure says it all itself, any other is a defect and is named so.</summary>
    private static string Message(Exception e)
    {
        while (e is AggregateException or TypeInitializationException or System.Reflection.TargetInvocationException
            && e.InnerException is { } inner)
            e = inner;
        string message = e is ArgumentException { ParamName: { } name } ? e.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : e.Message;
        return e switch
        {
            DllNotFoundException => $"error: {message}\nSee what is missing with: ./llmfusion doctor",
            OutOfMemoryException => "error: out of memory; a smaller --batch-size needs less",
            _ when IsExpected(e) => $"error: {message}",
            _ => $"error: {e.GetType().Name}: {message}\nThis is a defect of the program; please report it with what --debug prints.",
        };
    }

    private static bool IsExpected(Exception e) =>
        e.GetType().Namespace?.StartsWith("LlmFusion", StringComparison.Ordinal) == true
        || e is IOException or UnauthorizedAccessException or InvalidDataException or FormatException or JsonException
            or NotSupportedException
        || e is ArgumentException and not (ArgumentNullException or ArgumentOutOfRangeException);
}
