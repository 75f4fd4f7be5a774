using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Mamba.Kernels;

/// <summary>
/// A group of weights that share a scale and a minimum: values scale·q - minimum, with q an integer in a range.
/// </summary>
/// <remarks>Sums are added in one order on every processor, so that choices that depend on them are the same.</remarks>
/// <param name="x">The weights.</param>
/// <param name="count">Their number, a multiple of 8.</param>
/// <param name="least">The smallest integer.</param>
/// <param name="most">The largest integer.</param>
internal readonly unsafe struct KGroup(float* x, int count, float least, float most)
{
    private const int Lanes = 8;

    public float* Weights => x;

    /// <summary>Squared error of the weights, rounded to the nearest values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public float Error(float scale, float minimum)
    {
        float inverse = Inverse(scale);
        Vector256<float> sum = default;
        for (int i = 0; i < count; i += Lanes)
        {
            Vector256<float> weights = Vector256.Load(x + i);
            Vector256<float> difference =
                (Vector256.Create(scale) * Quants(weights, inverse, minimum)) - Vector256.Create(minimum) - weights;
            sum += difference * difference;
        }

        return Sum(sum);
    }

    /// <summary>The least-squares fit for the integers to which a scale and a minimum round the weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public (float Scale, float Minimum) Fit(float scale, float minimum)
    {
        float inverse = Inverse(scale);
        Vector256<float> q1 = default, q2 = default, x1 = default, xq = default;
        for (int i = 0; i < count; i += Lanes)
        {
            Vector256<float> weights = Vector256.Load(x + i), quants = Quants(weights, inverse, minimum);
            q1 += quants;
            q2 += quants * quants;
            x1 += weights;
            xq += weights * quants;
        }

        float sumQ = Sum(q1), sumQQ = Sum(q2), sumX = Sum(x1), sumXQ = Sum(xq);
        float determinant = (count * sumQQ) - (sumQ * sumQ);
        if (determinant <= 0f)
        {
            return (scale, minimum); // all round to the same integer
        }

        float fitted = ((count * sumXQ) - (sumQ * sumX)) / determinant;
        float low = ((sumQ * sumXQ) - (sumQQ * sumX)) / determinant;
        if (low < 0f)
        {
            (low, fitted) = (0f, sumXQ / sumQQ);
        }

        return fitted > 0f ? (fitted, low) : (scale, minimum);
    }

    /// <summary>The same without a minimum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public float Fit(float scale)
    {
        float inverse = Inverse(scale);
        Vector256<float> q2 = default, xq = default;
        for (int i = 0; i < count; i += Lanes)
        {
            Vector256<float> weights = Vector256.Load(x + i), quants = Quants(weights, inverse, 0f);
            q2 += quants * quants;
            xq += weights * quants;
        }

        return Sum(xq) / Sum(q2);
    }

    /// <summary>Rounds the weights; integers are stored less the smallest.</summary>
    public void Round(float scale, float minimum, byte* quants)
    {
        float inverse = Inverse(scale);
        float* rounded = stackalloc float[Lanes];
        for (int i = 0; i < count; i += Lanes)
        {
            Quants(Vector256.Load(x + i), inverse, minimum).Store(rounded);
            for (int j = 0; j < Lanes; j++)
            {
                quants[i + j] = (byte)(rounded[j] - least);
            }
        }
    }

    private static float Inverse(float scale) => scale == 0f ? 0f : 1f / scale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Quants(Vector256<float> weights, float inverse, float minimum) => Vector256.Min(
        Vector256.Max(
            Vector256.Round((weights + Vector256.Create(minimum)) * Vector256.Create(inverse)),
            Vector256.Create(least)),
        Vector256.Create(most));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum(Vector256<float> value)
    {
        Vector128<float> four = value.GetLower() + value.GetUpper();
        return four[0] + four[2] + (four[1] + four[3]);
    }
}
