using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Mamba;

/// <summary>Checks of options. What fails is named, with what was expected and what was found.</summary>
internal static class Setting
{
    /// <summary>Throws unless a value is as expected.</summary>
    /// <param name="isValid">Whether it is.</param>
    /// <param name="name">The option.</param>
    /// <param name="expected">What it must be, in words.</param>
    /// <param name="found">What it is.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public static void Require<T>(bool isValid, string name, string expected, T found)
    {
        if (!isValid)
        {
            throw Refusal(name, expected, found);
        }
    }

    /// <summary>What is thrown; for messages that would cost something where nothing is wrong.</summary>
    /// <inheritdoc cref="Require" path="/param"/>
    public static ArgumentOutOfRangeException Refusal<T>(string name, string expected, T found) => new(
        name, string.Create(CultureInfo.InvariantCulture, $"{name} must be {expected}; found {found}."));

    /// <summary>Throws if a value is null.</summary>
    public static void RequireNotNull([NotNull] object? value, string name, string expected)
    {
        if (value is null)
        {
            throw new ArgumentNullException(name, $"{name} must be {expected}; found null.");
        }
    }

    /// <summary>Throws unless a number is 1 or more.</summary>
    public static void RequirePositive(long value, string name) => Require(value > 0, name, "positive", value);

    /// <summary>Throws unless a number is 0 or more.</summary>
    public static void RequireNotNegative(long value, string name) => Require(value >= 0, name, "0 or more", value);

    /// <summary>Throws unless a number is from 0 to <paramref name="high"/>; NaN is not.</summary>
    public static void RequireIn(double value, double high, string name)
    {
        if (!(value >= 0 && value <= high))
        {
            throw Refusal(name, FormattableString.Invariant($"a number from 0 to {high}"), value);
        }
    }

    /// <summary>Throws unless a number is from 0 to below 1.</summary>
    public static void RequireDecay(double value, string name) =>
        Require(value is >= 0 and < 1, name, "a number from 0 to below 1", value);

    /// <summary>Throws unless a number is, as a float, above 0 and finite.</summary>
    public static void RequirePositiveFloat(double value, string name) =>
        Require((float)value is > 0 and < float.PositiveInfinity, name, "a positive number that a float holds", value);

    /// <summary>Throws unless a number is a finite float, 0 or more.</summary>
    public static void RequireFloat(double value, string name) => Require(
        (float)value is >= 0 and < float.PositiveInfinity, name, "0 or a positive number that a float holds", value);

    /// <summary>Throws unless a number is finite.</summary>
    public static void RequireFinite(float value, string name) =>
        Require(float.IsFinite(value), name, "a finite number", value);

    /// <summary>Throws unless a width fits in 32 bits.</summary>
    /// <param name="width">The width, computed in 64 bits.</param>
    /// <param name="name">The option that decides it.</param>
    /// <param name="what">What the width is of.</param>
    public static void RequireWidth(long width, string name, string what)
    {
        if (width > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(name, $"{name} must leave {what} below 2^31; found {width}.");
        }
    }
}
