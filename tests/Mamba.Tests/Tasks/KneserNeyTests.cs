using System.Text;
using Mamba.Tasks.Text;

namespace Mamba.Tests.Tasks;

public sealed class KneserNeyTests
{
    private static readonly byte[] Text =
        Encoding.ASCII.GetBytes(
            "the cat sat on the mat; the rat sat on the cat, and that is that. the hat that sat, sat.");

    [Theory]
    [InlineData("")]
    [InlineData("t")]
    [InlineData("the ")]
    [InlineData("on the c")]
    [InlineData("zzzzzz")]
    [InlineData("qthat")]
    public void Probabilities_of_all_bytes_sum_to_one(string context)
    {
        foreach (int order in (int[])[1, 2, 3, 5, 8])
        {
            KneserNey model = new(Text, order);

            double sum = Enumerable.Range(0, 256).Sum(
                next => model.Probability(Encoding.ASCII.GetBytes(context), (byte)next));

            sum.Should().BeApproximately(1, 1e-12);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Probabilities_are_those_of_the_definition(int order)
    {
        KneserNey model = new(Text, order);
        foreach (string context in (string[])["", "t", "th", "the", "sat on ", "xyz", "xhe"])
        {
            foreach (char next in "te zm")
            {
                double expected = Definition(context, next, Math.Min(order, context.Length + 1), order);

                model.Probability(Encoding.ASCII.GetBytes(context), (byte)next)
                    .Should().BeApproximately(expected, 1e-12);
            }
        }
    }

    [Fact]
    public void Longer_contexts_predict_better_what_repeats()
    {
        byte[] training = [.. Enumerable.Range(0, 50).SelectMany(_ => Text)];

        double[] bits = [.. Enumerable.Range(1, 5).Select(order => new KneserNey(training, order).BitsPerByte(Text))];

        bits.Should().BeInDescendingOrder();
    }

    /// <summary>Equation 4.22 of Chen and Goodman, by counting in strings.</summary>
    private static double Definition(string context, char next, int order, int highest)
    {
        if (order == 0)
        {
            return 1.0 / 256;
        }

        string text = Encoding.ASCII.GetString(Text), history = context[^(order - 1)..];
        string[] grams = Grams(text, order);
        Dictionary<string, int> counts = order == highest
            ? grams.GroupBy(gram => gram).ToDictionary(group => group.Key, group => group.Count())
            : Grams(text, order + 1)
                .Distinct()
                .GroupBy(gram => gram[1..])
                .ToDictionary(group => group.Key, group => group.Count());
        KeyValuePair<string, int>[] followers = [.. counts.Where(pair => pair.Key[..^1] == history)];
        double shorter = Definition(context, next, order - 1, highest);
        if (followers.Length == 0)
        {
            return shorter;
        }

        double[] n =
            [0, .. Enumerable.Range(1, 4).Select(times => (double)counts.Values.Count(count => count == times))];
        double y = n[1] / (n[1] + (2 * n[2]));
        double Discount(int count) => count == 0 ? 0
            : n[count] > 0 && n[1] > 0
                ? Math.Clamp(count - ((count + 1) * y * n[count + 1] / n[count]), 0, count)
                : 0.5;
        double total = followers.Sum(pair => pair.Value);
        double kept = followers.Sum(pair => Discount(Math.Min(pair.Value, 3)));
        int found = counts.GetValueOrDefault(history + next);
        return (found - Discount(Math.Min(found, 3)) + (kept * shorter)) / total;
    }

    private static string[] Grams(string text, int length) =>
        [.. Enumerable.Range(0, text.Length - length + 1).Select(i => text.Substring(i, length))];
}
