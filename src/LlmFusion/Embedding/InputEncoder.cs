using LlmFusion.Modalities;
using LlmFusion.Transformers.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Embedding;

/// <summary>What was cut off of a modality's sequences.</summary>
/// <param name="Molecules">Molecules whose sequence was longer than its encoder reads.</param>
/// <param name="Tokens">Tokens that were cut off of them.</param>
public readonly record struct Truncation(long Molecules, long Tokens);

/// <summary>
/// From representations to what the network reads: ids for encoders that are trained along, embeddings of frozen encoders,
/// fingerprints, standardised columns, vectors from files. One for training and for every use of the trained model.
/// </summary>
public sealed class InputEncoder : IDisposable
{
    private readonly Dictionary<Modality, Truncation> _truncated = [];
    private readonly Dictionary<Modality, EmbeddingEngine> _engines = [];

    /// <param name="representation">What is computed of each molecule.</param>
    /// <param name="tokenizers">Of the modalities whose encoder is trained along.</param>
    /// <param name="frozen">Of the modalities that have a frozen encoder; they become this object's.</param>
    /// <param name="scalers">Of the modalities made of columns.</param>
    /// <param name="components">Names of the components of the modalities made of vectors.</param>
    /// <param name="tuned">Of the modalities that have a pretrained encoder which is trained along.</param>
    public InputEncoder(RepresentationOptions representation, IReadOnlyDictionary<Modality, InputTokenizer> tokenizers, IReadOnlyDictionary<Modality, FrozenEncoder> frozen,
        IReadOnlyDictionary<Modality, ColumnScaler> scalers, IReadOnlyDictionary<Modality, IReadOnlyList<string>> components,
        IReadOnlyDictionary<Modality, TunedEncoder>? tuned = null)
    {
        Representation = representation;
        Tokenizers = tokenizers;
        Frozen = frozen;
        Scalers = scalers;
        Components = components;
        Tuned = tuned ?? new Dictionary<Modality, TunedEncoder>();
        Use(null, CPU);
    }

    /// <summary>What is computed of each molecule.</summary>
    public RepresentationOptions Representation { get; }

    /// <summary>Vocabularies of the modalities that have a new encoder, which is trained along.</summary>
    public IReadOnlyDictionary<Modality, InputTokenizer> Tokenizers { get; }

    /// <summary>The frozen encoders.</summary>
    public IReadOnlyDictionary<Modality, FrozenEncoder> Frozen { get; }

    /// <summary>The pretrained encoders that are trained along.</summary>
    public IReadOnlyDictionary<Modality, TunedEncoder> Tuned { get; }

    /// <summary>Means and deviations of the columns.</summary>
    public IReadOnlyDictionary<Modality, ColumnScaler> Scalers { get; }

    /// <summary>Names of the components of vectors from files.</summary>
    public IReadOnlyDictionary<Modality, IReadOnlyList<string>> Components { get; }

    /// <summary>What was cut off so far, of the modalities where anything was.</summary>
    public IReadOnlyDictionary<Modality, Truncation> Truncated => _truncated;

    /// <summary>Sequences that frozen encoders have computed so far, and those that the store had.</summary>
    public (long Computed, long Found) Embeddings => (_engines.Values.Sum(e => e.Computed), _engines.Values.Sum(e => e.Found));

    /// <summary>Says where frozen encoders compute, and where their embeddings are kept.</summary>
    /// <param name="store">Null: nowhere. Stays the caller's.</param>
    /// <param name="device">Where they compute.</param>
    public void Use(EmbeddingStore? store, Device device)
    {
        foreach ((Modality modality, FrozenEncoder encoder) in Frozen) _engines[modality] = new EmbeddingEngine(encoder, store, device);
    }

    /// <summary>Width of a modality's embedding, where it comes ready; the length of the vector for fingerprint and columns.</summary>
    public int WidthOf(Modality modality) => modality.Kind switch
    {
        ModalityKind.Fingerprint => Representation.Fingerprint.Size,
        ModalityKind.Columns => Representation.Columns[modality].Count,
        ModalityKind.Vectors => Components[modality].Count,
        _ => Frozen[modality].Width,
    };

    /// <summary>What the network reads of N molecules.</summary>
    /// <param name="molecules">N molecules.</param>
    /// <param name="progress">Called while a frozen encoder computes, with its modality, the number of different sequences done and of molecules in all.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public MoleculeInputs[] Encode(IReadOnlyList<Representations> molecules, Action<Modality, int, int>? progress = null, CancellationToken cancellation = default)
    {
        IReadOnlyList<Modality> modalities = Representation.Modalities;
        ModalityInput?[][] inputs = [.. molecules.Select(_ => new ModalityInput?[modalities.Count])];
        for (int m = 0; m < modalities.Count; m++)
        {
            ModalityInput?[] column = InputsOf(modalities[m], molecules, progress, cancellation);
            for (int n = 0; n < inputs.Length; n++) inputs[n][m] = column[n];
        }

        return [.. inputs.Select(i => new MoleculeInputs(i))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (FrozenEncoder encoder in Frozen.Values) encoder.Dispose();
    }

    private ModalityInput?[] InputsOf(Modality modality, IReadOnlyList<Representations> molecules, Action<Modality, int, int>? progress, CancellationToken cancellation)
    {
        if (_engines.TryGetValue(modality, out EmbeddingEngine? engine))
        {
            Embedded?[] embedded = engine.Embed([.. molecules.Select(m => m.SequenceOf(modality))], done => progress?.Invoke(modality, done, molecules.Count), cancellation);
            return [.. embedded.Select(e => Counted(modality, e?.Dropped ?? 0, e is null ? null : new ModalityInput.Vector(e.Vector)))];
        }

        return [.. molecules.Select(molecule => InputOf(modality, molecule))];
    }

    private ModalityInput? InputOf(Modality modality, Representations molecule)
    {
        switch (modality.Kind)
        {
            case ModalityKind.Fingerprint:
                return molecule.Fingerprint is { } counts ? new ModalityInput.Fingerprint(counts) : null;
            case ModalityKind.Graph:
                return molecule.Graph is { } graph ? new ModalityInput.Graph(graph) : null;
            case ModalityKind.Columns:
                return molecule.Numbers.TryGetValue(modality, out float[]? columns) ? new ModalityInput.Vector(Scalers[modality].Scale(columns)) : null;
            case ModalityKind.Vectors:
                return molecule.Numbers.TryGetValue(modality, out float[]? vector) ? new ModalityInput.Vector(vector) : null;
            default:
                if (molecule.SequenceOf(modality) is not { } text) return null;
                if (Tuned.TryGetValue(modality, out TunedEncoder? tuned))
                {
                    TokenizedText tokens = tuned.Tokenize(text);
                    return Counted(modality, tokens.Dropped, tokens.Ids.Length == 0 ? null : new ModalityInput.Tokens(tokens.Ids));
                }

                int[] ids = Tokenizers[modality].Encode(text, out int dropped);
                return Counted(modality, dropped, new ModalityInput.Tokens(ids));
        }
    }

    private ModalityInput? Counted(Modality modality, int dropped, ModalityInput? input)
    {
        if (dropped == 0) return input;
        Truncation so = _truncated.GetValueOrDefault(modality);
        _truncated[modality] = new Truncation(so.Molecules + 1, so.Tokens + dropped);
        return input;
    }
}
