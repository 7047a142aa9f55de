namespace LlmFusion.DataSets;

/// <summary>What the targets of the built-in data sets are, and their units.</summary>
public static class KnownTargets
{
    private static readonly Dictionary<string, (string Unit, string About)> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["homo"] = ("Hartree", "energy of the highest occupied molecular orbital"),
        ["lumo"] = ("Hartree", "energy of the lowest unoccupied molecular orbital"),
        ["gap"] = ("Hartree", "LUMO less HOMO"),
        ["zpve"] = ("Hartree", "zero-point vibrational energy"),
        ["mu"] = ("Debye", "dipole moment"),
        ["alpha"] = ("Bohr^3", "isotropic polarizability"),
        ["r2"] = ("Bohr^2", "electronic spatial extent"),
        ["cv"] = ("cal/(mol K)", "heat capacity at constant volume, 298.15 K"),
        ["logp"] = ("", "octanol-water partition coefficient by Crippen's method, as RDKit computes it"),
        ["qed"] = ("", "quantitative estimate of drug-likeness, 0 to 1, as RDKit computes it"),
    };

    /// <summary>The unit of a target, empty where it has none or none is known.</summary>
    public static string UnitOf(string target) => Known.TryGetValue(target, out (string Unit, string About) known) ? known.Unit : "";

    /// <summary>What a target is, in a few words; empty where it is not known.</summary>
    public static string About(string target) => Known.TryGetValue(target, out (string Unit, string About) known) ? known.About : "";
}
