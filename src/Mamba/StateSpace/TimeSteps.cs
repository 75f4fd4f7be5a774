namespace Mamba.StateSpace;

/// <summary>How the step Δ of a selective layer begins: log-uniform, through the inverse of softplus.</summary>
/// <remarks>
/// The Mamba paper (section 3.6) says uniform in [0.001, 0.1]; the released code, and therefore every released
/// model, draws the logarithm uniformly, as here.
/// </remarks>
/// <example>
/// <code>
/// double delta = TimeSteps.Sample(new Random(1));
/// double bias = TimeSteps.InverseSoftplus(delta); // softplus(bias) is delta
/// </code>
/// </example>
public static class TimeSteps
{
    /// <summary>Draws <c>Δ = max(e^U(log minimum, log maximum), floor)</c>.</summary>
    /// <param name="random">The source of randomness.</param>
    /// <param name="minimum">The smallest step.</param>
    /// <param name="maximum">The largest step.</param>
    /// <param name="floor">Lower limit of the step, applied after sampling.</param>
    /// <returns>The step.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The range is empty, a bound is not a positive number, or the floor is negative or above the range.
    /// </exception>
    public static double Sample(Random random, double minimum = 1e-3, double maximum = 1e-1, double floor = 1e-4)
    {
        ArgumentNullException.ThrowIfNull(random);
        Require(minimum, maximum, floor);
        double low = Math.Log(minimum), high = Math.Log(maximum);
        return Math.Max(Math.Exp(low + (random.NextDouble() * (high - low))), floor);
    }

    /// <summary>Computes <c>x</c> with <c>softplus(x) = delta</c>: <c>x = Δ + log(1 - e^-Δ)</c>.</summary>
    /// <param name="delta">Δ, positive.</param>
    /// <returns>The bias that gives this step at a zero input.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="delta"/> is not a positive number.</exception>
    /// <remarks><c>log(e^Δ - 1)</c> as written overflows at Δ = 710, and loses half its digits at 1e-8.</remarks>
    public static double InverseSoftplus(double delta)
    {
        RequirePositive(delta, nameof(delta));
        return delta + Math.Log(-CarefulMath.Expm1(-delta));
    }

    /// <summary>Draws the biases of Δ: <see cref="InverseSoftplus"/> of <see cref="Sample"/>, each anew.</summary>
    /// <param name="random">The source of randomness.</param>
    /// <param name="bias">Written: one bias per channel or head.</param>
    /// <param name="minimum">The smallest step.</param>
    /// <param name="maximum">The largest step.</param>
    /// <param name="floor">Lower limit of the step, applied after sampling.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// As of <see cref="Sample"/>, or the largest step is beyond a float.
    /// </exception>
    public static void FillBias(
        Random random, Span<float> bias, double minimum = 1e-3, double maximum = 1e-1, double floor = 1e-4)
    {
        ArgumentNullException.ThrowIfNull(random);
        Require(minimum, maximum, floor);
        Setting.RequirePositiveFloat(maximum, nameof(maximum));
        foreach (ref float value in bias)
        {
            value = (float)InverseSoftplus(Sample(random, minimum, maximum, floor));
        }
    }

    private static void Require(double minimum, double maximum, double floor)
    {
        RequirePositive(minimum, nameof(minimum));
        RequirePositive(maximum, nameof(maximum));
        if (maximum < minimum)
        {
            throw Setting.Refusal(nameof(maximum), FormattableString.Invariant($"at least {minimum}"), maximum);
        }

        Setting.RequireIn(floor, maximum, nameof(floor));
    }

    private static void RequirePositive(double value, string name) =>
        Setting.Require(value > 0 && double.IsFinite(value), name, "a positive number", value);
}
