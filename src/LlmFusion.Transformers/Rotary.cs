using System.Text.Json;
using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>How rotary frequencies are stretched for sequences longer than those of the pretraining: rope_scaling.rope_type.</summary>
public enum RotaryScaling
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>All by the same factor (Chen et al. 2023).</summary>
    Linear,

    /// <summary>Low frequencies by a factor, high ones not at all, a smooth passage between: Llama 3.1.</summary>
    Llama3,
}

/// <summary>Rotary position embeddings (Su et al. 2021), under Hugging Face's names.</summary>
public sealed record RotaryConfig
{
    /// <summary>Base of the frequencies: rope_theta.</summary>
    public double Theta { get; init; } = 10000;
    /// <summary>rope_scaling.rope_type.</summary>
    public RotaryScaling Scaling { get; init; }
    /// <summary>rope_scaling.factor.</summary>
    public double Factor { get; init; } = 1;
    /// <summary>rope_scaling.low_freq_factor, of Llama 3.</summary>
    public double LowFrequencyFactor { get; init; } = 1;
    /// <summary>rope_scaling.high_freq_factor, of Llama 3.</summary>
    public double HighFrequencyFactor { get; init; } = 4;
    /// <summary>rope_scaling.original_max_position_embeddings, of Llama 3.</summary>
    public int OriginalPositions { get; init; } = 8192;

    /// <summary>Reads <c>rope_theta</c> and <c>rope_scaling</c>, or <c>rope_parameters</c>, where transformers 5 keeps both.</summary>
    internal static RotaryConfig From(ConfigReader read)
    {
        ConfigReader scaling = read.Section("rope_parameters") ?? read.Section("rope_scaling") ?? read.Empty();
        RotaryConfig standard = new() { Theta = scaling.Number("rope_theta", read.Number("rope_theta", 10000)) };
        ConfigReader.Require(standard.Theta > 0, "rope_theta", standard.Theta, "above 0");
        double partial = scaling.Number("partial_rotary_factor", read.Number("partial_rotary_factor", 1));
        ConfigReader.Require(partial == 1, "partial_rotary_factor", partial, "1 (rotating a part of the channels is not implemented)");
        // Before transformers 4.43 the key was "type".
        string type = scaling.Text("rope_type", scaling.Text("type", "default"));
        switch (type)
        {
            case "default":
                return standard;
            case "linear":
                return Checked(standard with { Scaling = RotaryScaling.Linear, Factor = scaling.Needed("factor") });
            case "llama3":
                return Checked(standard with
                {
                    Scaling = RotaryScaling.Llama3,
                    Factor = scaling.Needed("factor"),
                    LowFrequencyFactor = scaling.Needed("low_freq_factor"),
                    HighFrequencyFactor = scaling.Needed("high_freq_factor"),
                    OriginalPositions = scaling.NeededInt("original_max_position_embeddings"),
                });
            default:
                throw new CheckpointException($"config.json: rope_type = '{type}' is not implemented; known: default, linear, llama3");
        }
    }

    /// <summary>rope_scaling; null for none.</summary>
    internal JsonObject? ScalingJson() => Scaling switch
    {
        RotaryScaling.Linear => new JsonObject { ["rope_type"] = "linear", ["factor"] = Factor },
        RotaryScaling.Llama3 => new JsonObject
        {
            ["rope_type"] = "llama3",
            ["factor"] = Factor,
            ["low_freq_factor"] = LowFrequencyFactor,
            ["high_freq_factor"] = HighFrequencyFactor,
            ["original_max_position_embeddings"] = OriginalPositions,
        },
        _ => null,
    };

    private static RotaryConfig Checked(RotaryConfig config)
    {
        ConfigReader.Require(config.Factor >= 1, "rope_scaling.factor", config.Factor, "at least 1");
        ConfigReader.Require(config.Scaling == RotaryScaling.Linear || config.LowFrequencyFactor > 0 && config.HighFrequencyFactor > config.LowFrequencyFactor,
            "rope_scaling.high_freq_factor", config.HighFrequencyFactor, $"above low_freq_factor = {config.LowFrequencyFactor}");
        ConfigReader.Require(config.OriginalPositions > 0, "rope_scaling.original_max_position_embeddings", config.OriginalPositions, "at least 1");
        return config;
    }
}

/// <summary>The rotation of queries and keys by their positions, made once and shared by all layers.</summary>
/// <param name="Cos">(L, d_head), or (N, 1, L, d_head) where rows differ.</param>
/// <param name="Sin">As <paramref name="Cos"/>.</param>
internal sealed record Rotation(Tensor Cos, Tensor Sin)
{
    /// <param name="config">Head width and frequencies.</param>
    /// <param name="x">(N, L, d), for length and device.</param>
    /// <param name="positionIds">(N, L); null: 0, 1, 2, ...</param>
    public static Rotation Of(LlamaConfig config, Tensor x, Tensor? positionIds)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor frequencies = Frequencies(config.Rotary, config.HeadWidthOrDefault).to(x.device); // (d_head / 2)
        Tensor positions = positionIds?.unsqueeze(1) ?? arange(x.shape[1], device: x.device);    // (N, 1, L) or (L)
        Tensor half = positions.to_type(ScalarType.Float32).unsqueeze(-1) * frequencies;         // (.., L, d_head / 2)
        Tensor angles = cat([half, half], -1);                                                   // (.., L, d_head)
        return new Rotation(angles.cos().MoveToOuterDisposeScope(), angles.sin().MoveToOuterDisposeScope());
    }

    /// <summary>x cos + rotate_half(x) sin; x is (N, H, L, d_head).</summary>
    public Tensor Apply(Tensor x)
    {
        Tensor[] halves = x.chunk(2, -1);
        return x * Cos + cat([-halves[1], halves[0]], -1) * Sin;                         // (N, H, L, d_head)
    }

    /// <summary>The angle a position adds, per pair of channels, in float32 as Hugging Face computes it: (d_head / 2).</summary>
    internal static Tensor Frequencies(RotaryConfig config, int headWidth)
    {
        Tensor plain = pow(config.Theta, arange(0, headWidth, 2).to_type(ScalarType.Float32) / headWidth).reciprocal();
        switch (config.Scaling)
        {
            case RotaryScaling.Linear:
                return plain / config.Factor;
            case RotaryScaling.Llama3:
                Tensor wavelength = 2 * Math.PI / plain;
                double longest = config.OriginalPositions / config.LowFrequencyFactor, shortest = config.OriginalPositions / config.HighFrequencyFactor;
                Tensor smooth = (config.OriginalPositions / wavelength - config.LowFrequencyFactor) / (config.HighFrequencyFactor - config.LowFrequencyFactor);
                Tensor between = (1 - smooth) * plain / config.Factor + smooth * plain;
                return where(wavelength.gt(longest), plain / config.Factor, where(wavelength.lt(shortest), plain, between));
            default:
                return plain;
        }
    }
}
