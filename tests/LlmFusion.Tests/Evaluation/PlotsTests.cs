using System.Buffers.Binary;
using System.Xml.Linq;
using LlmFusion.Evaluation;
using Xunit;

namespace LlmFusion.Tests.Evaluation;

public sealed class PlotsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plots").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(2_000)]
    [InlineData(100_000)]
    public void A_parity_plot_is_written_for_any_number_of_rows(int rows)
    {
        Random random = new(rows);
        float[] truth = [.. Enumerable.Range(0, rows).Select(_ => 4 * random.NextSingle())];
        float[] predicted = [.. truth.Select(t => t + random.NextSingle())];
        Plots.Parity(truth, predicted, "logp", "", Metrics.Of(truth, predicted), Path.Combine(_folder, "parity"));
        Check("parity");
        Assert.InRange(new FileInfo(Path.Combine(_folder, "parity.svg")).Length, 1_000, 5_000_000);
    }

    [Fact]
    public void Missing_and_failed_rows_are_left_out_of_a_parity_plot()
    {
        Plots.Parity([1, float.NaN, 3], [1, 2, float.PositiveInfinity], "homo", "Hartree", TargetMetrics.None, Path.Combine(_folder, "parity"));
        Check("parity");
        Assert.Throws<ArgumentException>(() => Plots.Parity([1], [], "homo", "", TargetMetrics.None, Path.Combine(_folder, "other")));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100)]
    public void A_learning_curve_is_written_for_any_number_of_epochs(int epochs)
    {
        double[] numbers = [.. Enumerable.Range(1, epochs).Select(i => (double)i)];
        Plots.LearningCurve(numbers, [.. numbers.Select(i => 1 / i)], [.. numbers.Select(i => 1.2 / i)],
            [.. numbers.Select(_ => 5e-4)], epochs, Path.Combine(_folder, "curve"));
        Check("curve");
    }

    [Fact]
    public void A_diverged_run_still_has_its_curve()
    {
        Plots.LearningCurve([1, 2, 3], [1, 0.5, double.NaN], [2, double.PositiveInfinity, double.NaN], [1e-3, 1e-3, 1e-4], 1, Path.Combine(_folder, "curve"));
        Check("curve");
        Assert.Throws<ArgumentException>(() => Plots.LearningCurve([1], [], [1], [1], null, Path.Combine(_folder, "other")));
    }

    // Both files whole: an SVG is well-formed XML, a PNG starts with its signature and a size that is not 0.
    private void Check(string name)
    {
        Assert.Equal("svg", XDocument.Load(Path.Combine(_folder, name + ".svg")).Root!.Name.LocalName);
        byte[] png = File.ReadAllBytes(Path.Combine(_folder, name + ".png"));
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], png[..4]);
        Assert.InRange(BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)), 600, 3000);
    }
}
