using TorchSharp;
using Xunit;

namespace LlmFusion.Transformers.Tests;

public class LibtorchTests
{
    [Fact]
    public void The_native_library_loads_and_multiplies()
    {
        using DisposeScope scope = torch.NewDisposeScope();
        Assert.Equal(8.0f, torch.matmul(torch.ones(2, 4), torch.full(new long[] { 4, 1 }, 2.0f))[0, 0].item<float>());
    }
}
