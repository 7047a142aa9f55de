using System.Text.Json;
using LlmFusion.Fusion;
using LlmFusion.Modalities;
using LlmFusion.Training;
using LlmFusion.Transformers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace LlmFusion.Tests.Fusion;

/// <summary>The paper's model against the plain PyTorch model over Hugging Face's GPT2Model: outputs, gradients, three steps of AdamW.</summary>
public class FusionParityTests(ITestOutputHelper output)
{
    private static readonly Modality[] All = [Modality.Smiles, Modality.Selfies, Modality.Text, Modality.Fingerprint];

    [Theory]
    [InlineData("fusion-tiny", ModalityEncoding.Learned)]
    [InlineData("fusion-tiny-sinusoidal", ModalityEncoding.Sinusoidal)]
    public void Outputs_gradients_and_three_optimiser_steps_equal_the_reference(string name, ModalityEncoding encoding)
    {
        using GoldenCase golden = new(name, output);
        using FusionModel model = Load(golden, encoding, PositionMode.ModalityAndLlm);
        using FusionModel withoutLlmPositions = Load(golden, encoding, PositionMode.Modality);
        Dictionary<Modality, Tensor> inputs = All.ToDictionary(m => m, m => golden["input." + m.Name]);

        FusionOutput result = model.Forward(inputs);
        golden.Compare("stacked", result.Stacked);
        golden.Compare("last_hidden_state", result.Hidden);
        golden.Compare("fused", result.Fused);
        golden.Compare("pred", result.Prediction);
        golden.Compare("pred_no_wpe", withoutLlmPositions.Forward(inputs).Prediction);

        using AdamW optimizer = new([new ParameterGroup([.. model.named_parameters().Select(p => (p.name, p.parameter))])]);
        List<float> losses = [];
        for (int step = 1; step <= 3; step++)
        {
            Tensor loss = Losses.Of(LossKind.Mse, model.Forward(inputs).Prediction, golden["y"], known: null);
            losses.Add(loss.item<float>());
            loss.backward();
            if (step == 1)
            {
                golden.Compare("loss", loss);
                foreach ((string parameter, Parameter value) in model.named_parameters()) golden.Compare("grad." + parameter, value.grad!);
            }

            optimizer.Step(1e-3);
            model.zero_grad(set_to_none: true);
            foreach ((string parameter, Parameter value) in model.named_parameters())
                if (step == 1 && golden.Expects("adamw.after1." + parameter)) golden.Compare("adamw.after1." + parameter, value);
        }

        losses.Add(Losses.Of(LossKind.Mse, model.Forward(inputs).Prediction, golden["y"], known: null).item<float>());
        golden.Compare("adamw.losses", tensor(losses));
        foreach ((string parameter, Parameter value) in model.named_parameters()) golden.CompareTrained("adamw.after3." + parameter, value);
        // The word embedding is never used and never trained, so the model does not hold it.
        golden.CompareTrained("adamw.after3.llm.wte.weight", Safetensors.Read(Path.Combine(golden.Folder, "model.safetensors"))["llm.wte.weight"]);
        golden.AllCompared();
    }

    [Fact]
    public void An_absent_modality_changes_nothing_for_the_others_and_its_values_never_matter()
    {
        using DisposeScope scope = NewDisposeScope();
        using FusionModel model = Tiny();
        Dictionary<Modality, Tensor> inputs = Random(4);
        Tensor all = model.Forward(inputs).Prediction;
        Tensor present = tensor(new long[] { 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1 }).view(4, 4);
        Tensor some = model.Forward(inputs, present).Prediction;
        Close(all[0], some[0]);
        Close(all[2], some[2]);
        Assert.True((all[1] - some[1]).abs().max().item<float>() > 1e-4, "leaving out the text changed nothing");

        inputs[Modality.Text] = inputs[Modality.Text].clone();
        inputs[Modality.Text][1].fill_(1000);
        Close(some, model.Forward(inputs, present).Prediction);
    }

    [Theory]
    [InlineData("smiles")]
    [InlineData("fingerprint")]
    public void A_molecule_with_one_modality_equals_the_model_that_has_only_that_one(string name)
    {
        Modality only = Modality.Parse(name);
        using DisposeScope scope = NewDisposeScope();
        // Without positions a token does not depend on where it stands, so both must agree.
        using FusionModel all = Tiny(positions: PositionMode.None);
        using FusionModel one = Tiny([only], PositionMode.None);
        Checkpoint.Load(one, all.state_dict().Where(t => one.state_dict().ContainsKey(t.Key)).ToDictionary(t => t.Key, t => t.Value));
        Dictionary<Modality, Tensor> inputs = Random(3);
        Tensor present = zeros(3, 4, dtype: ScalarType.Int64);
        present.select(1, Array.IndexOf(All, only)).fill_(1);
        Close(one.Forward(inputs).Prediction, all.Forward(inputs, present).Prediction);
    }

    [Fact]
    public void Live_tensors_do_not_grow_over_steps()
    {
        using FusionModel model = Tiny();
        using AdamW optimizer = new([new ParameterGroup([.. model.named_parameters().Select(p => (p.name, p.parameter))])]);
        long before = 0;
        for (int step = 0; step < 6; step++)
        {
            using (NewDisposeScope())
            {
                Losses.Of(LossKind.Mae, model.Forward(Random(2)).Prediction, zeros(2, 2), known: null).backward();
                optimizer.Step(1e-3);
                model.zero_grad(set_to_none: true);
            }

            if (step == 2) before = Tensor.TotalCount;
        }

        Assert.True(Tensor.TotalCount <= before, $"{before} live tensors after 3 steps, {Tensor.TotalCount} after 6");
    }

    [Fact]
    public void A_projection_stands_only_where_widths_differ_and_never_for_the_fingerprint()
    {
        using FusionModel model = Tiny();
        string[] names = [.. model.state_dict().Keys];
        Assert.Contains("proj_selfies.weight", names);
        Assert.DoesNotContain("proj_smiles.weight", names);
        Assert.DoesNotContain("proj_fingerprint.weight", names);
        Assert.Contains("fp_encoder.weight", names);
    }

    private static FusionModel Load(GoldenCase golden, ModalityEncoding encoding, PositionMode positions)
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(golden.Folder, "config.json")));
        int width = config.RootElement.GetProperty("d").GetInt32();
        FusionModel model = new(new FusionConfig
        {
            Modalities = All,
            Widths = new Dictionary<Modality, int>
            {
                [Modality.Smiles] = width,
                [Modality.Selfies] = config.RootElement.GetProperty("d_selfies").GetInt32(),
                [Modality.Text] = width,
                [Modality.Fingerprint] = config.RootElement.GetProperty("fingerprint_bits").GetInt32(),
            },
            Targets = config.RootElement.GetProperty("targets").GetInt32(),
            Encoding = encoding,
            Positions = positions,
        }, new Gpt2(Gpt2Config.From(config.RootElement.GetProperty("llm")), tokenEmbedding: false));
        Checkpoint.LoadFile(model, Path.Combine(golden.Folder, "model.safetensors"), name => name == "llm.wte.weight" ? null : name);
        return model;
    }

    private static FusionModel Tiny(Modality[]? modalities = null, PositionMode positions = PositionMode.ModalityAndLlm)
    {
        manual_seed(3);
        Gpt2Config llm = new() { Width = 32, Layers = 2, Heads = 2, Positions = 4, VocabSize = 1, InitializerRange = 0.2, ResidualDropout = 0, EmbeddingDropout = 0, AttentionDropout = 0 };
        FusionModel model = new(new FusionConfig
        {
            Modalities = modalities ?? All,
            Widths = new Dictionary<Modality, int> { [Modality.Smiles] = 32, [Modality.Selfies] = 24, [Modality.Text] = 32, [Modality.Fingerprint] = 64 },
            Targets = 2,
            Positions = positions,
        }, new Gpt2(llm, tokenEmbedding: false));
        return model;
    }

    private static Dictionary<Modality, Tensor> Random(int count)
    {
        manual_seed(5);
        return new() { [Modality.Smiles] = randn(count, 32), [Modality.Selfies] = randn(count, 24), [Modality.Text] = randn(count, 32), [Modality.Fingerprint] = rand(count, 64) };
    }

    // Masked and unmasked attention sum in another order: a few units in the last place of numbers around 1.
    private static void Close(Tensor expected, Tensor actual) => Assert.True((expected - actual).abs().max().item<float>() < 1e-5);
}
