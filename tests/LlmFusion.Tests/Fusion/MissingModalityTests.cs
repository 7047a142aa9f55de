using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Fusion;

public class MissingModalityTests
{
    /// <summary>In use a modality that no molecule of the batch has is left out of the stack; in training it is masked. Both are the same.</summary>
    [Theory]
    [InlineData(PositionMode.ModalityAndLlm)]
    [InlineData(PositionMode.None)]
    public void What_no_molecule_has_is_left_out_without_a_change(PositionMode positions)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(3);
        Modality[] modalities = [.. "abcd".Select(c => Modality.Named($"{c}", ModalityKind.Vectors))];
        FusionConfig config = new() { Modalities = modalities, Widths = modalities.ToDictionary(m => m, _ => 16), Targets = 2, Positions = positions };
        using PropertyModel model = new(new Dictionary<Modality, LlmFusion.Embedding.SequenceEncoder>(), graph: null,
            new FusionModel(config, new Gpt2(new Gpt2Config { Width = 16, Heads = 2, Layers = 2, Positions = 4, EmbeddingDropout = 0, AttentionDropout = 0, ResidualDropout = 0 }, tokenEmbedding: false)));
        float[] Vector(int seed) => [.. Enumerable.Range(0, 16).Select(i => MathF.Sin(seed + i))];
        // The first lacks a and c, the second a alone.
        MoleculeInputs[] inputs = [new([null, new ModalityInput.Vector(Vector(1)), null, new ModalityInput.Vector(Vector(2))]),
            new([null, new ModalityInput.Vector(Vector(3)), new ModalityInput.Vector(Vector(4)), new ModalityInput.Vector(Vector(5))])];
        foreach (MoleculeInputs[] some in new[] { inputs, inputs[..1] })
        {
            Batch batch = Batch.Of(some, modalities, 16, CPU);
            Assert.False(batch.Has(modalities[0]));
            model.train();
            Tensor masked = model.Forward(batch);
            model.eval();
            Assert.True((model.Forward(batch) - masked).abs().max().item<float>() < 1e-5);
        }
    }
}
