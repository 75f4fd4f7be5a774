using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void FillUniform(DeviceArray y, NoiseStream noise)
    {
        View target = ViewOf(y);
        for (int i = 0; i < y.Shape.Count; i++)
        {
            target[i] = NumberOf(noise, i);
        }
    }

    internal override void Dropout(in DropoutOperation dropout, DeviceArray x, DeviceArray y, bool accumulate)
    {
        View source = ViewOf(x), target = ViewOf(y);
        for (int i = 0; i < x.Shape.Count; i++)
        {
            double mask = NumberOf(dropout.Noise, i / dropout.Group) < (float)dropout.Rate ? 0 : 1 / (1 - dropout.Rate);
            target[i] = (accumulate ? target[i] : 0) + (source[i] * mask);
        }
    }

    private static double NumberOf(NoiseStream noise, long i)
    {
        long block = i / 4;
        uint[] words = PhiloxOf(
            [(uint)block, (uint)(block >> 32), (uint)noise.Draw, (uint)(noise.Draw >> 32)],
            [(uint)noise.Seed, (uint)(noise.Seed >> 32)]);
        return (words[i % 4] >> 8) / Math.Pow(2, 24);
    }

    /// <summary>
    /// Philox4x32-10 as Salmon et al. (2011) define it: each round multiplies two words, exchanges halves of the
    /// products, and adds constants to the key.
    /// </summary>
    public static uint[] PhiloxOf(uint[] counter, uint[] key)
    {
        (UInt128 x, UInt128 y, UInt128 z, UInt128 w) = (counter[0], counter[1], counter[2], counter[3]);
        UInt128 word = (UInt128)1 << 32, first = key[0], second = key[1];
        for (int round = 1; round <= 10; round++)
        {
            UInt128 a = 0xD2511F53 * x, b = 0xCD9E8D57 * z;
            (x, y, z, w) = ((b / word) ^ y ^ first, b % word, (a / word) ^ w ^ second, a % word);
            (first, second) = ((first + 0x9E3779B9) % word, (second + 0xBB67AE85) % word);
        }

        return [(uint)x, (uint)y, (uint)z, (uint)w];
    }
}
