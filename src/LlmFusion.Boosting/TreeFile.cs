using System.Globalization;
using System.Text.Json;

namespace LlmFusion.Boosting;

/// <summary>
/// Checks a model in XGBoost's JSON before the library, which follows whatever indices a file holds, is given it: boosted trees for one
/// number a row, as <see cref="Booster.Save"/> writes them, and nothing else that the library could read.
/// </summary>
public static class TreeFile
{
    private const int NoParent = int.MaxValue;

    private static readonly string[] OfNodes = ["right_children", "split_indices", "split_conditions", "split_type", "default_left", "parents", "base_weights", "loss_changes", "sum_hessian"];
    private static readonly string[] Objectives = ["reg:squarederror", "reg:pseudohubererror"];
    private static readonly string[] OfCategories = ["categories", "categories_nodes", "categories_segments", "categories_sizes"];

    /// <summary>Every tree's children must be later nodes of it, so that no walk leaves it or goes round, and every split must ask for a feature that there is.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="features">Number of features.</param>
    /// <exception cref="InvalidDataException">It is no JSON, no model of trees, or one that is impossible.</exception>
    public static void Check(ReadOnlyMemory<byte> bytes, string name, int features)
    {
        try
        {
            // A key that stands twice could be read one way here and another way there.
            using JsonDocument document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 32, AllowDuplicateProperties = false });
            JsonElement learner = document.RootElement.GetProperty("learner"), booster = learner.GetProperty("gradient_booster");
            Require(booster.GetProperty("name").GetString() ?? "", "gbtree", $"{name}: booster");
            JsonElement parameters = learner.GetProperty("learner_model_param"), model = booster.GetProperty("model"), trees = model.GetProperty("trees"), groups = model.GetProperty("tree_info");
            Require(Text(parameters, "num_feature"), features, $"{name}: features");
            Require(Text(parameters, "num_class"), 0, $"{name}: num_class");
            Require(Text(parameters, "num_target"), 1, $"{name}: num_target");
            Require(Text(model.GetProperty("gbtree_model_param"), "num_trees"), trees.GetArrayLength(), $"{name}: num_trees");
            Require(Text(model.GetProperty("gbtree_model_param"), "size_leaf_vector"), 0, $"{name}: size_leaf_vector");
            Require(Text(model.GetProperty("gbtree_model_param"), "num_parallel_tree"), 1, $"{name}: num_parallel_tree");
            string objective = Text(learner.GetProperty("objective"), "name");
            if (!Objectives.Contains(objective)) throw new InvalidDataException($"{name}: objective: got {objective}, expected {string.Join(" or ", Objectives)}"); // others answer in other units
            if (learner.TryGetProperty("attributes", out JsonElement attributes) && attributes.TryGetProperty(Booster.BestIteration, out JsonElement best)
                && !(int.TryParse(best.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out int iteration) && iteration < trees.GetArrayLength()))
                throw new InvalidDataException($"{name}: {Booster.BestIteration}: got {best}, expected a tree below {trees.GetArrayLength()}");
            Require(groups.GetArrayLength(), trees.GetArrayLength(), $"{name}: entries of tree_info");
            foreach (JsonElement group in groups.EnumerateArray()) Require(group.GetInt32(), 0, $"{name}: tree_info");
            foreach ((int t, JsonElement tree) in trees.EnumerateArray().Index())
            {
                Require(tree.GetProperty("id").GetInt32(), t, $"{name}: id of tree {t}");
                CheckTree(tree, $"{name}: tree {t}", features);
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"{name}: is no model of trees in XGBoost's JSON ({e.Message})", e);
        }
    }

    private static void CheckTree(JsonElement tree, string name, int features)
    {
        int[] left = Ints(tree.GetProperty("left_children")), right = Ints(tree.GetProperty("right_children")), parents = Ints(tree.GetProperty("parents")), splits = Ints(tree.GetProperty("split_indices"));
        int nodes = left.Length;
        if (nodes == 0) throw new InvalidDataException($"{name} has no node");
        Require(Text(tree.GetProperty("tree_param"), "num_nodes"), nodes, $"{name}: num_nodes");
        Require(Text(tree.GetProperty("tree_param"), "size_leaf_vector"), 0, $"{name}: size_leaf_vector");
        foreach (string array in OfNodes) Require(tree.GetProperty(array).GetArrayLength(), nodes, $"{name}: entries of {array}");
        foreach (string array in OfCategories) Require(tree.GetProperty(array).GetArrayLength(), 0, $"{name}: entries of {array}");
        foreach (JsonElement type in tree.GetProperty("split_type").EnumerateArray()) Require(type.GetInt32(), 0, $"{name}: split_type");
        Require(parents[0], NoParent, $"{name}: parent of the root");
        for (int node = 0; node < nodes; node++)
        {
            if (node > 0 && (parents[node] < 0 || parents[node] >= nodes)) throw new InvalidDataException($"{name}: node {node} has the parent {parents[node]}, expected 0 to {nodes - 1}");
            if ((left[node] == -1) != (right[node] == -1)) throw new InvalidDataException($"{name}: node {node} has one child, expected two or none");
            if (left[node] == -1) continue;
            foreach (int child in new[] { left[node], right[node] })
            {
                if (child <= node || child >= nodes) throw new InvalidDataException($"{name}: node {node} has the child {child}, expected a later one below {nodes}");
                Require(parents[child], node, $"{name}: parent of node {child}");
            }

            if (splits[node] < 0 || splits[node] >= features) throw new InvalidDataException($"{name}: node {node} asks for feature {splits[node]}, expected 0 to {features - 1}");
        }
    }

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetInt32())];

    private static string Text(JsonElement parameters, string name) => parameters.GetProperty(name).GetString() ?? "";

    private static void Require(string got, int expected, string what) => Require(got, expected.ToString(CultureInfo.InvariantCulture), what);

    private static void Require(int got, int expected, string what) => Require(got.ToString(CultureInfo.InvariantCulture), expected.ToString(CultureInfo.InvariantCulture), what);

    private static void Require(string got, string expected, string what)
    {
        if (got != expected) throw new InvalidDataException($"{what}: got {got}, expected {expected}");
    }
}
