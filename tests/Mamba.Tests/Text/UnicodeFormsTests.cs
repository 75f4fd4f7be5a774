using System.Text;
using Mamba.Text.Unicode;

namespace Mamba.Tests.Text;

/// <summary>Normalization forms; TokenizerOracleTests compares them with the reference on random texts.</summary>
public class UnicodeFormsTests
{
    // Examples of UAX #15 and of its section on Hangul, and marks that are out of order.
    [Theory]
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E69", "s\u0323\u0307")]
    [InlineData("\u212B", "\u00C5", "A\u030A", "\u00C5", "A\u030A")]
    [InlineData("\uFB01", "\uFB01", "\uFB01", "fi", "fi")]
    [InlineData("\uAC01", "\uAC01", "\u1100\u1161\u11A8", "\uAC01", "\u1100\u1161\u11A8")]
    [InlineData(
        "\uAC00\u11A8\u11A8", "\uAC01\u11A8", "\u1100\u1161\u11A8\u11A8",
        "\uAC01\u11A8", "\u1100\u1161\u11A8\u11A8")]
    [InlineData(
        "a\u0301\u0323\u0301", "\u1EA1\u0301\u0301", "a\u0323\u0301\u0301",
        "\u1EA1\u0301\u0301", "a\u0323\u0301\u0301")]
    [InlineData("\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C")] // excluded from composition
    [InlineData("\u0344", "\u0308\u0301", "\u0308\u0301", "\u0308\u0301", "\u0308\u0301")]
    [InlineData(
        "\U0001D15E", "\U0001D157\U0001D165", "\U0001D157\U0001D165",
        "\U0001D157\U0001D165", "\U0001D157\U0001D165")]
    [InlineData("\U00011099\U000110BA", "\U0001109A", "\U00011099\U000110BA", "\U0001109A", "\U00011099\U000110BA")]
    [InlineData(
        "a\u0301\u0000\u0301", "\u00E1\u0000\u0301", "a\u0301\u0000\u0301",
        "\u00E1\u0000\u0301", "a\u0301\u0000\u0301")]
    public void Forms_are_those_of_the_standard(string text, string c, string d, string kc, string kd)
    {
        UnicodeForms.Normalize(text, NormalizationForm.FormC).Should().Be(c);
        UnicodeForms.Normalize(text, NormalizationForm.FormD).Should().Be(d);
        UnicodeForms.Normalize(text, NormalizationForm.FormKC).Should().Be(kc);
        UnicodeForms.Normalize(text, NormalizationForm.FormKD).Should().Be(kd);
    }

    [Fact]
    public void Lower_case_is_that_of_each_character_by_itself() =>
        Characters.Lowercase("AÉΣİ\U00010400ß").Should().Be("aéσi\u0307\U00010428ß");
}
