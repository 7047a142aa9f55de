namespace LlmFusion.Chemistry;

/// <summary>
/// SELFIES (Krenn et al., "Self-referencing embedded strings", 2020) as selfies 2.2.0 writes and reads them, under its
/// default semantic constraints. It has its own SMILES reader and kekulisation: what it accepts differs from RDKit
/// (no wildcards, no quadruple bonds, no ring bonds across a dot, chirality @ and @@ only; but also "=CC").
/// </summary>
public static class Selfies
{
    /// <summary>Translates a SMILES, keeping its atom order; aromatic atoms are kekulised.</summary>
    /// <param name="smiles">The molecule; only its syntax is checked, so ask RDKit first.</param>
    /// <param name="strict">
    /// Refuse a molecule in which an atom has more bonds than the constraints allow: its SELFIES would decode to
    /// another molecule.
    /// </param>
    /// <exception cref="SelfiesException">The SMILES is malformed, cannot be kekulised, or breaks the constraints.</exception>
    public static string Encode(string smiles, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(smiles);
        return Guarded("encoded as SELFIES", smiles, () => SelfiesEncoder.Encode(smiles, strict));
    }

    /// <summary>Translates a SELFIES into the SMILES it stands for; every sequence of legal symbols stands for one.</summary>
    /// <exception cref="SelfiesException">A symbol is unknown or a bracket is not closed.</exception>
    public static string Decode(string selfies)
    {
        ArgumentNullException.ThrowIfNull(selfies);
        return Guarded("decoded from SELFIES", selfies, () => SelfiesDecoder.Decode(selfies));
    }

    /// <summary>The symbols in order, dots included: "[C][=O].[Na+1]" gives "[C]", "[=O]", ".", "[Na+1]".</summary>
    /// <exception cref="SelfiesException">A bracket is not closed.</exception>
    public static IReadOnlyList<string> Split(string selfies)
    {
        ArgumentNullException.ThrowIfNull(selfies);
        return Guarded("split as SELFIES", selfies, () => SelfiesSymbols.Split(selfies));
    }

    private static T Guarded<T>(string verb, string text, Func<T> translate)
    {
        try
        {
            return translate();
        }
        catch (SelfiesSyntaxException e)
        {
            throw new SelfiesException(verb, text, e.Message);
        }
        catch (InsufficientExecutionStackException)
        {
            throw new SelfiesException(verb, text, "branches are nested too deeply");
        }
    }
}

/// <summary>What is wrong, before <see cref="Selfies"/> adds in which text.</summary>
internal sealed class SelfiesSyntaxException(string message) : Exception(message);
