using CsCheck;
using Xunit;

namespace LlmFusion.Chemistry.Tests;

public class MoleculeBatchTests
{
    [Fact]
    public void Order_is_kept_for_any_rows_and_threads() =>
        Gen.Select(Gen.Int.Array[0, 2000], Gen.Int[1, 6]).Sample(
            (rows, threads) => MoleculeBatch.Select(rows, row => unchecked(row * 31), threads).SequenceEqual(rows.Select(row => unchecked(row * 31))),
            iter: 100);

    [Fact]
    public void Order_is_kept_when_rows_take_different_times()
    {
        IEnumerable<int> results = MoleculeBatch.Select(Enumerable.Range(0, 3000), i =>
        {
            if (i % 97 == 0) Thread.Sleep(1);
            return i;
        }, threads: 4);
        Assert.Equal(Enumerable.Range(0, 3000), results);
    }

    [Fact]
    public void Golden_molecules_come_back_in_order()
    {
        IEnumerable<string> canonical = MoleculeBatch.Select(GoldenMolecule.All, golden =>
        {
            using Molecule molecule = Molecule.Parse(golden.Smiles);
            return molecule.CanonicalSmiles;
        });
        Assert.Equal(GoldenMolecule.All.Select(g => g.Canonical), canonical);
    }

    [Fact]
    public void Input_without_end_is_streamed_with_a_bounded_look_ahead()
    {
        int read = 0;
        IEnumerable<int> Endless()
        {
            while (true) yield return read++;
        }
        int handed = 0;
        foreach (int row in MoleculeBatch.Select(Endless(), i => i, threads: 2))
        {
            Assert.Equal(handed++, row);
            Assert.True(read - handed <= 6 * 256, $"{read} rows read, {handed} handed out");
            if (handed == 10_000) break;
        }
    }

    [Fact]
    public void A_failing_row_throws_in_its_place_after_all_earlier_results()
    {
        var handed = new List<int>();
        var thrown = Assert.Throws<FormatException>(() =>
        {
            foreach (int row in MoleculeBatch.Select(Enumerable.Range(0, 5000), i => i == 1234 ? throw new FormatException("row 1234") : i, threads: 3)) handed.Add(row);
        });
        Assert.Equal("row 1234", thrown.Message);
        Assert.Equal(Enumerable.Range(0, 1234), handed);
    }

    [Fact]
    public void A_failing_input_throws_in_its_place_after_all_earlier_results()
    {
        static IEnumerable<int> Failing()
        {
            for (int i = 0; i < 700; i++) yield return i;
            throw new IOException("disk gone");
        }
        var handed = new List<int>();
        Assert.Throws<IOException>(() =>
        {
            foreach (int row in MoleculeBatch.Select(Failing(), i => i, threads: 2)) handed.Add(row);
        });
        Assert.Equal(Enumerable.Range(0, 700), handed);
    }

    [Fact]
    public void Cancellation_ends_it()
    {
        using var cancel = new CancellationTokenSource();
        int handed = 0;
        Assert.ThrowsAny<OperationCanceledException>(() =>
        {
            foreach (int _ in MoleculeBatch.Select(Enumerable.Range(0, int.MaxValue), i => i, threads: 2, cancel.Token))
            {
                if (++handed == 500) cancel.Cancel();
            }
        });
        Assert.InRange(handed, 500, 5000);
    }

    [Fact]
    public void Zero_threads_are_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => MoleculeBatch.Select([1], i => i, threads: 0));
}
