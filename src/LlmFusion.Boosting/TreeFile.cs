using System.Text.Json;

namespace LlmFusion.Boosting;

/// <summary>Checks a model in XGBoost's JSON before the library, which follows whatever indices a file holds, is given it.</summary>
public static class TreeFile
{
    private static readonly string[] Children = ["left_children", "right_children"];

    /// <summary>Every tree's children must be later nodes of it, so that no walk leaves it or goes round, and every split must ask for a feature that there is.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="features">Number of features.</param>
    /// <exception cref="InvalidDataException">It is no JSON, no model of trees, or one that is impossible.</exception>
    public static void Check(ReadOnlyMemory<byte> bytes, string name, int features)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 32 });
            JsonElement learner = document.RootElement.GetProperty("learner"), model = learner.GetProperty("gradient_booster").GetProperty("model");
            string declared = learner.GetProperty("learner_model_param").GetProperty("num_feature").GetString() ?? "";
            if (declared != features.ToString(System.Globalization.CultureInfo.InvariantCulture)) throw new InvalidDataException($"{name}: reads {declared} features, expected {features}");
            foreach ((int t, JsonElement tree) in model.GetProperty("trees").EnumerateArray().Index()) CheckTree(tree, $"{name}: tree {t}", features);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException($"{name}: is no model of trees in XGBoost's JSON ({e.Message})", e);
        }
    }

    private static void CheckTree(JsonElement tree, string name, int features)
    {
        int[][] children = [.. Children.Select(side => Ints(tree.GetProperty(side)))];
        int nodes = children[0].Length;
        if (nodes == 0) throw new InvalidDataException($"{name} has no node");
        foreach (string array in new[] { "right_children", "split_indices", "split_conditions", "default_left", "parents", "base_weights", "loss_changes", "sum_hessian" })
            if (tree.GetProperty(array).GetArrayLength() is var length && length != nodes) throw new InvalidDataException($"{name}: {array} has {length} entries, expected {nodes}");
        for (int node = 0; node < nodes; node++)
        {
            if ((children[0][node] == -1) != (children[1][node] == -1)) throw new InvalidDataException($"{name}: node {node} has one child, expected two or none");
            foreach (int[] side in children)
                if (side[node] != -1 && (side[node] <= node || side[node] >= nodes)) throw new InvalidDataException($"{name}: node {node} has the child {side[node]}, expected a later one below {nodes}");
        }

        foreach ((int node, int feature) in Ints(tree.GetProperty("split_indices")).Index())
            if (children[0][node] != -1 && (feature < 0 || feature >= features)) throw new InvalidDataException($"{name}: node {node} asks for feature {feature}, expected 0 to {features - 1}");
        if (tree.TryGetProperty("categories_nodes", out JsonElement categories) && categories.GetArrayLength() > 0) throw new InvalidDataException($"{name}: splits by category, which this program does not write");
    }

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetInt32())];
}
