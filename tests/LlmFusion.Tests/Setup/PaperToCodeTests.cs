using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace LlmFusion.Tests.Setup;

/// <summary>docs/paper-to-code.md: every statement of the paper, and nothing that is not there.</summary>
public sealed partial class PaperToCodeTests
{
    private static readonly string Text = File.ReadAllText(Repository.PathOf("docs", "paper-to-code.md"));

    private static readonly Type[] Types =
    [
        .. new[] { typeof(LlmFusion.Fusion.FusionModel), typeof(LlmFusion.Chemistry.Molecule), typeof(LlmFusion.Transformers.Gpt2), typeof(LlmFusion.Boosting.Booster) }.SelectMany(t => t.Assembly.GetTypes()),
    ];

    [Fact]
    public void All_statements_are_there_in_order()
    {
        string[] rows = [.. Text.Split('\n').Where(line => StatementRow().IsMatch(line))];
        Assert.Equal(Enumerable.Range(1, 25).Select(n => $"P{n}"), rows.Select(row => StatementRow().Match(row).Groups[1].Value));
        Assert.All(rows, row => Assert.True(row.Contains("not yet done", StringComparison.Ordinal) == row.StartsWith("| P23 ", StringComparison.Ordinal), row));
    }

    [Fact]
    public void Every_type_and_member_named_exists()
    {
        string[] names = [.. Code().Matches(Text).Select(m => m.Groups[1].Value)];
        Assert.True(names.Length > 60);
        Assert.All(names, name =>
        {
            string[] parts = name.Split('.');
            Type[] named = [.. Types.Where(t => t.Name == parts[0])];
            Assert.True(named.Length > 0, $"there is no type {parts[0]}");
            if (parts.Length > 1)
                Assert.True(named.Any(t => t.GetMember(parts[1], BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.FlattenHierarchy).Length > 0), $"{parts[0]} has no member {parts[1]}");
        });
    }

    [GeneratedRegex(@"^\| (P\d+) \|")]
    private static partial Regex StatementRow();

    [GeneratedRegex(@"`([A-Za-z][A-Za-z0-9.]*)`")]
    private static partial Regex Code();
}
