using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Diagnostics;

/// <summary>This machine's rate of 2048 x 2048 x 2048 products in float32, all threads on one product: what other rates are measured by.</summary>
internal sealed class MatmulRate
{
    private const int Size = 2048, Products = 8;

    private readonly List<double> _gflops = [];

    /// <summary>The median of all products so far.</summary>
    public double Gflops => _gflops.Order().ElementAt(_gflops.Count / 2);

    /// <summary>Multiplies a few times: once before and once after what is measured, because the rate of a shared machine changes.</summary>
    public void Measure()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor a = randn(Size, Size), b = randn(Size, Size);
        for (int i = 0; i < Products; i++)
        {
            Stopwatch clock = Stopwatch.StartNew();
            using Tensor product = matmul(a, b);
            _gflops.Add(2.0 * Size * Size * Size / clock.Elapsed.TotalSeconds / 1e9);
        }
    }
}
