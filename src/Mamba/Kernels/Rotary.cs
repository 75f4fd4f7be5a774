namespace Mamba.Kernels;

/// <summary>Rotary position embedding.</summary>
/// <remarks>Su et al., arXiv:2104.09864, eq. 34: pair i of a head rotates by position·base^(-2i/rotaryDim).</remarks>
internal static unsafe class Rotary
{
    /// <summary>Rotates every head of one token.</summary>
    /// <param name="x">The token, [width].</param>
    /// <param name="y">The rotated token, [width]; may be <paramref name="x"/>.</param>
    /// <param name="width">Heads·headDim.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="angles">Cosine and sine of every pair, [rotaryDim].</param>
    /// <param name="rotaryDim">Entries of a head that are rotated.</param>
    /// <param name="interleaved">Whether neighbours form a pair.</param>
    public static void Token(
        float* x, float* y, int width, int headDim, float* angles, int rotaryDim, bool interleaved)
    {
        int half = rotaryDim / 2, apart = interleaved ? 1 : half, step = interleaved ? 2 : 1;
        for (int head = 0; head < width; head += headDim)
        {
            for (int i = 0; i < half; i++)
            {
                int first = head + (i * step), second = first + apart;
                (float a, float b, float cos, float sin) = (x[first], x[second], angles[2 * i], angles[(2 * i) + 1]);
                y[first] = (a * cos) - (b * sin);
                y[second] = (a * sin) + (b * cos);
            }

            new ReadOnlySpan<float>(x + head + rotaryDim, headDim - rotaryDim).CopyTo(
                new(y + head + rotaryDim, headDim - rotaryDim));
        }
    }

    /// <summary>Computes the cosine and sine of every pair at a position.</summary>
    public static void Angles(long position, int rotaryDim, double frequencyBase, bool inverse, float* angles)
    {
        for (int i = 0; i < rotaryDim / 2; i++)
        {
            double angle = position * Math.Pow(frequencyBase, -2.0 * i / rotaryDim);
            angles[2 * i] = (float)Math.Cos(angle);
            angles[(2 * i) + 1] = (float)(inverse ? -Math.Sin(angle) : Math.Sin(angle));
        }
    }
}
