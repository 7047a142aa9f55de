namespace LlmFusion.DataSets;

/// <summary>One molecule of a data set with what is known about it; nothing here has been parsed by RDKit yet.</summary>
/// <param name="Id">The row's own identifier, else its 1-based row number.</param>
/// <param name="Smiles">The SMILES as written in the file.</param>
/// <param name="Text">A description in words, or null where there is none.</param>
/// <param name="Targets">The measured values in the order of the targets asked for, in the file's unit; NaN is missing.</param>
/// <param name="Split">The part the row belongs to: <see cref="Parts.Train"/>, <see cref="Parts.Valid"/>, <see cref="Parts.Test"/>, or null.</param>
public sealed record Sample(string Id, string Smiles, string? Text, float[] Targets, string? Split)
{
    /// <summary>How much the molecule counts in training: finite and from 0 on.</summary>
    public float Weight { get; init; } = 1;

    /// <summary>How often the molecule is drawn in an epoch of training, from 1 on.</summary>
    public int Repeats { get; init; } = 1;
}
