namespace LlmFusion.Chemistry;

/// <summary>The RDKit library in use.</summary>
public static class Rdkit
{
    /// <summary>Its version, for instance "2022.09.3".</summary>
    /// <exception cref="DllNotFoundException">The shim or RDKit itself cannot be loaded; the message names the file.</exception>
    public static string Version => RdkitNative.Version();
}
