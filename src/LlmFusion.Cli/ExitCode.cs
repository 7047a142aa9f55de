namespace LlmFusion.Cli;

/// <summary>What the program's exit code says; scripts rely on it.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int WrongUse = 2;

    /// <summary>Done, but some rows of the input could not be used and were reported.</summary>
    public const int SomeRowsRefused = 3;

    /// <summary>Stopped by Ctrl-C (SIGINT) before the work was done, as shells count it: 128 + 2. What can be gone on with is kept.</summary>
    public const int Stopped = 130;

    /// <summary>The same by SIGTERM, which batch systems send: 128 + 15.</summary>
    public const int Terminated = 143;
}
