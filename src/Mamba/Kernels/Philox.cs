using Mamba.Operations;

namespace Mamba.Kernels;

/// <summary>
/// The counter-based generator Philox4x32-10: four random words are a function of a counter of 128 bits and a key of
/// 64.
/// </summary>
/// <remarks>
/// Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011,
/// <see href="https://doi.org/10.1145/2063384.2063405"/>, section 3.3. Integers only, so that a GPU has the bits of a
/// processor; the methods are what a GPU's compiler takes.
/// </remarks>
internal static class Philox
{
    public const int Rounds = 10;

    public const uint FactorA = 0xD2511F53u;

    public const uint FactorB = 0xCD9E8D57u;

    /// <summary>What is added to the first word of the key after each round.</summary>
    public const uint KeyStep0 = 0x9E3779B9u;

    /// <summary>What is added to the second.</summary>
    public const uint KeyStep1 = 0xBB67AE85u;

    /// <summary>2^-24, the distance of neighbouring numbers.</summary>
    public const float Unit = 1f / (1 << 24);

    /// <summary>The words of a counter under a key.</summary>
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

    /// <summary>A number from 0 to below 1 of the 24 highest bits, exact in float32.</summary>
    public static float Uniform(uint word) => (word >> 8) * Unit;
}

/// <summary>Four words of 32 bits.</summary>
internal readonly struct PhiloxWords(uint x, uint y, uint z, uint w)
{
    public uint X { get; } = x;

    public uint Y { get; } = y;

    public uint Z { get; } = z;

    public uint W { get; } = w;
}
