using System.Globalization;

namespace LlmFusion.Tests.Setup;

/// <summary>
/// A small repository around the real launcher, test.sh and build/setup.sh, with a tool chain of scripts that write down
/// their calls: it shows within milliseconds what a set-up would do.
/// </summary>
internal sealed class Sandbox : IDisposable
{
    private readonly string top = Directory.CreateTempSubdirectory("llmfusion-setup-").FullName;

    public Sandbox()
    {
        Root = Path.Combine(top, "repository");
        foreach (string file in new[] { "llmfusion", "test.sh", "build/setup.sh" })
        {
            Write(file, File.ReadAllText(Repository.PathOf(file)));
            File.SetUnixFileMode(Path.Combine(Root, file), File.GetUnixFileMode(Repository.PathOf(file)));
        }

        Write("src/LlmFusion.Cli/LlmFusion.Cli.csproj", "<Project />");
        Write("src/LlmFusion.Cli/Program.cs", "");
        Write("tests/Some.Tests/Some.Tests.csproj", "<Project />");
        Write("native/rdkit/CMakeLists.txt", "");
        Write("Directory.Build.props", "<Project />");
        Write("Directory.Build.targets", "<Project />");
        Write("global.json", "{ \"sdk\": { \"version\": \"99.0.100\", \"rollForward\": \"disable\" } }");
        Write("README.md", "");

        // Each tool's behaviour can be replaced through a variable of the same name.
        Tool("dotnet", """
            if [[ $1 == --version ]]; then [[ -z ${NO_SDK-} ]] && echo 99.0.100; exit; fi
            if [[ $1 == --list-sdks ]]; then echo "8.0.100 [/somewhere]"; exit; fi
            out=src/LlmFusion.Cli/bin/Release/net10.0
            mkdir -p $out src/LlmFusion.Cli/obj
            eval "${DOTNET_BUILD-}"
            printf '#!/bin/bash\necho "in $PWD: $*"\n[[ -z ${SHOW_PRELOAD-} ]] || echo "preload ${LD_PRELOAD-none}"\nexit ${PROGRAM_CODE-0}\n' >$out/LlmFusion.Cli
            echo library >$out/LlmFusion.dll
            chmod +x $out/LlmFusion.Cli
            mkdir -p tests/Some.Tests/bin/Release/net10.0
            printf '#!/bin/bash\n%s\n' "${TEST_HOST-}" >tests/Some.Tests/bin/Release/net10.0/Some.Tests
            chmod +x tests/Some.Tests/bin/Release/net10.0/Some.Tests
            """);
        Tool("cmake", """
            if [[ $1 == -S ]]; then mkdir -p "$4"; exit; fi
            eval "${CMAKE_BUILD-}"
            echo library >"$2/libllmfusion_rdkit.so"
            """);
        Tool("dpkg-query", """[[ " ${MISSING-} " == *" ${*: -1} "* && ! -e $TOP/installed ]] && exit 1; printf installed""");
        Tool("apt-get", """[[ -z ${NO_NETWORK-} ]] || exit 100; [[ "$*" != *install* ]] || touch "$TOP/installed" """);
        Tool("id", "echo ${USER_ID-0}");
        Tool("sudo", "exit 1");
    }

    /// <summary>The folder of the small repository.</summary>
    public string Root { get; set; }

    /// <summary>A folder outside of it.</summary>
    public string Elsewhere => top;

    /// <summary>The calls of the tools since the last look, without the questions that change nothing.</summary>
    public IReadOnlyList<string> Calls()
    {
        string log = Path.Combine(top, "calls");
        if (!File.Exists(log)) return [];
        string[] calls = File.ReadAllLines(log);
        File.Delete(log);
        string[] questions = ["dpkg-query", "id", "sudo", "dotnet --version", "dotnet --list-sdks"];
        return [.. calls.Where(c => !questions.Any(q => c == q || c.StartsWith(q + " ", StringComparison.Ordinal)))];
    }

    /// <summary>Writes a file of the small repository.</summary>
    public void Write(string path, string text)
    {
        string file = Path.Combine(Root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    /// <summary>Starts a script of the small repository from another folder.</summary>
    public Task<Ended> StartAsync(string script, string[]? arguments = null, params (string Name, string Value)[] environment)
    {
        var variables = new Dictionary<string, string?>
        {
            ["PATH"] = Path.Combine(top, "tools") + ":/usr/bin:/bin",
            ["HOME"] = top,
            ["TOP"] = top,
            ["DOTNET_ROOT"] = null,
            ["LD_PRELOAD"] = null,
        };
        foreach ((string name, string value) in environment) variables[name] = value;
        return Shell.RunAsync(Path.GetFullPath(script, Root), arguments ?? [], Elsewhere, variables, TimeSpan.FromSeconds(60));
    }

    public void Dispose() => Directory.Delete(top, recursive: true);

    private void Tool(string name, string script)
    {
        string file = Path.Combine(top, "tools", name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, string.Create(CultureInfo.InvariantCulture, $"#!/bin/bash\necho \"{name} $*\" >>\"$TOP/calls\"\n{script}\n"));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
