using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// A number as the unevaluated sum of two floats, with about 48 significant bits. Sums over whole arrays use it because
/// not every device has doubles.
/// </summary>
/// <remarks>Dekker, Numerische Mathematik 18 (1971); Knuth, The Art of Computer Programming 2, 4.2.2.</remarks>
internal readonly struct Twofold(float high, float low)
{
    public float High { get; } = high;

    public float Low { get; } = low;

    /// <summary>The nearest float. If the high part is not finite, the low part has no meaning.</summary>
    public float Value => High - High == 0f ? High + Low : High;

    public static Twofold operator +(Twofold a, float b)
    {
        float sum = a.High + b;
        float shadow = sum - a.High;
        float error = (a.High - (sum - shadow)) + (b - shadow);
        return new(sum, a.Low + error);
    }

    public static Twofold operator +(Twofold a, Twofold b)
    {
        Twofold sum = a + b.High;
        float low = sum.Low + b.Low, high = sum.High + low;
        return new(high, low - (high - sum.High));
    }

    public static Twofold operator *(Twofold a, Twofold b)
    {
        float product = a.High * b.High;
        float a1 = Half(a.High), b1 = Half(b.High), a2 = a.High - a1, b2 = b.High - b1;
        float error = ((a1 * b1) - product) + (a1 * b2) + (a2 * b1) + (a2 * b2);
        return new(product, error + (a.High * b.Low) + (a.Low * b.High));
    }

    /// <summary>The twofold nearest to a double.</summary>
    public static Twofold Of(double value)
    {
        float high = (float)value;
        return new(high, float.IsFinite(high) ? (float)(value - high) : 0f);
    }

    /// <summary>The upper 12 bits of the significand: products of such halves are exact.</summary>
    private static float Half(float value) => Interop.IntAsFloat(Interop.FloatAsInt(value) & 0xFFFFF000u);
}
