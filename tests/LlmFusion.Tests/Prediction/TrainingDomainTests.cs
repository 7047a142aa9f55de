using LlmFusion.Chemistry;
using LlmFusion.DataSets;
using LlmFusion.Modalities;
using LlmFusion.Prediction;
using LlmFusion.Tests.DataSets;
using Xunit;

namespace LlmFusion.Tests.Prediction;

public sealed class TrainingDomainTests : IDisposable
{
    private static readonly DataRow[] Train = [.. DataRow.OfSmiles(["CCO", "CCCO", "CCCCN", "c1ccccc1O", "CC(=O)OC", "C1CCCCC1", "no molecule"])];
    private static readonly DataRow[] Calibration = [.. DataRow.OfSmiles(["CCCCO", "Cc1ccccc1O", "CCC(=O)OC"])];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Elements_sizes_and_the_least_similarity_are_those_of_the_molecules()
    {
        TrainingDomain domain = TrainingDomain.Fit("mine", ["y"], Train, Calibration);
        Assert.Equal(["C", "N", "O"], domain.Entry.Elements);
        Assert.Equal((3, 7, 6), (domain.Entry.FewestAtoms, domain.Entry.MostAtoms, domain.Entry.Fingerprints));
        Assert.Equal(Calibration.Min(row => domain.Similarity(Facts(row.Smiles).Fingerprint)), domain.Entry.LeastSimilarity);
        Assert.InRange(domain.Entry.LeastSimilarity, 0.2, 0.9);
    }

    [Fact]
    public void Similarity_is_Tanimotos_to_the_nearest()
    {
        TrainingDomain domain = TrainingDomain.Fit("mine", ["y"], Train, Calibration);
        foreach (DataRow row in Train[..6]) Assert.Equal(1, domain.Similarity(Facts(row.Smiles).Fingerprint));
        HashSet<int> own = Bits("CCCCO");
        double expected = Train[..6].Max(row => (double)own.Intersect(Bits(row.Smiles)).Count() / own.Union(Bits(row.Smiles)).Count());
        Assert.Equal(expected, domain.Similarity(Facts("CCCCO").Fingerprint), 1e-12);
        Assert.Equal(0, domain.Similarity(new ulong[MoleculeFacts.Words]));

        static HashSet<int> Bits(string smiles)
        {
            using Molecule molecule = Molecule.Parse(smiles);
            return [.. molecule.MorganBits(MoleculeFacts.Radius, MoleculeFacts.Bits)];
        }
    }

    [Theory]
    [InlineData("CCCO", null)]
    [InlineData("CC[Si]", "holds Si (known: C, N, O)")]
    [InlineData("CCCCCCCCO", "9 heavy atoms (known: 3 to 7)")]
    [InlineData("C", "1 heavy atom (known: 3 to 7)")]
    [InlineData("N#CC#N", "similarity 0.")]
    public void What_is_unlike_the_training_molecules_is_said(string smiles, string? reason)
    {
        TrainingDomain domain = TrainingDomain.Fit("mine", ["y"], Train, Calibration);
        MoleculeFacts facts = Facts(smiles);
        string? said = domain.Outside(facts, domain.Similarity(facts.Fingerprint));
        if (reason is null) Assert.Null(said);
        else Assert.Contains(reason, said, StringComparison.Ordinal);
    }

    [Fact]
    public void The_fingerprints_kept_depend_on_the_molecules_and_not_on_their_order()
    {
        DataRow[] all = [.. Catalog.Rows("demo").Where(r => r.Sample!.Split == Parts.Train).Take(300)];
        TrainingDomain.Save(_folder["a"], [TrainingDomain.Fit("demo", [], all, [], most: 50)]);
        TrainingDomain.Save(_folder["b"], [TrainingDomain.Fit("demo", [], [.. all.Reverse(), .. all], [], most: 50)]);
        Assert.Equal(50 * MoleculeFacts.Bits / 8, new FileInfo(_folder["a"]).Length);
        Assert.Equal(File.ReadAllBytes(_folder["a"]), File.ReadAllBytes(_folder["b"]));
    }

    [Fact]
    public void A_file_gives_back_what_was_written_and_one_of_another_length_is_refused()
    {
        TrainingDomain[] domains = [TrainingDomain.Fit("one", ["a"], Train[..2], Calibration), TrainingDomain.Fit("two", ["b"], Train[2..], Calibration)];
        TrainingDomain.Save(_folder["d"], domains);
        IReadOnlyList<TrainingDomain> read = TrainingDomain.Load(_folder["d"], [.. domains.Select(d => d.Entry)]);
        Assert.Equal([1, 1.0 / 1], new[] { read[0].Similarity(Facts("CCO").Fingerprint), read[1].Similarity(Facts("CCCCN").Fingerprint) });
        Assert.True(read[1].Similarity(Facts("CCO").Fingerprint) < 1);
        Assert.Contains("expected 128 each", Assert.Throws<InvalidDataException>(() => TrainingDomain.Load(_folder["d"], [domains[0].Entry])).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => TrainingDomain.Load(_folder["d"], [domains[0].Entry with { Fingerprints = -1 }]));
    }

    private static MoleculeFacts Facts(string smiles)
    {
        using Molecule molecule = Molecule.Parse(smiles);
        return MoleculeFacts.Of(molecule, molecule.CanonicalSmiles);
    }
}
