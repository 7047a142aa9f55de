using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Tests;

public class PoolingTests
{
    [Fact]
    public void The_class_token_is_the_first()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = arange(12, dtype: ScalarType.Float32).reshape(2, 3, 2);
        Assert.Equal([0f, 1, 6, 7], Pooling.ClassToken(hidden).contiguous().data<float>().ToArray());
    }

    [Fact]
    public void The_mean_leaves_padding_out()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = arange(12, dtype: ScalarType.Float32).reshape(2, 3, 2);
        Tensor mask = tensor(new long[] { 1, 1, 0, 0, 0, 0 }).reshape(2, 3);
        Assert.Equal([1f, 2, 0, 0], Pooling.MaskedMean(hidden, mask).data<float>().ToArray());
        Assert.Equal([1f, 2, 0, 0], Pooling.MaskedMean(hidden, mask.to_type(ScalarType.Bool)).data<float>().ToArray());
        Assert.Equal([2f, 3, 8, 9], Pooling.MaskedMean(hidden, null).data<float>().ToArray());
    }
}
