namespace LlmFusion.Chemistry;

/// <summary>
/// RDKit's descriptors that pretraining learns. None of them is Crippen's LogP or molar refractivity, made of their atom
/// contributions (SlogP_VSA, SMR_VSA, BCUT2D), or an input of QED (weight, donors, acceptors, polar surface, rotatable bonds,
/// aromatic rings, alerts), nor do two of them add up to one: encoders pretrained on those would know what the tables measure.
/// </summary>
public static class StructureDescriptors
{
    /// <summary>Names in the order of <see cref="Molecule.StructureDescriptors"/>: RDKit's own, and from NumIndependentRings on counts of atoms
    /// and independent rings that hold in every version of RDKit.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        "Chi0v", "Chi1v", "Chi2v", "Chi3v", "Chi4v", "Chi0n", "Chi1n", "Chi2n", "Chi3n", "Chi4n",
        "HallKierAlpha", "Kappa1", "Kappa2", "Kappa3", "Phi", "LabuteASA", "FractionCSP3",
        "NumSpiroAtoms", "NumBridgeheadAtoms", "NumHeteroatoms", "NumAmideBonds",
        "NumIndependentRings", "NumRingAtoms", "NumSaturatedRingCarbons", "NumRingHeteroatoms",
        "NumCarbon", "NumNitrogen", "NumOxygen", "NumSulfur", "NumPhosphorus", "NumHalogen", "SumOfAbsoluteCharges",
        .. Enumerable.Range(1, 14).Select(i => $"PEOE_VSA{i}"),
    ];
}
