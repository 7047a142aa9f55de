using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Training;

public sealed class WeightAverageTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Parameter _weight = new(tensor(new float[] { 1, 2 }));

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void The_average_follows_the_weights_and_stands_in_their_place_while_it_is_used()
    {
        using WeightAverage average = new([("w", _weight)], 0.2);
        using (average.Use()) Assert.Equal([1, 2], Values(_weight));
        average.Update();
        double expected = 1;
        for (int step = 1; step < 40; step++)
        {
            Set(step, 2 * step);
            average.Update();
            double decay = Math.Min(0.2, (1.0 + step) / (10 + step));
            expected = decay * expected + (1 - decay) * step;
        }

        using (average.Use())
        {
            Assert.Equal(expected, Values(_weight)[0], 1e-4);
            Assert.Equal(expected, Values(average.Over(new Dictionary<string, Tensor> { ["w"] = _weight, ["other"] = _weight })["w"])[0], 1e-4);
        }

        Assert.Equal([39, 78], Values(_weight));
        Assert.Equal([39, 78], Values(average.Over(new Dictionary<string, Tensor> { ["other"] = _weight })["other"]));
    }

    [Fact]
    public void Live_tensors_do_not_grow_over_steps_and_uses()
    {
        using WeightAverage average = new([("w", _weight)], 0.9);
        average.Update();
        long before = LlmFusion.Transformers.Tests.LiveTensors.Count();
        for (int step = 0; step < 5; step++)
        {
            average.Update();
            average.Use().Dispose();
        }

        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void A_saved_state_goes_on_as_if_nothing_had_been_and_another_is_refused()
    {
        using WeightAverage whole = new([("w", _weight)], 0.9), cut = new([("w", _weight)], 0.9), gone = new([("w", _weight)], 0.9);
        for (int step = 0; step < 5; step++)
        {
            Set(step, -step);
            whole.Update();
            if (step < 3) cut.Update();
            else gone.Update();
            if (step == 2) gone.LoadState(cut.State());
        }

        Assert.Equal(Values(whole.State()["w"]), Values(gone.State()["w"]));
        Assert.Throws<InvalidDataException>(() => gone.LoadState(new Dictionary<string, Tensor>()));
        Assert.Contains("average of w", Assert.Throws<InvalidDataException>(() => gone.LoadState(new Dictionary<string, Tensor> { ["steps"] = tensor(new[] { 3L }) })).Message);
    }

    [Fact]
    public void Groups_have_the_rates_of_their_encoders_and_leave_out_of_the_decay_what_they_are_told()
    {
        manual_seed(1);
        using PropertyModel network = new(new Dictionary<Modality, LlmFusion.Embedding.SequenceEncoder>
        {
            [Modality.Smiles] = new(new Roberta(new RobertaConfig { VocabSize = 9, Positions = 9, Width = 8, Layers = 1, Heads = 2, Inner = 16 }), PoolingKind.ClassToken),
        }, graph: null, new FusionModel(new FusionConfig { Modalities = [Modality.Smiles, Modality.Fingerprint], Widths = new Dictionary<Modality, int> { [Modality.Smiles] = 8, [Modality.Fingerprint] = 16 }, Targets = 1 },
            new Gpt2(new Gpt2Config { VocabSize = 1, Positions = 4, Width = 16, Layers = 1, Heads = 2 }, tokenEmbedding: false)));
        RunConfig config = new() { Data = "demo", WeightDecay = 0.1, LearningRate = 1e-3 };
        ParameterGroup all = Assert.Single(Tuning.Apply(network, config));
        Assert.Equal((0.1, 1), (all.WeightDecay, all.RateFactor));
        Assert.Equal(network.named_parameters().Select(p => p.name), all.Parameters.Select(p => p.Name));

        IReadOnlyList<ParameterGroup> groups = Tuning.Apply(network, config with { NoDecay = [DecayExemption.Norms, DecayExemption.Biases, DecayExemption.Embeddings], EncoderLearningRates = new() { ["smiles"] = 1e-5 } });
        Assert.Equal([(0, 0.01), (0, 1), (0.1, 0.01), (0.1, 1)], groups.Select(g => (g.WeightDecay, Math.Round(g.RateFactor, 12))).Order());
        Assert.Equal(all.Parameters.Select(p => p.Name).Order(), groups.SelectMany(g => g.Parameters).Select(p => p.Name).Order());
        Assert.All(groups.Where(g => g.RateFactor != 1), g => Assert.All(g.Parameters, p => Assert.StartsWith("smiles.", p.Name)));
        Assert.All(groups.Where(g => g.WeightDecay > 0).SelectMany(g => g.Parameters), p => Assert.True(p.Value.dim() == 2 && !p.Name.Contains("embeddings") && !p.Name.Contains("wpe") && !p.Name.Contains("modality_pos"), p.Name));
        string[] biases = [.. Tuning.Apply(network, config with { NoDecay = [DecayExemption.Biases] }).Single(g => g.WeightDecay == 0).Parameters.Select(p => p.Name)];
        Assert.Contains("fusion.llm.ln_f.bias", biases);
        Assert.All(biases, n => Assert.EndsWith(".bias", n));
    }

    private void Set(float first, float second)
    {
        using IDisposable noGrad = no_grad();
        _weight.copy_(tensor(new[] { first, second }));
    }

    private static float[] Values(Tensor tensor) => [.. tensor.detach().data<float>()];
}
