using System.Runtime.CompilerServices;
using LlmFusion.Chemistry;
using LlmFusion.Modalities;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LlmFusion.Tests.Modalities;

public class BatchTests
{
    [Fact]
    public unsafe void Numbers_lie_where_MKL_sums_them_in_one_order()
    {
        Modality own = Modality.Named("own", ModalityKind.Vectors);
        for (int count = 1; count < 30; count++)
        {
            using DisposeScope scope = NewDisposeScope();
            byte[] between = new byte[count * 24]; // where an array would lie differs from batch to batch
            MoleculeInputs[] inputs = [.. Enumerable.Range(0, count).Select(i => new MoleculeInputs([new ModalityInput.Fingerprint(new MorganCounts([i, 40], [2, 1])), new ModalityInput.Vector([i, 1])]))];
            Batch batch = Batch.Of(inputs, [Modality.Fingerprint, own], 41, CPU);
            foreach (Tensor dense in batch.Vectors.Values)
                Assert.Equal(0, (long)(nint)Unsafe.AsPointer(ref dense.bytes[0]) % 64);
            Assert.Equal([count, 41], batch.Vectors[Modality.Fingerprint].shape);
            Assert.Equal(2, batch.Vectors[Modality.Fingerprint][count - 1, count - 1].item<float>());
            Assert.Equal(3 * count, batch.Vectors[Modality.Fingerprint].sum().item<float>());
            Assert.Equal(count - 1, batch.Vectors[own][count - 1, 0].item<float>());
            GC.KeepAlive(between);
        }
    }
}
