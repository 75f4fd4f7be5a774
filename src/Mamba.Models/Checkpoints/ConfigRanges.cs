using System.Globalization;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// The ranges of numbers in configuration files: far above every published model, and so small that no product of two
/// leaves 64 bits and no sum of a few leaves 32.
/// </summary>
internal static class ConfigRanges
{
    /// <summary>Number of layers.</summary>
    public static readonly (int Least, int Most) Layers = (1, 4096);

    /// <summary>Widths, numbers of heads and states, ranks.</summary>
    public static readonly (int Least, int Most) Size = (1, 1 << 20);

    /// <summary>The same of what may be absent.</summary>
    public static readonly (int Least, int Most) SizeOrNone = (0, 1 << 20);

    /// <summary>Number of tokens.</summary>
    public static readonly (int Least, int Most) Vocabulary = (1, 1 << 24);

    /// <summary>ε of a norm.</summary>
    public static readonly (double Least, double Most) Epsilon = (0, float.MaxValue);

    /// <summary>Factors, bases.</summary>
    public static readonly (double Least, double Most) Positive = (double.Epsilon, double.MaxValue);

    /// <summary>Every float32 but NaN and infinities.</summary>
    public static readonly (double Least, double Most) Finite = (-float.MaxValue, float.MaxValue);

    /// <summary>Describes a range, for messages.</summary>
    public static string Describe((int Least, int Most) range) => $"an integer from {range.Least} to {range.Most}";

    /// <summary>Describes a range, for messages.</summary>
    public static string Describe((double Least, double Most) range) =>
        range == Epsilon ? "a number of 0 or more"
        : range == Positive ? "a positive number"
        : string.Create(CultureInfo.InvariantCulture, $"a number from {range.Least:g8} to {range.Most:g8}");
}
