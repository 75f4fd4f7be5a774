using Mamba.Kernels;

namespace Mamba.Models.Gguf;

/// <summary>Encodes rows of float32 numbers.</summary>
/// <remarks>
/// F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 are to the bit what ggml makes of the same numbers; its scales are
/// computed in float32 and rounded to half precision only to be stored. K types have scales of our own choice, see
/// <see cref="KEncoder"/>.
/// </remarks>
internal static unsafe class GgufEncoder
{
    private const int Block = 32, Half = 16;

    /// <summary>Encodes a row.</summary>
    /// <param name="type">The type to store it in.</param>
    /// <param name="source">The row.</param>
    /// <param name="width">Its length, whole blocks.</param>
    /// <param name="target">Receives the row.</param>
    /// <exception cref="ArithmeticException">A number does not fit the type.</exception>
    public static void Encode(GgufType type, float* source, int width, byte* target)
    {
        switch (type)
        {
            case GgufType.F32:
                Float32Weights.Narrow(source, width, target);
                break;
            case GgufType.F16:
                Float16Weights.Narrow(source, width, target);
                break;
            case GgufType.BF16:
                BFloat16Weights.Narrow(source, width, target);
                break;
            case GgufType.Q8_0:
                EncodeRow<Int8Weights>(type, source, width, target);
                break;
            case GgufType.Q4_0:
                EncodeRow<Int4Weights>(type, source, width, target);
                break;
            case GgufType.Q4_1:
                EncodePairs(source, width, 15, target, fifthBits: false);
                break;
            case GgufType.Q5_0:
                EncodeQ5_0(source, width, target);
                break;
            case GgufType.Q5_1:
                EncodePairs(source, width, 31, target, fifthBits: true);
                break;
            case GgufType.Q4_K:
                Q4KWeights.Narrow(source, width, target);
                break;
            case GgufType.Q5_K:
                Q5KWeights.Narrow(source, width, target);
                break;
            case GgufType.Q6_K:
                Q6KWeights.Narrow(source, width, target);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type that is written.");
        }
    }

    private static void EncodeRow<TFormat>(GgufType type, float* source, int width, byte* target)
        where TFormat : struct, IWeightFormat
    {
        int own = (int)TFormat.RowBytes(width);
        byte[] row = new byte[own];
        fixed (byte* start = row)
        {
            TFormat.Narrow(source, width, start);
        }

        GgufRows.Write(type, row, new(target, own));
    }

    private static void EncodeQ5_0(float* source, int width, byte* target)
    {
        byte* integers = stackalloc byte[Block];
        for (int i = 0; i < width / Block; i++)
        {
            float* x = source + (i * Block);
            byte* block = target + (i * 22);
            float scale = NarrowNumbers.LargestOf(x, Block) / -16f, inverse = scale == 0f ? 0f : 1f / scale;
            *(ushort*)block = NarrowNumbers.ToFloat16(scale);
            for (int j = 0; j < Block; j++)
            {
                integers[j] = (byte)Math.Min(31, (int)((x[j] * inverse) + 16.5f));
            }

            PackFive(integers, block + 2);
        }
    }

    /// <summary>Encodes blocks with a scale and a minimum.</summary>
    private static void EncodePairs(float* source, int width, int most, byte* target, bool fifthBits)
    {
        byte* integers = stackalloc byte[Block];
        for (int i = 0; i < width / Block; i++)
        {
            float* x = source + (i * Block);
            byte* block = target + (i * (fifthBits ? 24 : 20));
            _ = NarrowNumbers.LargestOf(x, Block); // all are finite
            ReadOnlySpan<float> values = new(x, Block);
            float low = System.Numerics.Tensors.TensorPrimitives.Min(values);
            float scale = (System.Numerics.Tensors.TensorPrimitives.Max(values) - low) / most;
            float inverse = scale == 0f ? 0f : 1f / scale;
            ((ushort*)block)[0] = NarrowNumbers.ToFloat16(scale);
            ((ushort*)block)[1] = NarrowNumbers.ToFloat16(low);
            for (int j = 0; j < Block; j++)
            {
                integers[j] = (byte)Math.Min(most, (int)(((x[j] - low) * inverse) + 0.5f));
            }

            if (fifthBits)
            {
                PackFive(integers, block + 4);
            }
            else
            {
                PackFour(integers, block + 4);
            }
        }
    }

    private static void PackFour(byte* integers, byte* target)
    {
        for (int j = 0; j < Half; j++)
        {
            target[j] = (byte)((integers[j] & 15) | (integers[j + Half] << 4));
        }
    }

    private static void PackFive(byte* integers, byte* target)
    {
        uint fifth = 0;
        for (int j = 0; j < Block; j++)
        {
            fifth |= (uint)(integers[j] >> 4) << j;
        }

        *(uint*)target = fifth;
        PackFour(integers, target + sizeof(uint));
    }
}
