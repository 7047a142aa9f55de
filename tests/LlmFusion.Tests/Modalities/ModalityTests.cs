using LlmFusion.Modalities;
using Xunit;

namespace LlmFusion.Tests.Modalities;

public sealed class ModalityTests
{
    [Theory]
    [InlineData("props")]
    [InlineData("img_2")]
    [InlineData("a")]
    public void A_name_of_letters_digits_and_underscores_is_taken(string name) => Assert.Equal(name, Modality.Named(name, ModalityKind.Vectors).Name);

    [Theory]
    [InlineData("")]
    [InlineData("2d")]
    [InlineData("Props")]
    [InlineData("a.b")]
    [InlineData("a-b")]
    [InlineData("../up")]
    [InlineData("größe")]
    [InlineData("ab\n")]
    [InlineData("a23456789012345678901234567890123")]
    [InlineData("smiles")]
    [InlineData("sm")]
    [InlineData("mfp")]
    public void Any_other_name_is_refused(string name) => Assert.Contains($"'{name}'", Assert.Throws<ArgumentException>(() => Modality.Named(name, ModalityKind.Columns)).Message);

    [Fact]
    public void Only_columns_and_vectors_can_be_named() => Assert.Throws<ArgumentException>(() => Modality.Named("more", ModalityKind.Text));

    [Fact]
    public void The_users_modalities_stand_behind_the_built_in_ones_in_the_order_given()
    {
        Modality b = Modality.Named("b", ModalityKind.Vectors), a = Modality.Named("a", ModalityKind.Columns);
        Assert.Equal([Modality.Smiles, Modality.Fingerprint, b, a], Modality.InStackOrder([b, Modality.Fingerprint, a, Modality.Smiles, b]));
        Assert.Equal(a, Modality.Named("a", ModalityKind.Columns));
    }
}
