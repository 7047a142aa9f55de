using LlmFusion.DataSets;
using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.DataSets;

public class CalibrationSplitTests
{
    private static readonly DataRow[] Chains = [.. DataRow.OfSmiles(Enumerable.Range(1, 400).Select(n => $"O{new string('C', n / 20)}N{new string('C', n % 20)}S"))];

    [Fact]
    public void About_the_fraction_calibrates_each_row_is_on_one_side_and_order_stays()
    {
        (IReadOnlyList<DataRow> tuning, IReadOnlyList<DataRow> calibration) = CalibrationSplit.Of(Chains, 0.5);
        Assert.InRange(calibration.Count, 160, 240);
        Assert.Equal(Chains.Select(r => r.Number), tuning.Concat(calibration).Select(r => r.Number).Order());
        Assert.Equal(calibration.Select(r => r.Number).Order(), calibration.Select(r => r.Number));
        Assert.Empty(CalibrationSplit.Of(Chains, 0).Calibration);
    }

    [Fact]
    public void The_molecule_decides_alone_its_spelling_and_its_stereochemistry_do_not()
    {
        string[] molecules = [.. Enumerable.Range(1, 40).Select(n => $"F[C@H](Cl){new string('C', n)}O")];
        HashSet<string> Calibrating(Func<string, string> spelling, bool reversed)
        {
            DataRow[] rows = [.. DataRow.OfSmiles(molecules.Select(spelling))];
            if (reversed) Array.Reverse(rows);
            return [.. CalibrationSplit.Of(rows, 0.5).Calibration.Select(r => r.Id)];
        }

        HashSet<string> first = Calibrating(s => s, reversed: false);
        Assert.InRange(first.Count, 1, 39);
        Assert.Equal(first, Calibrating(s => s.Replace("@", "@@"), reversed: true));
        Assert.Equal(first, Calibrating(s => s.Replace("[C@H]", "C"), reversed: false));
        Assert.Equal(first, Calibrating(s => $"O{s[10..^1]}C(F)Cl", reversed: false));
    }

    [Fact]
    public void A_run_with_a_fraction_does_not_see_the_rows_left_out()
    {
        RunConfig config = new() { Data = "demo", Targets = ["qed"] };
        DataSplits whole = RunData.Open(config), held = RunData.Open(config with { CalibrationFraction = 0.5 });
        HashSet<string> left = [.. CalibrationSplit.Of(whole.Valid, 0.5).Calibration.Select(r => r.Id)];
        Assert.NotEmpty(left);
        Assert.Equal(whole.Valid.Count, held.Valid.Count + left.Count);
        Assert.DoesNotContain(held.Valid, row => left.Contains(row.Id));
        Assert.Equal((whole.Train.Count, whole.Test.Count), (held.Train.Count, held.Test.Count));
        Assert.NotEqual(whole.Sha256, held.Sha256);
    }
}
