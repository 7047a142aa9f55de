using System.Xml.Linq;
using Xunit;

namespace LlmFusion.Tests.Setup;

/// <summary>Dependencies point one way: Cli -> LlmFusion -> {Chemistry, Transformers, Boosting}; see ARCHITECTURE.md.</summary>
public class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> MayKnow = new()
    {
        ["LlmFusion.Chemistry"] = [],
        ["LlmFusion.Transformers"] = [],
        ["LlmFusion.Boosting"] = [],
        ["LlmFusion"] = ["LlmFusion.Chemistry", "LlmFusion.Transformers", "LlmFusion.Boosting"],
        ["LlmFusion.Cli"] = ["LlmFusion"],
        ["LlmFusion.Web"] = ["LlmFusion"],
    };

    private static readonly Dictionary<string, string> OnlyIn = new()
    {
        ["TorchSharp"] = "LlmFusion.Transformers",
        ["Spectre.Console"] = "LlmFusion.Cli",
        ["System.CommandLine"] = "LlmFusion.Cli",
    };

    public static TheoryData<string> Projects => [.. Sources().Select(p => Path.GetFileNameWithoutExtension(p))];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_what_it_may_know(string name)
    {
        Assert.True(MayKnow.TryGetValue(name, out string[]? allowed), $"{name} is new: say here and in ARCHITECTURE.md what it may know");
        foreach (string reference in References(name, "ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r)))
            Assert.Contains(reference, allowed);
        foreach (string package in References(name, "PackageReference").Where(OnlyIn.ContainsKey))
            Assert.Equal(OnlyIn[package], name);
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_library_never_prints(string name)
    {
        if (name is "LlmFusion.Cli" or "LlmFusion.Web") return;
        foreach (string file in Directory.EnumerateFiles(Repository.PathOf("src", name), "*.cs", SearchOption.AllDirectories)
            .Where(f => !Path.GetRelativePath(Repository.Root, f).Split('/').Any(p => p is "bin" or "obj")))
            Assert.DoesNotContain("Console.Write", File.ReadAllText(file), StringComparison.Ordinal);
    }

    [Fact]
    public void The_solution_holds_every_project()
    {
        IEnumerable<string> listed = XDocument.Load(Repository.PathOf("LlmFusion.slnx")).Descendants("Project").Select(p => p.Attribute("Path")!.Value);
        IEnumerable<string> there = Sources()
            .Concat(Directory.EnumerateFiles(Repository.PathOf("tests"), "*.csproj", SearchOption.AllDirectories))
            .Select(p => Path.GetRelativePath(Repository.Root, p));
        Assert.Equal(there.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    private static IEnumerable<string> Sources() =>
        Directory.EnumerateFiles(Repository.PathOf("src"), "*.csproj", SearchOption.AllDirectories);

    private static IEnumerable<string> References(string project, string kind) =>
        XDocument.Load(Repository.PathOf("src", project, project + ".csproj")).Descendants(kind).Select(r => r.Attribute("Include")!.Value);
}
