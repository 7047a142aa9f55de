namespace LlmFusion.DataSets;

/// <summary>The units of the targets that built-in data sets have.</summary>
public static class TargetUnits
{
    private static readonly Dictionary<string, string> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["homo"] = "Hartree",
        ["lumo"] = "Hartree",
        ["gap"] = "Hartree",
        ["zpve"] = "Hartree",
        ["mu"] = "Debye",
        ["alpha"] = "Bohr^3",
        ["r2"] = "Bohr^2",
        ["cv"] = "cal/(mol K)",
    };

    /// <summary>The unit of a target, empty where it has none or none is known.</summary>
    public static string Of(string target) => Known.GetValueOrDefault(target, "");
}
