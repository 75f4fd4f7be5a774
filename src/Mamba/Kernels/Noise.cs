using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Fills memory with random numbers or dropout masks.</summary>
internal static unsafe class Noise
{
    /// <summary>Writes the numbers from <paramref name="first"/> on, which is a multiple of 4.</summary>
    public static void Fill(NoiseStream noise, long first, nint count, float* y)
    {
        nint i = 0;
        if (Avx512F.IsSupported)
        {
            for (; i + 64 <= count && HasBlocks(first + i, 16); i += 64)
            {
                Blocks16(noise, (first + i) >> 2, y + i);
            }
        }

        if (Avx2.IsSupported)
        {
            for (; i + 32 <= count && HasBlocks(first + i, 8); i += 32)
            {
                Blocks8(noise, (first + i) >> 2, y + i);
            }
        }

        for (; i + 4 <= count; i += 4)
        {
            PhiloxWords words = Philox.Block(noise, (first + i) >> 2);
            y[i] = Philox.Uniform(words.X);
            y[i + 1] = Philox.Uniform(words.Y);
            y[i + 2] = Philox.Uniform(words.Z);
            y[i + 3] = Philox.Uniform(words.W);
        }

        for (; i < count; i++)
        {
            y[i] = Philox.Uniform(Philox.Word(noise, first + i));
        }
    }

    /// <summary>Writes 0 for elements that are dropped, and the scale for the others.</summary>
    /// <param name="dropout">Noise, threshold and scale.</param>
    /// <param name="first">The first element, a multiple of 4.</param>
    /// <param name="count">Number of elements.</param>
    /// <param name="mask">The mask, [count].</param>
    public static void Mask(in DropoutOperation dropout, long first, nint count, float* mask)
    {
        (float threshold, float scale) = (dropout.Threshold, dropout.Scale);
        if (dropout.Group == 1)
        {
            Fill(dropout.Noise, first, count, mask);
            nint i = 0;
            if (Width.Has512) { i = Choose<Lanes512>(mask, threshold, scale, i, count); }
            if (Width.Has256) { i = Choose<Lanes256>(mask, threshold, scale, i, count); }
            if (Width.Has128) { i = Choose<Lanes128>(mask, threshold, scale, i, count); }
            Choose<Lane>(mask, threshold, scale, i, count);
            return;
        }

        for (nint i = 0; i < count;)
        {
            long number = Math.DivRem(first + i, dropout.Group, out long inside);
            nint length = (nint)Math.Min(count - i, dropout.Group - inside);
            bool isDropped = Philox.Uniform(Philox.Word(dropout.Noise, number)) < threshold;
            new Span<float>(mask + i, (int)length).Fill(isDropped ? 0 : scale);
            i += length;
        }
    }

    private static nint Choose<TLanes>(float* mask, float threshold, float scale, nint i, nint count)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes limit = TLanes.Broadcast(threshold), dropped = TLanes.Broadcast(0f), kept = TLanes.Broadcast(scale);
        for (; i <= count - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.IfLess(TLanes.Load(mask + i), limit, dropped, kept), mask + i);
        }

        return i;
    }

    /// <summary>Whether the low word of the counter does not overflow within some blocks.</summary>
    private static bool HasBlocks(long first, uint blocks) => (uint)(first >> 2) <= uint.MaxValue - blocks;

    /// <summary>Writes 16 blocks. Lane 4·l + e has block 4·e + l, so that unpacking puts the words in order.</summary>
    private static void Blocks16(NoiseStream noise, long block, float* y)
    {
        Vector512<uint> x = Vector512.Create((uint)block)
            + Vector512.Create(0u, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        Vector512<uint> second = Vector512.Create((uint)(block >> 32)), z = Vector512.Create((uint)noise.Draw);
        Vector512<uint> w = Vector512.Create((uint)(noise.Draw >> 32));
        (uint key0, uint key1) = ((uint)noise.Seed, (uint)(noise.Seed >> 32));
        for (int round = 0; round < Philox.Rounds; round++)
        {
            (Vector512<uint> highA, Vector512<uint> lowA) = Product(x, Philox.FactorA);
            (Vector512<uint> highB, Vector512<uint> lowB) = Product(z, Philox.FactorB);
            x = highB ^ second ^ Vector512.Create(key0);
            z = highA ^ w ^ Vector512.Create(key1);
            (second, w) = (lowB, lowA);
            key0 += Philox.KeyStep0;
            key1 += Philox.KeyStep1;
        }

        Vector512<float> a = Uniform(x), b = Uniform(second), c = Uniform(z), d = Uniform(w);
        Vector512<double> lowXY = Avx512F.UnpackLow(a, b).AsDouble(), lowZW = Avx512F.UnpackLow(c, d).AsDouble();
        Vector512<double> highXY = Avx512F.UnpackHigh(a, b).AsDouble(), highZW = Avx512F.UnpackHigh(c, d).AsDouble();
        Avx512F.UnpackLow(lowXY, lowZW).AsSingle().Store(y);
        Avx512F.UnpackHigh(lowXY, lowZW).AsSingle().Store(y + 16);
        Avx512F.UnpackLow(highXY, highZW).AsSingle().Store(y + 32);
        Avx512F.UnpackHigh(highXY, highZW).AsSingle().Store(y + 48);
    }

    private static (Vector512<uint> High, Vector512<uint> Low) Product(Vector512<uint> x, uint factor)
    {
        Vector512<uint> odd = Vector512.Create(0xFFFFFFFF00000000).AsUInt32(), factors = Vector512.Create(factor);
        Vector512<ulong> even = Avx512F.Multiply(x, factors);
        Vector512<ulong> other = Avx512F.Multiply((x.AsUInt64() >> 32).AsUInt32(), factors);
        return (
            Vector512.ConditionalSelect(odd, other.AsUInt32(), (even >> 32).AsUInt32()),
            Vector512.ConditionalSelect(odd, (other << 32).AsUInt32(), even.AsUInt32()));
    }

    private static Vector512<float> Uniform(Vector512<uint> words) =>
        Vector512.ConvertToSingle((words >> 8).AsInt32()) * Vector512.Create(Philox.Unit);

    /// <summary>Writes 8 blocks. Lane 4·l + e has block 2·e + l.</summary>
    private static void Blocks8(NoiseStream noise, long block, float* y)
    {
        Vector256<uint> x = Vector256.Create((uint)block) + Vector256.Create(0u, 2, 4, 6, 1, 3, 5, 7);
        Vector256<uint> second = Vector256.Create((uint)(block >> 32)), z = Vector256.Create((uint)noise.Draw);
        Vector256<uint> w = Vector256.Create((uint)(noise.Draw >> 32));
        (uint key0, uint key1) = ((uint)noise.Seed, (uint)(noise.Seed >> 32));
        for (int round = 0; round < Philox.Rounds; round++)
        {
            (Vector256<uint> highA, Vector256<uint> lowA) = Product(x, Philox.FactorA);
            (Vector256<uint> highB, Vector256<uint> lowB) = Product(z, Philox.FactorB);
            x = highB ^ second ^ Vector256.Create(key0);
            z = highA ^ w ^ Vector256.Create(key1);
            (second, w) = (lowB, lowA);
            key0 += Philox.KeyStep0;
            key1 += Philox.KeyStep1;
        }

        Vector256<float> a = Uniform(x), b = Uniform(second), c = Uniform(z), d = Uniform(w);
        Vector256<double> lowXY = Avx.UnpackLow(a, b).AsDouble(), lowZW = Avx.UnpackLow(c, d).AsDouble();
        Vector256<double> highXY = Avx.UnpackHigh(a, b).AsDouble(), highZW = Avx.UnpackHigh(c, d).AsDouble();
        Avx.UnpackLow(lowXY, lowZW).AsSingle().Store(y);
        Avx.UnpackHigh(lowXY, lowZW).AsSingle().Store(y + 8);
        Avx.UnpackLow(highXY, highZW).AsSingle().Store(y + 16);
        Avx.UnpackHigh(highXY, highZW).AsSingle().Store(y + 24);
    }

    private static (Vector256<uint> High, Vector256<uint> Low) Product(Vector256<uint> x, uint factor)
    {
        Vector256<uint> odd = Vector256.Create(0xFFFFFFFF00000000).AsUInt32(), factors = Vector256.Create(factor);
        Vector256<ulong> even = Avx2.Multiply(x, factors);
        Vector256<ulong> other = Avx2.Multiply((x.AsUInt64() >> 32).AsUInt32(), factors);
        return (
            Vector256.ConditionalSelect(odd, other.AsUInt32(), (even >> 32).AsUInt32()),
            Vector256.ConditionalSelect(odd, (other << 32).AsUInt32(), even.AsUInt32()));
    }

    private static Vector256<float> Uniform(Vector256<uint> words) =>
        Vector256.ConvertToSingle((words >> 8).AsInt32()) * Vector256.Create(Philox.Unit);
}
