using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace LlmFusion.Boosting.Tests;

/// <summary>Trees that XGBoost would follow out of its memory are refused before it is given them.</summary>
public sealed class TreeFileTests
{
    private static readonly byte[] Whole = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "absolute.json"));

    [Fact]
    public void What_the_library_writes_passes_pruned_trees_too()
    {
        TreeFile.Check(Whole, "absolute", 6);
        using FeatureMatrix rows = FeatureMatrix.Dense([.. Enumerable.Range(0, 300).Select(i => (float)(i * 7919 % 101))], 3).WithLabels([.. Enumerable.Range(0, 100).Select(i => (float)(i % 13))]);
        using Booster pruned = Booster.Train(new() { Gamma = 30, Estimators = 20, MaxDepth = 8 }, rows, cancellation: TestContext.Current.CancellationToken);
        TreeFile.Check(pruned.Save(json: true), "pruned", 3);
    }

    [Theory]
    [InlineData("learner.gradient_booster.name", "\"dart\"", "booster: got dart")]
    [InlineData("learner.learner_model_param.num_feature", "\"7\"", "features: got 7")]
    [InlineData("learner.learner_model_param.num_class", "\"3\"", "num_class: got 3")]
    [InlineData("learner.learner_model_param.num_target", "\"2\"", "num_target: got 2")]
    [InlineData("learner.gradient_booster.model.gbtree_model_param.num_trees", "\"4000\"", "num_trees: got 4000")]
    [InlineData("learner.gradient_booster.model.gbtree_model_param.num_parallel_tree", "\"1000\"", "num_parallel_tree: got 1000")]
    [InlineData("learner.objective.name", "\"binary:logistic\"", "objective: got binary:logistic")]
    [InlineData("learner.attributes", "{\"best_iteration\": \"999\"}", "best_iteration: got 999")]
    [InlineData("learner.gradient_booster.model.tree_info.1", "900", "tree_info: got 900")]
    [InlineData("learner.gradient_booster.model.trees.1.id", "0", "id of tree 1: got 0")]
    [InlineData("learner.gradient_booster.model.trees.1.left_children.0", "0", "child 0")]
    [InlineData("learner.gradient_booster.model.trees.1.left_children.0", "99999", "child 99999")]
    [InlineData("learner.gradient_booster.model.trees.1.left_children.0", "-1", "one child")]
    [InlineData("learner.gradient_booster.model.trees.1.parents.2", "99999", "parent")]
    [InlineData("learner.gradient_booster.model.trees.1.parents.0", "1", "parent of the root")]
    [InlineData("learner.gradient_booster.model.trees.1.split_indices.0", "4000", "feature 4000")]
    [InlineData("learner.gradient_booster.model.trees.1.split_indices", "[]", "split_indices")]
    [InlineData("learner.gradient_booster.model.trees.1.split_type.0", "1", "split_type")]
    [InlineData("learner.gradient_booster.model.trees.1.categories", "[1]", "categories")]
    [InlineData("learner.gradient_booster.model.trees.1.tree_param.num_nodes", "\"3\"", "num_nodes")]
    [InlineData("learner.gradient_booster.model.trees", "3", "no model of trees")]
    public void What_it_could_stumble_over_is_refused(string place, string value, string reason)
    {
        JsonNode root = JsonNode.Parse(Whole)!, at = root;
        string[] path = place.Split('.');
        foreach (string part in path[..^1]) at = int.TryParse(part, out int index) ? at[index]! : at[part]!;
        if (int.TryParse(path[^1], out int last)) at[last] = JsonNode.Parse(value);
        else at[path[^1]] = JsonNode.Parse(value);
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => TreeFile.Check(Encoding.UTF8.GetBytes(root.ToJsonString()), "model", 6)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("{\"learner\": {}, \"learner\": {}}")]
    public void What_is_no_such_file_is_refused(string text) =>
        Assert.Contains("no model of trees", Assert.Throws<InvalidDataException>(() => TreeFile.Check(Encoding.UTF8.GetBytes(text), "model", 6)).Message, StringComparison.Ordinal);
}
