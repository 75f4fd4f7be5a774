using System.Globalization;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// Ranges of numbers in configuration files: far above every published model, and so small that no product of two
/// overflows 64 bits and no sum of a few overflows 32.
/// </summary>
internal static class ConfigRanges
{
    /// <summary>Upper limits of the ranges below.</summary>
    public const int MostLayers = 4096, MostSize = 1 << 20, MostVocabulary = 1 << 24;

    /// <summary>Number of layers.</summary>
    public static readonly (int Least, int Most) Layers = (1, MostLayers);

    /// <summary>Widths, numbers of heads and states, ranks.</summary>
    public static readonly (int Least, int Most) Size = (1, MostSize);

    /// <summary>Sizes that may be 0 for absence.</summary>
    public static readonly (int Least, int Most) SizeOrNone = (0, MostSize);

    /// <summary>Number of tokens.</summary>
    public static readonly (int Least, int Most) Vocabulary = (1, MostVocabulary);

    /// <summary>ε of a norm: positive as a float, else a row of zeros would be divided by 0.</summary>
    public static readonly (double Least, double Most) Epsilon = (float.Epsilon, float.MaxValue);

    /// <summary>Factors and bases.</summary>
    public static readonly (double Least, double Most) Positive = (double.Epsilon, double.MaxValue);

    /// <summary>The base of rotary positions.</summary>
    public static readonly (double Least, double Most) RotaryBase = (1, double.MaxValue);

    /// <summary>Every float32 except NaN and infinities.</summary>
    public static readonly (double Least, double Most) Finite = (-float.MaxValue, float.MaxValue);

    /// <summary>Describes a range, for messages.</summary>
    public static string Describe((int Least, int Most) range) => $"an integer from {range.Least} to {range.Most}";

    /// <summary>Describes a range, for messages.</summary>
    public static string Describe((double Least, double Most) range) =>
        range == Epsilon ? "a positive number that a float holds"
        : range == Positive ? "a positive number"
        : string.Create(CultureInfo.InvariantCulture, $"a number from {range.Least:g8} to {range.Most:g8}");
}
