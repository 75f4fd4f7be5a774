using CsCheck;
using Mamba.Text.Chat;

namespace Mamba.Tests.Text;

public class StopFinderTests
{
    [Fact]
    public void Text_ends_before_the_first_stop_string_however_it_is_cut() =>
        Gen.Select(
            Gen.String[Gen.Char["abc"], 0, 12],
            Gen.String[Gen.Char["abc"], 1, 4].Array[0, 3],
            Gen.Int[0, 12].Array[0, 4]).Sample((text, stops, cuts) =>
        {
            StopFinder finder = new(stops);
            string found = "";
            int[] ends = [.. cuts.Select(cut => Math.Min(cut, text.Length)).Append(text.Length).Order()];
            for (int i = 0; i < ends.Length; i++)
            {
                found += finder.Append(text[(i == 0 ? 0 : ends[i - 1])..ends[i]]);
            }

            found += finder.Finish();
            int[] places = [.. stops.Select(stop => text.IndexOf(stop, StringComparison.Ordinal)).Where(at => at >= 0)];
            string? expected = places.Length == 0 ? text : null;
            if (expected is null)
            {
                // In a stream the stop string that is whole first counts; at the end it is found at its beginning.
                finder.IsFound.Should().BeTrue();
                text.Should().StartWith(found);
                string rest = text[found.Length..];
                stops.Should().Contain(stop => rest.StartsWith(stop, StringComparison.Ordinal));
                stops.Should().NotContain(stop => found.Contains(stop, StringComparison.Ordinal));
            }
            else
            {
                finder.IsFound.Should().BeFalse();
                found.Should().Be(expected);
            }
        });

    [Fact]
    public void Only_what_may_begin_a_stop_string_is_held_back()
    {
        StopFinder finder = new(["\n\nUser:", "<end>"]);

        finder.Append("Hello\n").Should().Be("Hello");
        finder.Append("\nUse").Should().Be("");
        finder.Append("d it <e").Should().Be("\n\nUsed it ");
        finder.Append("nd> and more").Should().Be("");
        finder.IsFound.Should().BeTrue();
        (finder.Append("more") + finder.Finish()).Should().Be("");
    }
}
