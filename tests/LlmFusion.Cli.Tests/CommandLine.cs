namespace LlmFusion.Cli.Tests;

/// <summary>A folder of small files, and the command line run in this process on them.</summary>
public sealed class CommandLine : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("llmfusion-cli-test-").FullName;

    /// <summary>What the last command wrote to stdout.</summary>
    public string Output { get; private set; } = "";

    /// <summary>What the last command wrote to stderr.</summary>
    public string Error { get; private set; } = "";

    public string this[string name] => Path.Combine(_folder, name);

    public string Write(string name, params string[] lines)
    {
        File.WriteAllText(this[name], string.Concat(lines.Select(l => l + "\n")));
        return this[name];
    }

    public async Task<int> Run(params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = await Application.RunAsync(args, output, error);
        (Output, Error) = (output.ToString(), error.ToString());
        return code;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
