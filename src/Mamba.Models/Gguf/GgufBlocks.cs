using System.Buffers.Binary;
using Mamba.Checkpoints;
using Mamba.Kernels;

namespace Mamba.Models.Gguf;

/// <summary>Decodes blocks to float32.</summary>
/// <remarks>
/// The values are those of ggml (ggml-quants.c) to the bit. A product of a half-precision scale, an integer scale and
/// an integer is exact in float32; types with minima round once, after the addition.
/// </remarks>
internal static unsafe class GgufBlocks
{
    /// <summary>Elements of the largest block.</summary>
    public const int MostElements = 256;

    private static ReadOnlySpan<sbyte> Nonlinear =>
        [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>Twice the values of 4-bit floats.</summary>
    private static ReadOnlySpan<sbyte> TwiceFloat4 => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    /// <summary>Decodes consecutive blocks.</summary>
    /// <param name="type">Their type.</param>
    /// <param name="source">The first block, at any address.</param>
    /// <param name="target">Receives the elements of whole blocks.</param>
    public static void Decode(GgufType type, byte* source, Span<float> target)
    {
        switch (type)
        {
            case GgufType.F32:
                Elements.Read(ElementType.F32, source, target);
                return;
            case GgufType.F16:
                Elements.Read(ElementType.F16, source, target);
                return;
            case GgufType.BF16:
                Elements.Read(ElementType.BF16, source, target);
                return;
            case GgufType.F64:
                Elements.Read(ElementType.F64, source, target);
                return;
        }

        (int elements, int bytes) = type.Block();
        delegate*<byte*, float*, void> decode = type switch
        {
            GgufType.Q4_0 => &DecodeQ4_0,
            GgufType.Q4_1 => &DecodeQ4_1,
            GgufType.Q5_0 => &DecodeQ5_0,
            GgufType.Q5_1 => &DecodeQ5_1,
            GgufType.Q8_0 => &DecodeQ8_0,
            GgufType.Q2_K => &DecodeQ2_K,
            GgufType.Q3_K => &DecodeQ3_K,
            GgufType.Q4_K => &DecodeQ4_K,
            GgufType.Q5_K => &DecodeQ5_K,
            GgufType.Q6_K => &DecodeQ6_K,
            GgufType.IQ4_NL => &DecodeIQ4_NL,
            GgufType.IQ4_XS => &DecodeIQ4_XS,
            _ => &DecodeMXFP4,
        };
        fixed (float* y = target)
        {
            for (nint i = 0; i < target.Length / elements; i++)
            {
                decode(source + (i * bytes), y + (i * elements));
            }
        }
    }

    private static float Half(byte* source) =>
        (float)BinaryPrimitives.ReadHalfLittleEndian(new ReadOnlySpan<byte>(source, sizeof(ushort)));

    private static uint UInt32(byte* source) =>
        BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(source, sizeof(uint)));

    private static void DecodeQ4_0(byte* block, float* y)
    {
        float d = Half(block);
        for (int j = 0; j < 16; j++)
        {
            y[j] = ((block[2 + j] & 15) - 8) * d;
            y[j + 16] = ((block[2 + j] >> 4) - 8) * d;
        }
    }

    private static void DecodeQ4_1(byte* block, float* y)
    {
        float d = Half(block), m = Half(block + 2);
        for (int j = 0; j < 16; j++)
        {
            y[j] = ((block[4 + j] & 15) * d) + m;
            y[j + 16] = ((block[4 + j] >> 4) * d) + m;
        }
    }

    private static void DecodeQ5_0(byte* block, float* y)
    {
        float d = Half(block);
        uint fifth = UInt32(block + 2);
        for (int j = 0; j < 16; j++)
        {
            y[j] = (((block[6 + j] & 15) | (int)(((fifth >> j) & 1) << 4)) - 16) * d;
            y[j + 16] = (((block[6 + j] >> 4) | (int)(((fifth >> (j + 16)) & 1) << 4)) - 16) * d;
        }
    }

    private static void DecodeQ5_1(byte* block, float* y)
    {
        float d = Half(block), m = Half(block + 2);
        uint fifth = UInt32(block + 4);
        for (int j = 0; j < 16; j++)
        {
            y[j] = (((block[8 + j] & 15) | (int)(((fifth >> j) & 1) << 4)) * d) + m;
            y[j + 16] = (((block[8 + j] >> 4) | (int)(((fifth >> (j + 16)) & 1) << 4)) * d) + m;
        }
    }

    private static void DecodeQ8_0(byte* block, float* y)
    {
        float d = Half(block);
        for (int j = 0; j < 32; j++)
        {
            y[j] = (sbyte)block[2 + j] * d;
        }
    }

    private static void DecodeQ2_K(byte* block, float* y)
    {
        float d = Half(block + 80), minimum = Half(block + 82);
        for (int i = 0; i < 256; i++)
        {
            int half = i / 128, run = i % 128 / 32, scale = block[i / 16];
            int q = (block[16 + (32 * half) + (i % 32)] >> (2 * run)) & 3;
            y[i] = (d * (scale & 15) * q) - (minimum * (scale >> 4));
        }
    }

    private static void DecodeQ3_K(byte* block, float* y)
    {
        float d = Half(block + 108);
        byte* scales = block + 96;
        for (int i = 0; i < 256; i++)
        {
            int group = i / 16, half = i / 128, run = i % 128 / 32;
            int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
            int scale = low | (((scales[8 + (group % 4)] >> (2 * (group / 4))) & 3) << 4);
            int q = (block[32 + (32 * half) + (i % 32)] >> (2 * run)) & 3;
            q |= ((block[i % 32] >> (i / 32)) & 1) << 2;
            y[i] = d * (scale - 32) * (q - 4);
        }
    }

    private static void DecodeQ4_K(byte* block, float* y) => WeightRow.Widen<Q4KWeights>(block, 256, 0, 256, y);

    private static void DecodeQ5_K(byte* block, float* y) => WeightRow.Widen<Q5KWeights>(block, 256, 0, 256, y);

    private static void DecodeQ6_K(byte* block, float* y) => WeightRow.Widen<Q6KWeights>(block, 256, 0, 256, y);

    private static void DecodeIQ4_NL(byte* block, float* y)
    {
        float d = Half(block);
        for (int j = 0; j < 16; j++)
        {
            y[j] = d * Nonlinear[block[2 + j] & 15];
            y[j + 16] = d * Nonlinear[block[2 + j] >> 4];
        }
    }

    private static void DecodeIQ4_XS(byte* block, float* y)
    {
        float d = Half(block);
        int high = block[2] | (block[3] << 8);
        for (int k = 0; k < 8; k++)
        {
            int scale = ((block[4 + (k / 2)] >> (4 * (k % 2))) & 15) | (((high >> (2 * k)) & 3) << 4);
            byte* nibbles = block + 8 + (16 * k);
            for (int j = 0; j < 16; j++)
            {
                y[(32 * k) + j] = d * (scale - 32) * Nonlinear[nibbles[j] & 15];
                y[(32 * k) + j + 16] = d * (scale - 32) * Nonlinear[nibbles[j] >> 4];
            }
        }
    }

    private static void DecodeMXFP4(byte* block, float* y)
    {
        float d = MathF.ScaleB(1f, block[0] - 128); // half the scale, for twice the values
        for (int j = 0; j < 16; j++)
        {
            y[j] = d * TwiceFloat4[block[1 + j] & 15];
            y[j + 16] = d * TwiceFloat4[block[1 + j] >> 4];
        }
    }
}
