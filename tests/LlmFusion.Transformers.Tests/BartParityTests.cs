using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public class BartParityTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("bart-tiny")]
    [InlineData("bart-tiny-noprefix")]
    [InlineData("bart-tiny-scaled")]
    [InlineData("bart-tiny-scaled-noprefix")]
    public void Equals_Hugging_Face(string name)
    {
        using GoldenCase golden = new(name, output);
        using Bart model = Bart.Load(golden.Folder, languageHead: golden.Expects("lm_logits"));
        model.eval();
        Tensor ids = golden["input_ids"], mask = golden["attention_mask"];

        Tensor encoded = model.Encode(ids, mask);
        golden.Compare("encoder.last_hidden_state", encoded);
        golden.Compare("encoder.embeddings", model.EmbedForEncoder(ids));
        golden.Compare("encoder.masked_mean", Pooling.MaskedMean(encoded, mask));
        Tensor decoded = model.Decode(golden["decoder_input_ids"], encoded, mask);
        golden.Compare("decoder.last_hidden_state", decoded);
        if (golden.Expects("lm_logits"))
        {
            Tensor logits = model.Logits(decoded);
            golden.Compare("lm_logits", logits);
            golden.Compare("lm_loss", nn.functional.cross_entropy(logits.flatten(0, 1), golden["labels"].flatten(), ignore_index: -100));
        }
        golden.AllCompared();
    }

    [Theory]
    [InlineData("bart-tiny")]
    [InlineData("bart-tiny-noprefix")]
    [InlineData("bart-tiny-scaled")]
    [InlineData("bart-tiny-scaled-noprefix")]
    public void The_encoder_alone_equals_Hugging_Face(string name)
    {
        using GoldenCase golden = new(name, output);
        using BartEncoder encoder = BartEncoder.Load(golden.Folder);
        encoder.eval();
        golden.Compare("encoder.last_hidden_state", encoder.Forward(golden["input_ids"], golden["attention_mask"]));
        Assert.Contains("embed_tokens.weight", Checkpoint.StateOf(encoder).Keys);
    }
}
