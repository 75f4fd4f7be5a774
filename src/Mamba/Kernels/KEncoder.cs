using System.Runtime.CompilerServices;

namespace Mamba.Kernels;

/// <summary>Encodes blocks of 256 weights with two levels of scales: GGUF's Q4_K, Q5_K and Q6_K.</summary>
/// <remarks>
/// The format leaves the choice of scales free. Each group takes the scale and the minimum of least squared error,
/// found from several roundings of its weights, each with its exact least-squares fit. They are rounded to multiples of
/// the block's scales; then neighbouring multiples are tried with the weights rounded anew. All weights count equally;
/// ggml weights large values more.
/// </remarks>
internal static unsafe class KEncoder
{
    private const int Group = 32, Groups = 8, SmallGroup = 16, SmallGroups = 16;

    /// <summary>Largest 6-bit integer of a group.</summary>
    private const int MostInteger = 63;

    /// <summary>Roundings of a group that are tried.</summary>
    private const int Trials = 9;

    public static void EncodeQ4K(float* source, int width, byte* row)
    {
        byte* quants = stackalloc byte[KWeights.Block];
        for (int block = 0; block < width / KWeights.Block; block++)
        {
            byte* target = row + (block * Q4KWeights.BlockBytes);
            EncodePairs(source + (block * KWeights.Block), 15, target, quants);
            PackNibbles(quants, target + 16);
        }
    }

    public static void EncodeQ5K(float* source, int width, byte* row)
    {
        byte* quants = stackalloc byte[KWeights.Block];
        for (int block = 0; block < width / KWeights.Block; block++)
        {
            byte* target = row + (block * Q5KWeights.BlockBytes);
            EncodePairs(source + (block * KWeights.Block), 31, target, quants);
            new Span<byte>(target + 16, Group).Clear();
            for (int i = 0; i < KWeights.Block; i++)
            {
                target[16 + (i % Group)] |= (byte)(quants[i] >> 4 << (i / Group));
                quants[i] &= 15;
            }

            PackNibbles(quants, target + 16 + Group);
        }
    }

    public static void EncodeQ6K(float* source, int width, byte* row)
    {
        byte* quants = stackalloc byte[KWeights.Block];
        for (int block = 0; block < width / KWeights.Block; block++)
        {
            byte* target = row + (block * Q6KWeights.BlockBytes);
            EncodeSmallGroups(source + (block * KWeights.Block), target, quants);
            for (int i = 0; i < KWeights.Block / 4; i++)
            {
                // Four runs of 32 weights share the bytes of a half of the block.
                int half = i / Group, first = (half * 128) + (i % Group);
                byte q0 = quants[first], q1 = quants[first + 32], q2 = quants[first + 64], q3 = quants[first + 96];
                target[(half * 64) + (i % Group)] = (byte)((q0 & 15) | (q2 << 4));
                target[(half * 64) + (i % Group) + 32] = (byte)((q1 & 15) | (q3 << 4));
                target[128 + i] = (byte)((q0 >> 4) | (q1 >> 4 << 2) | (q2 >> 4 << 4) | (q3 >> 4 << 6));
            }
        }
    }

    private static void PackNibbles(byte* quants, byte* target)
    {
        for (int i = 0; i < KWeights.Block / 2; i++)
        {
            byte* low = quants + (i / Group * 2 * Group) + (i % Group);
            target[i] = (byte)(low[0] | (low[Group] << 4));
        }
    }

    /// <summary>Chooses scales and minima of a block, writes them, and rounds the weights.</summary>
    [SkipLocalsInit]
    private static void EncodePairs(float* x, int most, byte* target, byte* quants)
    {
        _ = NarrowNumbers.LargestOf(x, KWeights.Block); // all are finite
        float* scales = stackalloc float[Groups];
        float* minima = stackalloc float[Groups];
        float largestScale = 0f, largestMinimum = 0f;
        for (int j = 0; j < Groups; j++)
        {
            (scales[j], minima[j]) = FitPair(new(x + (j * Group), Group, 0f, most), most);
            largestScale = MathF.Max(largestScale, scales[j]);
            largestMinimum = MathF.Max(largestMinimum, minima[j]);
        }

        ushort d = NarrowNumbers.ToFloat16(largestScale / MostInteger);
        ushort m = NarrowNumbers.ToFloat16(largestMinimum / MostInteger);
        (((ushort*)target)[0], ((ushort*)target)[1]) = (d, m);
        float scale = (float)BitConverter.UInt16BitsToHalf(d), minimum = (float)BitConverter.UInt16BitsToHalf(m);
        byte* integers = stackalloc byte[2 * Groups];
        for (int j = 0; j < Groups; j++)
        {
            KGroup group = new(x + (j * Group), Group, 0f, most);
            (int s, int n) = Refine(group, scale, Nearest(scales[j], scale), minimum, Nearest(minima[j], minimum));
            (integers[j], integers[j + Groups]) = ((byte)s, (byte)n);
            group.Round(scale * s, minimum * n, quants + (j * Group));
        }

        PackIntegers(integers, integers + Groups, target + 4);
    }

    private static int Nearest(float value, float unit) =>
        unit == 0f ? 0 : (int)Math.Clamp(MathF.Round(value / unit), 0f, MostInteger);

    private static void PackIntegers(byte* scales, byte* minima, byte* target)
    {
        for (int j = 0; j < Groups / 2; j++)
        {
            target[j] = (byte)(scales[j] | (scales[j + 4] >> 4 << 6));
            target[j + 4] = (byte)(minima[j] | (minima[j + 4] >> 4 << 6));
            target[j + 8] = (byte)((scales[j + 4] & 15) | (minima[j + 4] << 4));
        }
    }

    /// <summary>Finds scale and minimum, neither negative, of small squared error.</summary>
    private static (float Scale, float Minimum) FitPair(KGroup group, int most)
    {
        float low = 0f, high = group.Weights[0];
        for (int i = 0; i < Group; i++)
        {
            low = MathF.Min(low, group.Weights[i]);
            high = MathF.Max(high, group.Weights[i]);
        }

        if (high <= low)
        {
            return (0f, -low);
        }

        (float Scale, float Minimum) best = ((high - low) / most, -low);
        float least = group.Error(best.Scale, best.Minimum);
        for (int trial = 0; trial < Trials; trial++)
        {
            Take(group.Fit((high - low) / (most - 0.6f + (0.2f * trial)), -low));
        }

        while (Take(group.Fit(best.Scale, best.Minimum)))
        {
        }

        return best;

        bool Take((float Scale, float Minimum) fit)
        {
            float error = group.Error(fit.Scale, fit.Minimum);
            bool isBetter = error < least;
            (best, least) = isBetter ? (fit, error) : (best, least);
            return isBetter;
        }
    }

    /// <summary>Tries neighbours of the two integers of a group.</summary>
    private static (int Scale, int Minimum) Refine(
        KGroup group, float scale, int scaleInteger, float minimum, int minimumInteger)
    {
        (int Scale, int Minimum) best = (scaleInteger, minimumInteger);
        float least = float.PositiveInfinity;
        for (int s = Math.Max(scaleInteger - 1, 0); s <= Math.Min(scaleInteger + 1, MostInteger); s++)
        {
            for (int m = Math.Max(minimumInteger - 1, 0); m <= Math.Min(minimumInteger + 1, MostInteger); m++)
            {
                float error = group.Error(scale * s, minimum * m);
                if (error < least)
                {
                    (best, least) = ((s, m), error);
                }
            }
        }

        return best;
    }

    /// <summary>Chooses the scales of the groups of 16 of a block, writes them, and rounds the weights.</summary>
    [SkipLocalsInit]
    private static void EncodeSmallGroups(float* x, byte* target, byte* quants)
    {
        _ = NarrowNumbers.LargestOf(x, KWeights.Block); // all are finite
        float* scales = stackalloc float[SmallGroups];
        for (int j = 0; j < SmallGroups; j++)
        {
            scales[j] = FitScale(SmallGroupAt(x, j));
        }

        // The largest becomes -128, which has one more step than 127.
        ushort d = NarrowNumbers.ToFloat16(NarrowNumbers.LargestOf(scales, SmallGroups) / -128f);
        *(ushort*)(target + 208) = d;
        float scale = (float)BitConverter.UInt16BitsToHalf(d);
        for (int j = 0; j < SmallGroups; j++)
        {
            KGroup group = SmallGroupAt(x, j);
            int nearest = scale == 0f ? 0 : (int)Math.Clamp(MathF.Round(scales[j] / scale), -128f, 127f);
            int best = nearest;
            float least = group.Error(scale * nearest, 0f);
            for (int integer = Math.Max(nearest - 1, -128); integer <= Math.Min(nearest + 1, 127); integer++)
            {
                float error = group.Error(scale * integer, 0f);
                if (error < least)
                {
                    (best, least) = (integer, error);
                }
            }

            target[192 + j] = (byte)(sbyte)best;
            group.Round(scale * best, 0f, quants + (j * SmallGroup));
        }
    }

    private static KGroup SmallGroupAt(float* x, int index) => new(x + (index * SmallGroup), SmallGroup, -32f, 31f);

    /// <summary>Finds a scale of small squared error.</summary>
    private static float FitScale(KGroup group)
    {
        float largest = NarrowNumbers.LargestOf(group.Weights, SmallGroup), best = largest / -32f;
        if (largest == 0f)
        {
            return 0f;
        }

        float least = group.Error(best, 0f);
        for (int trial = 0; trial < 2 * Trials; trial++)
        {
            // The largest becomes -32, about; in half of the trials 31.
            float fitted = group.Fit(largest / ((trial < Trials ? -32.8f : 30.2f) + (0.2f * (trial % Trials))));
            float error = group.Error(fitted, 0f);
            if (error < least)
            {
                (best, least) = (fitted, error);
            }
        }

        return best;
    }
}
