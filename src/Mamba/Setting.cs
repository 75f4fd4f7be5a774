namespace Mamba.Training;

/// <summary>Checks of numbers that are set.</summary>
internal static class Setting
{
    /// <summary>Throws unless a number is from 0 to <paramref name="high"/>; NaN is not.</summary>
    public static void RequireIn(double value, double high, string name)
    {
        if (!(value >= 0 && value <= high))
        {
            throw new ArgumentOutOfRangeException(name, value, $"Expected a number from 0 to {high}.");
        }
    }

    /// <summary>Throws unless a number is from 0 to below 1.</summary>
    public static void RequireDecay(double value, string name) => RequireIn(value, Math.BitDecrement(1.0), name);
}
