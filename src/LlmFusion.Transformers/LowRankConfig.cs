using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmFusion.Transformers;

/// <summary>What low-rank adapters are added to a model, in PEFT's words where it has one (LoRA, Hu et al. 2021).</summary>
public sealed record LowRankConfig
{
    /// <summary>Rank r of the correction that a layer gets: <c>r</c>.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>The correction is multiplied by alpha / r: <c>lora_alpha</c>.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>Dropout of an adapter's input while it is trained: <c>lora_dropout</c>.</summary>
    public double Dropout { get; init; }

    /// <summary>Names of the layers that get one, such as <c>c_attn</c>, in every block: <c>target_modules</c>; empty: <see cref="LanguageModel.AdapterTargets"/>.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    /// <summary>Reads PEFT's adapter_config.json.</summary>
    /// <exception cref="CheckpointException">A value is impossible, or asks for what is not implemented.</exception>
    public static LowRankConfig From(JsonElement json)
    {
        ConfigReader.Require(json.ValueKind == JsonValueKind.Object, "adapter_config.json", json.ValueKind, "an object");
        string? type = Text("peft_type");
        ConfigReader.Require(type == "LORA", "peft_type", type, "LORA");
        ConfigReader.Require(Text("bias") is null or "none", "bias", Text("bias"), "none (trained biases are not implemented)");
        // What would give other numbers without being noticed.
        foreach (string name in new[] { "use_dora", "use_rslora", "lora_bias" })
            ConfigReader.Require(Find(name) is not { ValueKind: not (JsonValueKind.False or JsonValueKind.Null) }, name, Find(name), "false (true is not implemented)");
        foreach (string name in new[] { "modules_to_save", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "layer_replication", "target_parameters" })
            ConfigReader.Require(IsEmpty(Find(name)), name, Find(name), "nothing (it is not implemented)");
        ConfigReader.Require(Find("target_modules") is { ValueKind: JsonValueKind.Array } targets && targets.EnumerateArray().All(t => t.ValueKind == JsonValueKind.String),
            "target_modules", Find("target_modules"), "a list of names");
        return new LowRankConfig
        {
            Rank = Find("r") is { ValueKind: JsonValueKind.Number } r && r.TryGetInt32(out int rank) ? rank : 0,
            Alpha = Number("lora_alpha") ?? 0,
            Dropout = Number("lora_dropout") ?? 0,
            Targets = [.. Find("target_modules")!.Value.EnumerateArray().Select(t => t.GetString()!)],
        }.Checked();

        JsonElement? Find(string name) => json.TryGetProperty(name, out JsonElement value) ? value : null;
        string? Text(string name) => Find(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        double? Number(string name) => Find(name) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : null;
        static bool IsEmpty(JsonElement? value) => value is not { } v || v.ValueKind == JsonValueKind.Null
            || (v.ValueKind == JsonValueKind.Array && v.GetArrayLength() == 0) || (v.ValueKind == JsonValueKind.Object && !v.EnumerateObject().Any());
    }

    /// <summary>PEFT's adapter_config.json.</summary>
    /// <param name="baseModel">The model that the adapters were trained on, as PEFT shall find it; null where it has no name.</param>
    /// <param name="inputsFirst">Whether the layers store their weights as (in, out), which PEFT calls fan_in_fan_out.</param>
    public JsonObject ToJson(string? baseModel, bool inputsFirst) => new()
    {
        ["peft_type"] = "LORA",
        ["task_type"] = "FEATURE_EXTRACTION",
        ["base_model_name_or_path"] = baseModel,
        ["inference_mode"] = true,
        ["r"] = Rank,
        // A whole number where it is one: PEFT's own type for it.
        ["lora_alpha"] = Alpha == Math.Floor(Alpha) && Alpha < int.MaxValue ? JsonValue.Create((int)Alpha) : JsonValue.Create(Alpha),
        ["lora_dropout"] = Dropout,
        ["target_modules"] = new JsonArray([.. Targets.Select(t => JsonValue.Create(t))]),
        ["fan_in_fan_out"] = inputsFirst,
        ["bias"] = "none",
        ["init_lora_weights"] = true,
        ["modules_to_save"] = null,
        ["layers_to_transform"] = null,
        ["rank_pattern"] = new JsonObject(),
        ["alpha_pattern"] = new JsonObject(),
        ["use_dora"] = false,
        ["use_rslora"] = false,
    };

    internal LowRankConfig Checked()
    {
        ConfigReader.Require(Rank >= 1, "r", Rank, "at least 1");
        ConfigReader.Require(Alpha > 0 && double.IsFinite(Alpha), "lora_alpha", Alpha, "a positive number");
        ConfigReader.Require(Dropout is >= 0 and < 1, "lora_dropout", Dropout, "from 0 to below 1");
        return this;
    }
}
