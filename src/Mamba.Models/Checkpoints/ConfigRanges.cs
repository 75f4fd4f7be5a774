using System.Globalization;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// The ranges of numbers in configuration files: far above every published model, and so small that no product of two
/// leaves 64 bits and no sum of a few leaves 32.
/// </summary>
internal static class ConfigRanges
{
    /// <summary>The ends of the ranges below.</summary>
    public const int MostLayers = 4096, MostSize = 1 << 20, MostVocabulary = 1 << 24;

    /// <summary>Number of layers.</summary>
    public static readonly (int Least, int Most) Layers = (1, MostLayers);

    /// <summary>Widths, numbers of heads and states, ranks.</summary>
    public static readonly (int Least, int Most) Size = (1, MostSize);

    /// <summary>The same of what may be absent.</summary>
    public static readonly (int Least, int Most) SizeOrNone = (0, MostSize);

    /// <summary>Number of tokens.</summary>
    public static readonly (int Least, int Most) Vocabulary = (1, MostVocabulary);

    /// <summary>ε of a norm: positive as a float, so that a row of zeros is not divided by 0.</summary>
    public static readonly (double Least, double Most) Epsilon = (float.Epsilon, float.MaxValue);

    /// <summary>Factors, bases.</summary>
    public static readonly (double Least, double Most) Positive = (double.Epsilon, double.MaxValue);

    /// <summary>Every float32 but NaN and infinities.</summary>
    public static readonly (double Least, double Most) Finite = (-float.MaxValue, float.MaxValue);

    /// <summary>Describes a range, for messages.</summary>
    public static string Describe((int Least, int Most) range) => $"an integer from {range.Least} to {range.Most}";

    /// <summary>Describes a range, for messages.</summary>
    public static string Describe((double Least, double Most) range) =>
        range == Epsilon ? "a positive number that a float holds"
        : range == Positive ? "a positive number"
        : string.Create(CultureInfo.InvariantCulture, $"a number from {range.Least:g8} to {range.Most:g8}");
}
