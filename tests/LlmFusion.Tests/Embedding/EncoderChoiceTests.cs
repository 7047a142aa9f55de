using LlmFusion.Embedding;
using LlmFusion.Transformers;
using Xunit;

namespace LlmFusion.Tests.Embedding;

public sealed class EncoderChoiceTests
{
    [Fact]
    public void Model_revision_pooling_and_length_are_read()
    {
        Assert.Equal(new EncoderChoice { Model = "chemberta" }, EncoderChoice.Parse("chemberta"));
        Assert.Equal(new EncoderChoice { Model = "org/name", Revision = "v1.0" }, EncoderChoice.Parse("org/name@v1.0"));
        Assert.Equal(new EncoderChoice { Model = "org/name", Revision = "refs/pr/1", Pooling = PoolingKind.Mean, MaximumTokens = 64 },
            EncoderChoice.Parse("org/name@refs/pr/1, max-tokens=64, pooling=mean"));
        Assert.Equal(PoolingKind.ClassToken, EncoderChoice.Parse("gpt2,pooling=class").Pooling);
    }

    [Theory]
    [InlineData("/home/a@b/model")]
    [InlineData("./model@2")]
    [InlineData("~/m@x")]
    public void A_path_may_hold_an_at_sign(string path) => Assert.Equal(new EncoderChoice { Model = path }, EncoderChoice.Parse(path));

    [Theory]
    [InlineData("")]
    [InlineData(",pooling=mean")]
    [InlineData("gpt2@")]
    [InlineData("@main")]
    [InlineData("gpt2,pooling=max")]
    [InlineData("gpt2,max-tokens=2")]
    [InlineData("gpt2,max-tokens=-5")]
    [InlineData("gpt2,max-tokens=many")]
    [InlineData("gpt2,length=5")]
    [InlineData("gpt2,")]
    public void Anything_else_is_refused_with_what_was_expected(string text) =>
        Assert.Contains("expected", Assert.Throws<ArgumentException>(() => EncoderChoice.Parse(text)).Message);
}
