namespace Mamba.Kernels;

/// <summary>Rounds float32 numbers to narrower formats.</summary>
internal static unsafe class NarrowNumbers
{
    /// <summary>Rounds to the nearest bfloat16, ties to even; NaN stays NaN.</summary>
    public static void ToBFloat16(ReadOnlySpan<float> source, Span<ushort> target)
    {
        for (int i = 0; i < source.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(source[i]);
            target[i] = float.IsNaN(source[i])
                ? (ushort)((bits >> 16) | 0x40) // the upper half alone may be infinity
                : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    /// <summary>Rounds to the nearest half-precision numbers, ties to even.</summary>
    /// <exception cref="ArithmeticException">A number is out of half precision's range, or is not finite.</exception>
    public static void ToFloat16(ReadOnlySpan<float> source, Span<ushort> target)
    {
        for (int i = 0; i < source.Length; i++)
        {
            target[i] = ToFloat16(source[i]);
        }
    }

    /// <summary>Rounds to the nearest half-precision number, ties to even.</summary>
    /// <exception cref="ArithmeticException">
    /// The number is out of half precision's range, or is not finite.
    /// </exception>
    public static ushort ToFloat16(float value)
    {
        Half half = (Half)value;
        return Half.IsFinite(half)
            ? BitConverter.HalfToUInt16Bits(half)
            : throw new ArithmeticException($"Expected numbers up to {Half.MaxValue} in size; found {value}.");
    }

    /// <summary>Finds the number of largest magnitude; the first of several.</summary>
    /// <exception cref="ArithmeticException">A number is not finite.</exception>
    public static float LargestOf(float* values, int count)
    {
        float largest = 0f;
        for (int i = 0; i < count; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                throw new ArithmeticException($"Expected finite weights; found {values[i]}.");
            }

            if (MathF.Abs(values[i]) > MathF.Abs(largest))
            {
                largest = values[i];
            }
        }

        return largest;
    }
}
