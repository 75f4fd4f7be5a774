using System.Xml.Linq;
using Mamba.Cli.Train;

namespace Mamba.Tests.Cli;

public sealed class LossPlotTests
{
    private static readonly (long, double)[] Training = [.. Enumerable.Range(1, 1000)
        .Select(step => ((long)step, 8.0 - (step / 200.0)))];

    private static readonly (long, double)[] HeldOut = [(250, 6.5), (500, 5.25), (750, 5.75), (1000, 6.0)];

    [Fact]
    public void Axes_have_round_numbers()
    {
        string[] texts = Texts(LossPlot.Draw("a < b", "bits", Training, HeldOut));

        texts.Should().ContainInOrder("4", "5", "6", "7").And.ContainInOrder("0", "200", "400", "600", "800", "1000");
        texts.Should().Contain("a < b");
    }

    [Fact]
    public void Evaluations_are_joined_and_the_best_is_marked()
    {
        XElement svg = XElement.Parse(LossPlot.Draw("title", "bits", Training, HeldOut));

        XElement[] lines = [.. svg.Elements().Where(element => element.Name.LocalName == "polyline")];
        lines.Should().HaveCount(2);
        ((string)lines[1].Attribute("points")!).Trim().Split(' ').Should().HaveCount(HeldOut.Length);
        svg.Elements().Count(element => element.Name.LocalName == "circle").Should().Be(HeldOut.Length + 1);
        Texts(svg.ToString()).Should().Contain("best: 5.250, step 500");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(1e308)]
    [InlineData(-1e308)]
    public void Any_loss_can_be_drawn(double loss)
    {
        string svg = LossPlot.Draw("title", "bits", [(1, loss), (2, loss), (3, -loss)], [(2, loss)]);

        svg.Should().EndWith("</svg>\n");
        svg.Length.Should().BeLessThan(20_000);
    }

    [Theory]
    [InlineData(0, 1000, 6, 0, new double[] { 0, 200, 400, 600, 800, 1000 })]
    [InlineData(0, 3, 6, 1, new double[] { 0, 1, 2, 3 })]
    [InlineData(1.6, 7.9, 6, 0, new double[] { 2, 3, 4, 5, 6, 7 })]
    [InlineData(0.12, 0.19, 6, 0, new double[] { 0.12, 0.13, 0.14, 0.15, 0.16, 0.17, 0.18, 0.19 })]
    [InlineData(-1, 1, 4, 0, new double[] { -1, -0.5, 0, 0.5, 1 })]
    [InlineData(1, 1, 4, 0, new double[0])]
    public void Ticks_are_multiples_of_one_two_or_five(double low, double high, int count, double least,
        double[] expected)
    {
        double[] places = RoundTicks.Between(low, high, count, least).Places;

        places.Should().HaveCount(expected.Length);
        places.Zip(expected).All(pair => Math.Abs(pair.First - pair.Second) < 1e-9).Should().BeTrue();
    }

    private static string[] Texts(string svg) =>
        [.. XElement.Parse(svg).Elements().Where(element => element.Name.LocalName == "text")
            .Select(element => element.Value)];
}
