namespace Mamba.Tests;

/// <summary>The measure of closeness: the largest difference, relative to the largest expected value.</summary>
internal static class Close
{
    /// <summary>
    /// Asserts <c>max|actual - expected| ≤ tolerance·max|expected|</c>, and names the worst element otherwise.
    /// </summary>
    public static void ShouldBeClose(this float[] actual, double[] expected, double tolerance, string what = "array") =>
        ShouldBeClose(Array.ConvertAll(actual, value => (double)value), expected, tolerance, what);

    /// <summary>
    /// Asserts <c>max|actual - expected| ≤ tolerance·max|expected|</c>, and names the worst element otherwise.
    /// </summary>
    public static void ShouldBeClose(this float[] actual, float[] expected, double tolerance, string what = "array") =>
        ShouldBeClose(actual, Array.ConvertAll(expected, value => (double)value), tolerance, what);

    /// <summary>
    /// Asserts <c>max|actual - expected| ≤ tolerance·max|expected|</c>, and names the worst element otherwise.
    /// </summary>
    public static void ShouldBeClose(this double[] actual, double[] expected, double tolerance, string what = "array")
    {
        actual.Length.Should().Be(expected.Length, "{0} has one value for each expected", what);
        double scale = expected.Length == 0 ? 0 : expected.Max(Math.Abs);
        for (int i = 0; i < actual.Length; i++)
        {
            bool close = Math.Abs(actual[i] - expected[i]) <= tolerance * scale
                || actual[i].Equals(expected[i])
                || (double.IsNaN(actual[i]) && double.IsNaN(expected[i]));
            if (!close)
            {
                Assert.Fail(
                    $"{what}[{i}] is {actual[i]:g9}, expected {expected[i]:g9}; " +
                    $"off by {Math.Abs(actual[i] - expected[i]) / scale:g3} of the largest, allowed {tolerance:g3}.");
            }
        }
    }

    /// <summary>Asserts that two arrays hold the same bits.</summary>
    public static void ShouldHaveTheBitsOf(this float[] actual, float[] expected, string what = "array")
    {
        actual.Length.Should().Be(expected.Length, "{0} has one value for each expected", what);
        for (int i = 0; i < actual.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(actual[i]) != BitConverter.SingleToInt32Bits(expected[i]))
            {
                Assert.Fail($"{what}[{i}] is {actual[i]:r}, expected the same bits as {expected[i]:r}.");
            }
        }
    }
}
