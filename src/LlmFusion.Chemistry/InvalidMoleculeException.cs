namespace LlmFusion.Chemistry;

/// <summary>A text that RDKit does not accept as a molecule.</summary>
/// <param name="smiles">The text as given.</param>
/// <param name="reason">RDKit's own reason.</param>
public sealed class InvalidMoleculeException(string smiles, string reason)
    : Exception($"'{Shown(smiles)}' is no valid molecule: {reason}")
{
    private const int MostShown = 200; // a whole file pasted into one field must not fill the screen

    /// <summary>The text as given.</summary>
    public string Smiles { get; } = smiles;

    /// <summary>RDKit's own reason.</summary>
    public string Reason { get; } = reason;

    private static string Shown(string text) => text.Length <= MostShown ? text : $"{text.AsSpan(0, MostShown)}...";
}
