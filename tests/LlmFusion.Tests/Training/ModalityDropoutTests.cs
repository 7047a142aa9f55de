using LlmFusion.Chemistry;
using LlmFusion.Modalities;
using LlmFusion.Training;
using Xunit;

namespace LlmFusion.Tests.Training;

public class ModalityDropoutTests
{
    private const int Draws = 20_000;

    // Four modalities of three kinds, the second missing.
    private static readonly MoleculeInputs Molecule = new(
        [new ModalityInput.Tokens([0, 5, 2]), null, new ModalityInput.Fingerprint(new MorganCounts([1], [1])), new ModalityInput.Vector([1f])]);

    [Fact]
    public void Each_modality_goes_with_its_probability_and_never_the_last()
    {
        MoleculeInputs[] drawn = Draw(All(0.4, 0));
        Assert.All(drawn, m => Assert.False(m.IsEmpty));
        Assert.All(drawn, m => Assert.Null(m.ByModality[1]));
        // Where all three would go (0.4^3), one of them stays.
        foreach (int modality in new[] { 0, 2, 3 }) Assert.Equal(0.4 - 0.064 / 3, Share(drawn, m => m.ByModality[modality] is null), 0.015);
        Assert.Equal(0.6 * 0.6 * 0.6, Share(drawn, m => ReferenceEquals(m, Molecule)), 0.015);
    }

    [Fact]
    public void One_alone_is_kept_as_often_as_asked_for_each_as_likely()
    {
        MoleculeInputs[] drawn = Draw(All(0, 0.6));
        foreach (int modality in new[] { 0, 2, 3 })
            Assert.Equal(0.2, Share(drawn, m => m.ByModality[modality] is not null && m.ByModality.Count(i => i is not null) == 1), 0.015);
        Assert.Equal(0.4, Share(drawn, m => ReferenceEquals(m, Molecule)), 0.015);
    }

    [Fact]
    public void The_seed_alone_decides_and_what_is_left_out_counts_no_tokens()
    {
        ModalityDropout dropout = All(0.5, 0.2);
        Assert.Equal(Draw(dropout).Select(Kept), Draw(dropout).Select(Kept));
        Assert.All(Draw(dropout), m => Assert.Equal(m.ByModality[0] is null ? 0 : 3, m.TokenCount));
    }

    [Fact]
    public void Without_a_probability_or_a_choice_nothing_is_left_out()
    {
        MoleculeInputs alone = new([null, new ModalityInput.Vector([1f])]);
        Assert.All(Draw(All(0, 0)), m => Assert.Same(Molecule, m));
        Assert.All(Enumerable.Range(0, 100), seed => Assert.Same(alone, All(0.9, 0.5).Of(alone, (ulong)seed)));
    }

    [Fact]
    public void A_modality_may_have_a_probability_of_its_own()
    {
        ModalityDropout dropout = new([0.9, 0, 0.2, 0.2], 0.5, [0.1, 1, 0.8, 0.8]);
        MoleculeInputs[] drawn = Draw(dropout);
        // Of those that keep one by lot, 0.1 / 1.7 keep the first; besides, 0.1 * 0.2 * 0.2 have only it left.
        Assert.Equal(0.5 * 0.1 / 1.7 + 0.5 * (0.1 * 0.2 * 0.2 + 0.9 * 0.2 * 0.2 * 0.1 / 1.7), Share(drawn, m => m.ByModality[0] is not null && m.ByModality.Count(i => i is not null) == 1), 0.01);
        Assert.Equal(0.5 * 0.1 * 0.8 * 0.8, Share(drawn, m => ReferenceEquals(m, Molecule)), 0.01);
        ModalityDropout configured = ModalityDropout.Of(new RunConfig { Modalities = ["graph", "text"], ModalityDropout = 0.25, ModalityDropouts = new() { ["text"] = 0.75 }, SingleModality = 0.5 });
        Assert.Equal([0.75, 0.25], configured.Each);
        Assert.Equal([0.25, 0.75], configured.Weights);
        Assert.Equal(0.5, configured.Single);
    }

    [Fact]
    public void One_modality_may_be_kept_alone_more_often_than_it_stays_among_others()
    {
        MoleculeInputs[] drawn = Draw(new ModalityDropout([0, 0, 0.3, 0], 0.5, [1, 1, 6, 1]));
        Assert.Equal(0.5 * 6 / 8, Share(drawn, m => Kept(m) == "--x-"), 0.01);
        Assert.Equal(0.5 * 0.7, Share(drawn, m => ReferenceEquals(m, Molecule)), 0.01);
        RunConfig config = new() { Data = "demo", Modalities = ["graph", "text"], SingleModalityWeights = new() { ["graph"] = 6 } };
        Assert.Equal([1.0, 6], ModalityDropout.Of(config).Weights);
        Assert.Equal("single_modality_weights: got image, expected a modality of the run: text, graph", Assert.Throws<ArgumentException>(() => (config with { SingleModalityWeights = new() { ["image"] = 1 } }).Check()).Message);
        Assert.Contains("expected single_modality or modality_dropout with it", Assert.Throws<ArgumentException>(config.Check).Message, StringComparison.Ordinal);
        (config with { SingleModality = 0.1 }).Check();
        Assert.Contains("graph=0", Assert.Throws<ArgumentException>(() => (config with { SingleModalityWeights = new() { ["graph"] = 0 } }).Check()).Message, StringComparison.Ordinal);
    }

    private static ModalityDropout All(double each, double single) => new([each, each, each, each], single, [1, 1, 1, 1]);

    private static MoleculeInputs[] Draw(ModalityDropout dropout) => [.. Enumerable.Range(0, Draws).Select(seed => dropout.Of(Molecule, (ulong)seed))];

    private static double Share(MoleculeInputs[] drawn, Func<MoleculeInputs, bool> holds) => drawn.Count(holds) / (double)drawn.Length;

    private static string Kept(MoleculeInputs molecule) => string.Concat(molecule.ByModality.Select(i => i is null ? '-' : 'x'));
}
