namespace LlmFusion.DataSets;

/// <summary>How a fragment meets what it is bound to.</summary>
internal enum Site
{
    /// <summary>An atom of an aromatic ring.</summary>
    Aromatic,

    /// <summary>A saturated carbon.</summary>
    Carbon,

    /// <summary>A ring's nitrogen.</summary>
    Nitrogen,
}

/// <summary>A ring system, written from the atom by which it is bound; * is where a substituent goes.</summary>
/// <param name="Smiles">SMILES with *, or without where nothing more is bound to it.</param>
/// <param name="Name">Its name in the text.</param>
/// <param name="Entry">What it is bound by.</param>
/// <param name="Slot">What its substituent is bound to.</param>
internal sealed record RingFragment(string Smiles, string Name, Site Entry, Site Slot);

/// <summary>A bridge between two ring systems.</summary>
/// <param name="Smiles">SMILES from the first ring to the second.</param>
/// <param name="Name">Its name before a carbon, null where it may not stand there.</param>
/// <param name="NameBeforeNitrogen">Its name before a ring's nitrogen, null where it may not stand there.</param>
/// <param name="AromaticOnly">Whether both ends must be aromatic (or, at the second end, a nitrogen).</param>
internal sealed record LinkerFragment(string Smiles, string? Name, string? NameBeforeNitrogen, bool AromaticOnly = false);

/// <summary>A substituent.</summary>
/// <param name="Branch">SMILES from the atom it is bound by.</param>
/// <param name="Head">SMILES that ends with the atom it is bound by.</param>
/// <param name="Name">Its name in the text.</param>
/// <param name="Sites">What it may be bound to.</param>
internal sealed record GroupFragment(string Branch, string Head, string Name, Site[] Sites);

/// <summary>The building blocks of <see cref="DemoDataSet"/>: common pieces of drug-like molecules that may be combined freely within their sites.</summary>
internal static class DemoFragments
{
    private static readonly Site[] Any = [Site.Aromatic, Site.Carbon, Site.Nitrogen];
    private static readonly Site[] OnCarbon = [Site.Aromatic, Site.Carbon];
    private static readonly Site[] OnAromatic = [Site.Aromatic];
    private static readonly Site[] OnNitrogen = [Site.Nitrogen];

    public static RingFragment[] Rings { get; } =
    [
        new("c1ccc(*)cc1", "benzene", Site.Aromatic, Site.Aromatic),
        new("c1cccc(*)c1", "benzene", Site.Aromatic, Site.Aromatic),
        new("c1ccccc1(*)", "benzene", Site.Aromatic, Site.Aromatic),
        new("c1ccc(*)nc1", "pyridine", Site.Aromatic, Site.Aromatic),
        new("c1cncc(*)c1", "pyridine", Site.Aromatic, Site.Aromatic),
        new("c1cc(*)ccn1", "pyridine", Site.Aromatic, Site.Aromatic),
        new("c1cnc(*)nc1", "pyrimidine", Site.Aromatic, Site.Aromatic),
        new("c1cnc(*)cn1", "pyrazine", Site.Aromatic, Site.Aromatic),
        new("c1ccc(*)s1", "thiophene", Site.Aromatic, Site.Aromatic),
        new("c1ccc(*)o1", "furan", Site.Aromatic, Site.Aromatic),
        new("c1cnc(*)s1", "thiazole", Site.Aromatic, Site.Aromatic),
        new("c1cnc(*)o1", "oxazole", Site.Aromatic, Site.Aromatic),
        new("c1cc(*)n(C)n1", "pyrazole", Site.Aromatic, Site.Aromatic),
        new("c1cnc(*)n1C", "imidazole", Site.Aromatic, Site.Aromatic),
        new("c1cc(*)on1", "isoxazole", Site.Aromatic, Site.Aromatic),
        new("c1c[nH]c2ccc(*)cc12", "indole", Site.Aromatic, Site.Aromatic),
        new("c1cc2cc(*)ccc2o1", "benzofuran", Site.Aromatic, Site.Aromatic),
        new("c1cc2cc(*)ccc2s1", "benzothiophene", Site.Aromatic, Site.Aromatic),
        new("c1nc2cc(*)ccc2[nH]1", "benzimidazole", Site.Aromatic, Site.Aromatic),
        new("c1nc2cc(*)ccc2s1", "benzothiazole", Site.Aromatic, Site.Aromatic),
        new("c1ccc2cc(*)ccc2c1", "naphthalene", Site.Aromatic, Site.Aromatic),
        new("c1ccc2nc(*)ccc2c1", "quinoline", Site.Aromatic, Site.Aromatic),
        new("c1nccc2cc(*)ccc12", "isoquinoline", Site.Aromatic, Site.Aromatic),
        new("c1ncnc2cc(*)ccc12", "quinazoline", Site.Aromatic, Site.Aromatic),
        new("c1ccc2OCOc2c1", "benzodioxole", Site.Aromatic, Site.Aromatic),
        new("c1ccc2CCCc2c1", "indane", Site.Aromatic, Site.Aromatic),
        new("C1CCC(*)CC1", "cyclohexane", Site.Carbon, Site.Carbon),
        new("C1CCC(*)C1", "cyclopentane", Site.Carbon, Site.Carbon),
        new("C1CC(*)C1", "cyclobutane", Site.Carbon, Site.Carbon),
        new("C1CC1", "cyclopropane", Site.Carbon, Site.Carbon),
        new("C1CCOCC1", "tetrahydropyran", Site.Carbon, Site.Carbon),
        new("C1CCOC1", "tetrahydrofuran", Site.Carbon, Site.Carbon),
        new("C1CCN(*)CC1", "piperidine", Site.Carbon, Site.Nitrogen),
        new("C1CCN(*)C1", "pyrrolidine", Site.Carbon, Site.Nitrogen),
        new("N1CCC(*)CC1", "piperidine", Site.Nitrogen, Site.Carbon),
        new("N1CCC(*)C1", "pyrrolidine", Site.Nitrogen, Site.Carbon),
        new("N1CC(*)C1", "azetidine", Site.Nitrogen, Site.Carbon),
        new("N1CCOCC1", "morpholine", Site.Nitrogen, Site.Carbon),
        new("N1CCSCC1", "thiomorpholine", Site.Nitrogen, Site.Carbon),
        new("N1CCN(*)CC1", "piperazine", Site.Nitrogen, Site.Nitrogen),
        new("N1CCCC1=O", "pyrrolidinone", Site.Nitrogen, Site.Carbon),
    ];

    public static LinkerFragment[] Linkers { get; } =
    [
        new("", "a direct bond", "a direct bond", AromaticOnly: true),
        new("C", "a methylene bridge", "a methylene bridge"),
        new("CC", "an ethylene bridge", "an ethylene bridge"),
        new("O", "an ether bridge", null),
        new("S", "a thioether bridge", null),
        new("N", "a secondary amine", null),
        new("CO", "an oxymethylene bridge", null),
        new("OC", "an oxymethylene bridge", null),
        new("CN", "an aminomethylene bridge", null),
        new("OCC", "an oxyethylene bridge", "an oxyethylene bridge"),
        new("C(=O)", "a ketone", "an amide"),
        new("C(=O)N", "an amide", null),
        new("NC(=O)", "an amide", "a urea"),
        new("CC(=O)N", "an acetamide bridge", null),
        new("OCC(=O)N", "an oxyacetamide bridge", null),
        new("C(=O)NC", "an amide", null),
        new("NC(=O)N", "a urea", null),
        new("OC(=O)N", "a carbamate", null),
        new("C(=O)O", "an ester", null),
        new("S(=O)(=O)N", "a sulfonamide", null, AromaticOnly: true),
        new("S(=O)(=O)", "a sulfone", "a sulfonamide", AromaticOnly: true),
        new("/C=C/", "a vinylene bridge", null, AromaticOnly: true),
        new("C#C", "an alkyne", null, AromaticOnly: true),
    ];

    public static GroupFragment[] Groups { get; } =
    [
        new("C", "C", "a methyl group", Any),
        new("CC", "CC", "an ethyl group", Any),
        new("C(C)C", "CC(C)", "an isopropyl group", Any),
        new("C(C)(C)C", "CC(C)(C)", "a tert-butyl group", OnCarbon),
        new("CCCC", "CCCC", "a butyl group", Any),
        new("F", "F", "a fluoro group", OnCarbon),
        new("Cl", "Cl", "a chloro group", OnAromatic),
        new("Br", "Br", "a bromo group", OnAromatic),
        new("C(F)(F)F", "FC(F)(F)", "a trifluoromethyl group", OnCarbon),
        new("OC(F)(F)F", "FC(F)(F)O", "a trifluoromethoxy group", OnAromatic),
        new("O", "O", "a hydroxy group", OnCarbon),
        new("OC", "CO", "a methoxy group", OnCarbon),
        new("OCC", "CCO", "an ethoxy group", OnCarbon),
        new("CO", "OC", "a hydroxymethyl group", OnCarbon),
        new("CCO", "OCC", "a hydroxyethyl group", Any),
        new("SC", "CS", "a methylthio group", OnAromatic),
        new("N", "N", "an amino group", OnCarbon),
        new("N(C)C", "CN(C)", "a dimethylamino group", OnCarbon),
        new("CN", "NC", "an aminomethyl group", OnCarbon),
        new("C#N", "N#C", "a nitrile", OnCarbon),
        new("[N+](=O)[O-]", "[O-][N+](=O)", "a nitro group", OnAromatic),
        new("C(=O)O", "OC(=O)", "a carboxylic acid", OnCarbon),
        new("CC(=O)O", "OC(=O)C", "an acetic acid group", Any),
        new("C(=O)OC", "COC(=O)", "a methyl ester", OnCarbon),
        new("C(=O)OCC", "CCOC(=O)", "an ethyl carbamate", OnNitrogen),
        new("C(=O)N", "NC(=O)", "a primary amide", OnCarbon),
        new("C(=O)NC", "CNC(=O)", "an N-methyl amide", OnCarbon),
        new("NC(=O)C", "CC(=O)N", "an acetamido group", OnCarbon),
        new("C(=O)C", "CC(=O)", "an acetyl group", Any),
        new("S(=O)(=O)C", "CS(=O)(=O)", "a methylsulfonyl group", [Site.Aromatic, Site.Nitrogen]),
        new("S(=O)(=O)N", "NS(=O)(=O)", "a primary sulfonamide", OnAromatic),
    ];

    /// <summary>Carbon chains without rings, as SMILES and in words.</summary>
    public static (string Smiles, string Name)[] Chains { get; } =
    [
        ("CCC", "a propyl chain"), ("CCCC", "a butyl chain"), ("CCCCC", "a pentyl chain"), ("CCCCCC", "a hexyl chain"),
        ("CCCCCCCC", "an octyl chain"), ("CC(C)CC", "a branched butyl chain"), ("CCC(C)CC", "a branched pentyl chain"),
        ("CCOCC", "an ether chain"), ("CCOCCOCC", "a polyether chain"), ("CCNCC", "an amine chain"), ("CCSCC", "a thioether chain"),
        ("CC=CCC", "an alkenyl chain"), ("CC#CCC", "an alkynyl chain"), ("CCC(=O)CC", "a ketone chain"), ("CCC(=O)NCC", "an amide chain"),
        ("CCC(=O)OCC", "an ester chain"), ("CC(O)CC", "a hydroxyalkyl chain"),
    ];
}
