using Mamba.Operations;

namespace Mamba.Kernels;

/// <summary>
/// The counter-based generator Philox4x32-10: a function from a 128-bit counter and a 64-bit key to four 32-bit words.
/// </summary>
/// <remarks>
/// Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011,
/// <see href="https://doi.org/10.1145/2063384.2063405"/>, section 3.3. It uses integers alone, so GPU and CPU give the
/// same bits. ILGPU compiles these methods, too.
/// </remarks>
internal static class Philox
{
    public const int Rounds = 10;

    public const uint FactorA = 0xD2511F53u;

    public const uint FactorB = 0xCD9E8D57u;

    /// <summary>The increment of the first word of the key after each round.</summary>
    public const uint KeyStep0 = 0x9E3779B9u;

    /// <summary>The increment of the second word of the key.</summary>
    public const uint KeyStep1 = 0xBB67AE85u;

    /// <summary>2^-24, the spacing of the numbers.</summary>
    public const float Unit = 1f / (1 << 24);

    /// <summary>The words for a counter and a key.</summary>
    public static PhiloxWords Of(PhiloxWords counter, uint key0, uint key1)
    {
        for (int round = 0; round < Rounds; round++)
        {
            ulong a = (ulong)FactorA * counter.X, b = (ulong)FactorB * counter.Z;
            counter = new(
                (uint)(b >> 32) ^ counter.Y ^ key0, (uint)b, (uint)(a >> 32) ^ counter.W ^ key1, (uint)a);
            key0 += KeyStep0;
            key1 += KeyStep1;
        }

        return counter;
    }

    /// <summary>Words 4·block to 4·block + 3 of a draw.</summary>
    public static PhiloxWords Block(NoiseStream noise, long block) => Of(
        new((uint)block, (uint)(block >> 32), (uint)noise.Draw, (uint)(noise.Draw >> 32)),
        (uint)noise.Seed,
        (uint)(noise.Seed >> 32));

    /// <summary>Word <paramref name="index"/> of a draw.</summary>
    public static uint Word(NoiseStream noise, long index)
    {
        PhiloxWords words = Block(noise, index >> 2);
        int i = (int)(index & 3);
        uint low = i == 0 ? words.X : words.Y, high = i == 2 ? words.Z : words.W;
        return i < 2 ? low : high;
    }

    /// <summary>A number in [0, 1) from the 24 highest bits, exact in float32.</summary>
    public static float Uniform(uint word) => (word >> 8) * Unit;
}

/// <summary>Four 32-bit words.</summary>
internal readonly struct PhiloxWords(uint x, uint y, uint z, uint w)
{
    public uint X { get; } = x;

    public uint Y { get; } = y;

    public uint Z { get; } = z;

    public uint W { get; } = w;
}
