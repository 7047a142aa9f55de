namespace LlmFusion.Modalities;

/// <summary>How the Morgan fingerprint modality is computed (paper, P16: binary; radius and length are our assumption).</summary>
public sealed record FingerprintOptions
{
    /// <summary>Radius in bonds; 2 corresponds to ECFP4.</summary>
    public int Radius { get; init; } = 2;

    /// <summary>Length of the folded vector.</summary>
    public int Size { get; init; } = 2048;

    /// <summary>How often each environment occurs, instead of whether it does.</summary>
    public bool Counts { get; init; } = true;

    /// <summary>Fails where a value is out of range.</summary>
    public void Check()
    {
        if (Radius is < 0 or > 10) throw new ArgumentException($"fingerprint radius: got {Radius}, expected 0 to 10");
        if (Size is < 16 or > 1 << 20) throw new ArgumentException($"fingerprint size: got {Size}, expected 16 to {1 << 20}");
    }
}
