using LlmFusion.Embedding;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Transformers;
using TorchSharp.Modules;

namespace LlmFusion.Training;

/// <summary>What of the fusion model is trained. Encoders are not meant: one is frozen or trained along by itself.</summary>
public enum TuneMode
{
    /// <summary>Everything.</summary>
    Full,

    /// <summary>Low-rank adapters in the language model, and all that is new: projections, fingerprint and column encoders, modality positions, head.</summary>
    Lora,

    /// <summary>Projections, fingerprint and column encoders, and head.</summary>
    Head,

    /// <summary>As <see cref="Head"/>, and LayerNorms or RMSNorms and positions: the frozen pretrained transformer of Lu et al. (2021).</summary>
    Norms,
}

/// <summary>Parameters that may be left out of the weight decay.</summary>
public enum DecayExemption
{
    /// <summary>Factors and offsets of LayerNorms and RMSNorms.</summary>
    Norms,

    /// <summary>Biases, those of LayerNorms among them.</summary>
    Biases,

    /// <summary>Tables of tokens and positions, modality positions among them.</summary>
    Embeddings,
}

/// <summary>How many numbers of a part of the network are trained.</summary>
/// <param name="Part">The part, in words.</param>
/// <param name="Trained">Numbers that the optimiser changes.</param>
/// <param name="Frozen">Numbers that stay as they are.</param>
public sealed record PartParameters(string Part, long Trained, long Frozen);

/// <summary>Decides what of a network is trained, and how: gradients, learning rates, weight decay.</summary>
public static class Tuning
{
    private const string Fusion = "fusion.", LanguageModel = Fusion + "llm.", Positions = Fusion + FusionModel.PositionsName;

    /// <summary>Switches the gradients of what stays frozen off; it needs no optimiser state then, and no weight gradient is computed.</summary>
    /// <param name="network">The network; for <see cref="TuneMode.Lora"/> its language model has adapters.</param>
    /// <param name="config">A checked configuration.</param>
    /// <returns>The trained parameters, in groups of one rate and one weight decay.</returns>
    public static IReadOnlyList<ParameterGroup> Apply(PropertyModel network, RunConfig config)
    {
        Dictionary<(double Decay, double Rate), List<(string Name, Parameter Value)>> groups = [];
        foreach ((string name, Parameter value, ParameterKind kind) in ParametersOf(network))
        {
            value.requires_grad = IsTrained(config.Tune, name, kind);
            if (!value.requires_grad) continue;
            (double, double) group = (IsExempt(config.NoDecay, name, kind) ? 0 : config.WeightDecay, RateFactor(config, name));
            if (!groups.TryGetValue(group, out List<(string, Parameter)>? members)) groups[group] = members = [];
            members.Add((name, value));
        }

        return [.. groups.Select(g => new ParameterGroup(g.Value, g.Key.Decay, g.Key.Rate))];
    }

    /// <summary>The parameters of each part, in the order of the computation.</summary>
    /// <param name="network">The network, after <see cref="Apply"/>.</param>
    /// <param name="frozen">The frozen encoders beside it.</param>
    public static IReadOnlyList<PartParameters> Count(PropertyModel network, IReadOnlyDictionary<Modality, FrozenEncoder> frozen) =>
    [
        .. frozen.Select(f => new PartParameters($"encoder {f.Key} ({f.Value.Name})", 0, f.Value.CountParameters())),
        .. ParametersOf(network).GroupBy(p => PartOf(p.Name, p.Kind)).Select(part => new PartParameters(part.Key,
            part.Where(p => p.Value.requires_grad).Sum(p => p.Value.numel()), part.Where(p => !p.Value.requires_grad).Sum(p => p.Value.numel()))),
    ];

    private static IEnumerable<(string Name, Parameter Value, ParameterKind Kind)> ParametersOf(PropertyModel network) =>
        ParameterKinds.Of(network).Select(p => p.Name == Positions ? p with { Kind = ParameterKind.Embedding } : p);

    private static bool IsTrained(TuneMode mode, string name, ParameterKind kind)
    {
        if (!name.StartsWith(LanguageModel, StringComparison.Ordinal)) return mode != TuneMode.Head || name != Positions;
        return mode switch
        {
            TuneMode.Full => true,
            TuneMode.Lora => kind == ParameterKind.Adapter,
            TuneMode.Norms => kind is ParameterKind.Norm or ParameterKind.Embedding, // its only table is that of positions
            _ => false,
        };
    }

    private static bool IsExempt(IReadOnlyList<DecayExemption> exempt, string name, ParameterKind kind) => exempt.Any(e => e switch
    {
        DecayExemption.Norms => kind == ParameterKind.Norm,
        DecayExemption.Embeddings => kind == ParameterKind.Embedding,
        _ => name.EndsWith(".bias", StringComparison.Ordinal),
    });

    private static double RateFactor(RunConfig config, string name) =>
        config.EncoderLearningRates.TryGetValue(name.Split('.')[0], out double rate) ? rate / config.LearningRate : 1;

    private static string PartOf(string name, ParameterKind kind)
    {
        if (!name.StartsWith(Fusion, StringComparison.Ordinal)) return $"encoder {name.Split('.')[0]}";
        return name[Fusion.Length..].Split('.')[0] switch
        {
            "llm" => kind == ParameterKind.Adapter ? "adapters" : "language model",
            "fp_encoder" => "fingerprint encoder",
            "atom_head" => "atom contributions",
            FusionModel.PositionsName => "modality positions",
            var projection when projection.StartsWith("proj_", StringComparison.Ordinal) => "projections",
            var other => other.Replace("encoder_", "encoder ", StringComparison.Ordinal),
        };
    }
}
