using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public class RobertaParityTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("roberta-tiny")]
    [InlineData("roberta-tiny-noprefix")]
    [InlineData("roberta-tiny-bin")]
    [InlineData("roberta-tiny-bin-legacy")]
    [InlineData("roberta-tiny-bin-pickle")]
    public void Equals_Hugging_Face(string name)
    {
        using GoldenCase golden = new(name, output);
        using Roberta model = Roberta.Load(golden.Folder, pooler: golden.Expects("pooler_output"), languageHead: golden.Expects("mlm_logits"));
        model.eval();
        Tensor ids = golden["input_ids"], mask = golden["attention_mask"];

        Tensor hidden = model.Forward(ids, mask);
        golden.Compare("last_hidden_state", hidden);
        golden.Compare("cls", Pooling.ClassToken(hidden));
        golden.Compare("masked_mean", Pooling.MaskedMean(hidden, mask));
        Tensor embedded = model.Embeddings.forward(ids);
        golden.Compare("embeddings", embedded);
        golden.Compare("hidden_states.1", model.Layers[0].forward(embedded, Attention.PaddingMask(mask)));
        golden.Compare("row0_nomask", model.Forward(ids.narrow(0, 0, 1)));
        golden.Compare("last_hidden_state_ones_mask", model.Forward(ids, golden["all_ones_mask"]));
        if (golden.Expects("pooler_output"))
            golden.Compare("pooler_output", model.Pool(hidden));
        if (golden.Expects("mlm_logits"))
            golden.Compare("mlm_logits", model.Logits(hidden));
        golden.AllCompared();
    }

    [Theory]
    [InlineData("roberta-tiny")]
    [InlineData("roberta-tiny-noprefix")]
    public void Heads_are_left_out_where_they_are_not_asked_for(string name)
    {
        using GoldenCase golden = new(name, output);
        using Roberta model = Roberta.Load(golden.Folder);
        model.eval();
        golden.Compare("last_hidden_state", model.Forward(golden["input_ids"], golden["attention_mask"]));
        Assert.Throws<InvalidOperationException>(() => model.Pool(golden["last_hidden_state"]));
        Assert.Throws<InvalidOperationException>(() => model.Logits(golden["last_hidden_state"]));
    }
}
