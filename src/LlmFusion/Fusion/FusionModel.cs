using LlmFusion.Modalities;
using LlmFusion.Transformers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Fusion;

/// <summary>What the fusion model computes for N molecules of M modalities.</summary>
/// <param name="Stacked">Modality tokens with their encodings (N, M, d): the language model's input embeddings. With atoms as tokens (N, M - 1 + L, d).</param>
/// <param name="Hidden">The language model's last hidden state, of the same shape.</param>
/// <param name="Fused">Mean over the molecule's tokens (N, d).</param>
/// <param name="Prediction">Targets in scaled units (N, T).</param>
public sealed record FusionOutput(Tensor Stacked, Tensor Hidden, Tensor Fused, Tensor Prediction);

/// <summary>The atoms of N molecules, padded.</summary>
/// <param name="States">(N, L, d_m)</param>
/// <param name="Mask">(N, L) int64: 1 where there is an atom.</param>
public sealed record AtomTokens(Tensor States, Tensor Mask);

/// <summary>
/// The paper's model (P4 to P11): one token per modality, stacked, told apart by positional encodings, through a language
/// model at its input embeddings, averaged, and mapped to the targets by one linear layer.
/// <code>
/// e_m = Projection_m(z_m)            a Linear only where d_m != d; fingerprint and columns have Linear + ReLU instead
/// T   = stack(e_1 .. e_M) + P        y = Linear(mean over M of LLM(inputs_embeds = T))
/// </code>
/// A molecule may lack modalities: their tokens are masked out of the attention and of the mean. Targets may be sums over atoms, where there is a graph:
/// y_t = b_t + (sum over atoms i of MLP_t(h_i)) / 16 instead. The language model's norms hide how large a molecule is, and some properties grow with it.
/// </summary>
public sealed class FusionModel : nn.Module
{
    /// <summary>Name of the tensor with the modality encodings.</summary>
    public const string PositionsName = "modality_pos";

    private readonly Dictionary<Modality, Linear> _projections = [];
    private readonly Dictionary<Modality, Linear> _linearEncoders = [];
    private readonly Tensor? _modalityPositions;
    private readonly LanguageModel _llm;
    private readonly Linear _head;
    private readonly AtomHead? _atomHead;

    /// <summary>Builds the model with freshly initialised weights (torch's generator decides them).</summary>
    /// <param name="config">Modalities, widths, targets.</param>
    /// <param name="llm">The language model, whose width is d; it becomes this module's. Any works that reads embeddings (P3).</param>
    /// <exception cref="ArgumentException">The parts of <paramref name="config"/> do not fit each other.</exception>
    public FusionModel(FusionConfig config, LanguageModel llm)
        : base(nameof(FusionModel))
    {
        config.Check();
        Config = config;
        int width = llm.Width;
        foreach (Modality modality in config.Modalities)
        {
            if (IsEncodedHere(modality))
                register_module(EncoderName(modality), _linearEncoders[modality] = nn.Linear(config.Widths[modality], width));
            else if (config.Widths[modality] != width)
                register_module(ProjectionName(modality), _projections[modality] = nn.Linear(config.Widths[modality], width));
        }

        if (config.Positions is PositionMode.ModalityAndLlm or PositionMode.Modality)
        {
            if (config.Encoding == ModalityEncoding.Learned)
            {
                Parameter table = new(nn.init.normal_(empty(config.Modalities.Count, width), 0, 0.02));
                register_parameter(PositionsName, table);
                _modalityPositions = table;
            }
            else
            {
                _modalityPositions = Sinusoidal(config.Modalities.Count, width);
                register_buffer(PositionsName, _modalityPositions);
            }
        }

        register_module("llm", _llm = llm);
        register_module("head", _head = nn.Linear(width, config.Targets));
        if (config.AtomTargets.Count == 0) return;
        register_module("atom_head", _atomHead = new AtomHead(config.AtomWidth, config.AtomTargets.Count));
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        // Where no training molecule lacks a graph, these rows are never trained: the answer without one is then the bias, not chance.
        foreach (int target in config.AtomTargets) _head.weight[target].zero_();
    }

    /// <summary>The configuration that the model was built from.</summary>
    public FusionConfig Config { get; }

    /// <summary>The language model.</summary>
    public LanguageModel Llm => _llm;

    /// <summary>The paper's equations.</summary>
    /// <param name="embeddings">Per modality (N, d_m); rows of molecules that lack the modality hold any finite values. One that is left out is missing for all molecules, and M is less.</param>
    /// <param name="present">(N, M): 1 where the molecule has the modality, at least one per row; null where all have all.</param>
    /// <param name="atoms">The graph, where its atoms are tokens; it has no embedding then.</param>
    /// <param name="contributions">Of the atoms, to the targets that are sums over them; null: no molecule has a graph, or no target is such a sum.</param>
    public FusionOutput Forward(IReadOnlyDictionary<Modality, Tensor> embeddings, Tensor? present = null, AtomTokens? atoms = null, AtomContributions? contributions = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Modality[] given = [.. Config.Modalities.Where(embeddings.ContainsKey)];
        List<Tensor> tokens = [];
        if (given.Length > 0)
        {
            Tensor single = stack(given.Select(m => Project(m, embeddings[m])), dim: 1);            // (N, M, d)
            if (_modalityPositions is not null)
                single = single + (given.Length == Config.Modalities.Count ? _modalityPositions : _modalityPositions.index_select(0, PlacesOf(given, single.device))); // + (M, d)
            tokens.Add(single);
        }

        if (atoms is not null)
        {
            Tensor states = Project(Modality.Graph, atoms.States);                                  // (N, L, d)
            if (_modalityPositions is not null) states = states + _modalityPositions.index_select(0, PlacesOf([Modality.Graph], states.device));
            if (tokens.Count > 0) present = cat([present ?? ones(states.shape[0], given.Length, dtype: ScalarType.Int64, device: states.device), atoms.Mask], 1);
            else present = atoms.Mask;
            tokens.Add(states);
        }

        Tensor stacked = tokens.Count == 1 ? tokens[0] : cat(tokens, 1);                            // (N, M, d), with atoms (N, M - 1 + L, d)
        bool addPositions = Config.Positions is PositionMode.ModalityAndLlm or PositionMode.Llm;
        Tensor hidden = Hidden(stacked, present, PositionsOf(given, stacked), addPositions);         // (N, M, d)
        Tensor fused = present is null ? hidden.mean([1]) : Pooling.MaskedMean(hidden, present);    // (N, d)
        Tensor prediction = _head.forward(fused);                                                   // (N, T)
        if (contributions is not null) prediction = WithSums(prediction, contributions);
        return new FusionOutput(stacked.MoveToOuterDisposeScope(), hidden.MoveToOuterDisposeScope(),
            fused.MoveToOuterDisposeScope(), prediction.MoveToOuterDisposeScope());
    }

    /// <summary>Each atom's contributions to the targets of <see cref="FusionConfig.AtomTargets"/>, of which there must be some.</summary>
    /// <param name="states">The atoms' states (A, d_atom).</param>
    /// <returns>(A, C)</returns>
    internal Tensor Contribute(Tensor states) => _atomHead!.forward(states);

    /// <summary>Names that a modality's own layers may have in the checkpoint.</summary>
    internal static IEnumerable<string> TokenNames(Modality modality) => [EncoderName(modality), ProjectionName(modality)];

    /// <summary>Nothing: the constructor registers by checkpoint name, and a parent's call would add the fields a second time.</summary>
    protected override void RegisterComponents()
    {
    }

    /// <summary>The places of some modalities in the stack (M) int64.</summary>
    internal Tensor PlacesOf(IReadOnlyList<Modality> modalities, Device device) =>
        tensor([.. modalities.Select(m => (long)Config.Modalities.TakeWhile(other => other != m).Count())], device: device);

    /// <summary>The language model's last hidden state (N, L, d). Where many tokens are missing, molecules share its rows.</summary>
    private Tensor Hidden(Tensor stacked, Tensor? present, Tensor? positions, bool addPositions)
    {
        if (present is null || !_llm.TakesSharedRows || SharedRows.Of(present) is not { } rows)
            return _llm.Forward(null, stacked, present, positions, addPositions);
        positions ??= arange(stacked.shape[1], device: stacked.device).expand(stacked.shape[0], stacked.shape[1]); // (N, L)
        return rows.GiveBack(_llm.Forward(null, rows.Gather(stacked), rows.Seen, rows.Gather(positions), addPositions));
    }

    /// <summary>The positions of the tokens in the language model, which are those they have where no modality is left out; null where none is.</summary>
    private Tensor? PositionsOf(Modality[] given, Tensor stacked)
    {
        Modality[] single = [.. Config.Modalities.Where(m => m != Modality.Graph || Config.GraphTokens == GraphTokens.Pooled)];
        if (given.Length == single.Length) return null;
        IEnumerable<long> places = given.Select(m => (long)Array.IndexOf(single, m));
        IEnumerable<long> atoms = Enumerable.Range(single.Length, (int)stacked.shape[1] - given.Length).Select(place => (long)place);
        return tensor([.. places, .. atoms], device: stacked.device).unsqueeze(0).expand(stacked.shape[0], stacked.shape[1]); // (N, L)
    }

    /// <summary>The prediction (N, T), where the targets that are sums over atoms are their sums and the head's bias.</summary>
    private Tensor WithSums(Tensor prediction, AtomContributions contributions)
    {
        Tensor targets = tensor([.. Config.AtomTargets.Select(t => (long)t)], device: prediction.device);   // (C)
        Tensor sums = contributions.Sums + _head.bias!.index_select(0, targets);                            // (N, C)
        if (contributions.Given is { } given) sums = where(given, sums, prediction.index_select(1, targets));
        return prediction.index_copy(1, targets, sums);
    }

    private Tensor Project(Modality modality, Tensor embedding)
    {
        if (_linearEncoders.TryGetValue(modality, out Linear? encoder)) return nn.functional.relu(encoder.forward(embedding));   // (N, d)
        return _projections.TryGetValue(modality, out Linear? projection) ? projection.forward(embedding) : embedding;
    }

    /// <summary>Fingerprint and columns have no encoder of their own: Linear + ReLU, trained with the rest (P16).</summary>
    private static bool IsEncodedHere(Modality modality) => modality.Kind is ModalityKind.Fingerprint or ModalityKind.Columns;

    private static string EncoderName(Modality modality) => modality.Kind == ModalityKind.Fingerprint ? "fp_encoder" : $"encoder_{modality}";

    private static string ProjectionName(Modality modality) => $"proj_{modality}";

    private static Tensor Sinusoidal(int count, int width)
    {
        float[] table = new float[count * width];
        for (int m = 0; m < count; m++)
            for (int i = 0; i < width; i++)
            {
                double angle = m * Math.Exp(i / 2 * 2 * (-Math.Log(10000.0) / width));
                table[m * width + i] = (float)(i % 2 == 0 ? Math.Sin(angle) : Math.Cos(angle));
            }

        return tensor(table).view(count, width);
    }
}
