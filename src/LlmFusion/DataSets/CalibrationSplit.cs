using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using LlmFusion.Chemistry;

namespace LlmFusion.DataSets;

/// <summary>
/// Divides a validation split into the part that training makes its choices on (tuning) and the part that prediction intervals
/// are calibrated on, which training must not see. The molecule alone decides, by a hash of its canonical SMILES without
/// stereochemistry: stereoisomers stay together, and a molecule is on the same side in every data set, run and version.
/// </summary>
public static class CalibrationSplit
{
    /// <summary>The share that is calibrated on where a run left nothing out.</summary>
    public const double DefaultFraction = 0.5;

    /// <summary>Both parts of some rows, each in their order. A row whose SMILES is no molecule stays in tuning, where it is reported.</summary>
    /// <param name="rows">Rows with samples.</param>
    /// <param name="fraction">Share of the molecules that go to calibration, 0 to 1.</param>
    public static (IReadOnlyList<DataRow> Tuning, IReadOnlyList<DataRow> Calibration) Of(IReadOnlyList<DataRow> rows, double fraction)
    {
        if (fraction <= 0) return (rows, []);
        bool[] calibrates = [.. MoleculeBatch.Select(rows, row => Calibrates(row.Smiles, fraction))];
        return ([.. rows.Where((_, i) => !calibrates[i])], [.. rows.Where((_, i) => calibrates[i])]);
    }

    /// <summary>The data set without the rows of its validation split that belong to calibration; its hash is then another.</summary>
    public static DataSplits HoldOut(DataSplits splits, double fraction) => fraction <= 0 ? splits
        : splits.With($"{splits.Name}, {fraction:0.##} of the validation split left for calibration", splits.Train, Of(splits.Valid, fraction).Tuning);

    /// <summary>A number from 0 up to 1 that depends on the molecule alone, stereochemistry ignored.</summary>
    /// <param name="purpose">For each purpose another number: a choice made by one must say nothing of a choice made by the other.</param>
    /// <param name="stereoFree">Its canonical SMILES without stereochemistry.</param>
    internal static double Place(string purpose, string stereoFree)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(purpose + "\n" + stereoFree), hash);
        return (BinaryPrimitives.ReadUInt64LittleEndian(hash) >> 11) * Math.ScaleB(1, -53);
    }

    private static bool Calibrates(string smiles, double fraction) => Molecule.WithoutStereo(smiles) is { } key && Place("calibration", key) < fraction;
}
