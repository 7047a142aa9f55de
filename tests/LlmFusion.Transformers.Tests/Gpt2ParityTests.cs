using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public class Gpt2ParityTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("gpt2-tiny")]
    [InlineData("gpt2-tiny-gelu-ninner")]
    [InlineData("gpt2-tiny-invlayer")]
    [InlineData("gpt2-tiny-legacy-buffers")]
    [InlineData("gpt2-tiny-lm")]
    [InlineData("gpt2-tiny-noscale")]
    public void Equals_Hugging_Face(string name)
    {
        using GoldenCase golden = new(name, output);
        using Gpt2 model = Gpt2.Load(golden.Folder);
        model.eval();
        Tensor ids = golden["input_ids"], mask = golden["attention_mask"];

        Tensor hidden = model.Forward(ids, attentionMask: mask);
        golden.Compare("last_hidden_state", hidden);
        golden.Compare("masked_mean", Pooling.MaskedMean(hidden, mask));
        Tensor embedded = model.Embed(ids, null, null, addPositions: true);
        golden.Compare("hidden_states.0", embedded);
        golden.Compare("hidden_states.1", model.Blocks[0].forward(embedded, Attention.CausalMask(mask)));
        Tensor unmasked = model.Forward(ids);
        golden.Compare("last_hidden_state_nomask", unmasked);
        golden.Compare("last_hidden_state_left",
            model.Forward(ids, attentionMask: golden["attention_mask_left"], positionIds: golden["position_ids_left"]));
        if (golden.Expects("causal.last_hidden_state"))
            golden.Compare("causal.last_hidden_state", model.Forward(golden["causal.input_ids"]));
        if (golden.Expects("lm_logits_nomask"))
            golden.Compare("lm_logits_nomask", model.Logits(unmasked));

        Embeddings(golden, model);
        if (golden.Expects("grad_case.loss"))
            Gradients(golden, model);
        golden.AllCompared();
    }

    /// <summary>The path of LLM-Fusion: ready embeddings, with and without GPT-2's own positions.</summary>
    private static void Embeddings(GoldenCase golden, Gpt2 model)
    {
        Tensor embeds = golden["inputs_embeds"];
        Tensor hidden = model.Forward(null, embeds);
        golden.Compare("embeds.last_hidden_state", hidden);
        golden.Compare("embeds.mean", Pooling.MaskedMean(hidden, null));
        golden.Compare("embeds_minus_wpe.last_hidden_state", model.Forward(null, embeds, addPositions: false));
    }

    private static void Gradients(GoldenCase golden, Gpt2 model)
    {
        Tensor embeds = golden["inputs_embeds"].clone().requires_grad_();
        Tensor weight = golden["head.weight"].clone().requires_grad_(), bias = golden["head.bias"].clone().requires_grad_();
        Tensor predicted = nn.functional.linear(Pooling.MaskedMean(model.Forward(null, embeds), null), weight, bias);
        golden.Compare("grad_case.pred", predicted);
        Tensor loss = (predicted - golden["y"]).square().mean();
        golden.Compare("grad_case.loss", loss);
        loss.backward();

        Dictionary<string, Tensor> leaves = model.named_parameters().ToDictionary(item => item.name, item => (Tensor)item.parameter);
        Assert.Null(leaves["wte.weight"].grad);
        leaves["inputs_embeds"] = embeds;
        leaves["head.weight"] = weight;
        leaves["head.bias"] = bias;
        foreach (string name in golden.Gradients)
            golden.Compare(name, leaves[name["grad.".Length..]].grad!);
    }
}
