using System.Buffers.Binary;
using Mamba.Memory;

namespace Mamba.Models.Gguf;

/// <summary>
/// Converts rows between GGUF's types and this library's precisions that hold the same numbers, without loss of a bit.
/// </summary>
/// <remarks>
/// Q4_K, Q5_K, Q6_K, F16 and BF16 have the same bytes in both. Q8_0 and Q4_0 have the same integers and scales, here
/// with the scales after the row. Q5_0 and IQ4_NL, whose integers fit 8 bits, are read as 8-bit integers with the same
/// scale.
/// </remarks>
internal static class GgufRows
{
    private const int Block = 32, ScaleBytes = sizeof(ushort), ExponentMask = 0x7C00;

    /// <summary>The precision that holds numbers of a type exactly; null: float32 alone.</summary>
    public static Precision? PrecisionOf(GgufType type) => type switch
    {
        GgufType.F16 => Precision.Float16,
        GgufType.BF16 => Precision.BFloat16,
        GgufType.Q8_0 or GgufType.Q5_0 or GgufType.IQ4_NL => Precision.Int8,
        GgufType.Q4_0 => Precision.Int4,
        GgufType.Q4_K => Precision.Q4K,
        GgufType.Q5_K => Precision.Q5K,
        GgufType.Q6_K => Precision.Q6K,
        _ => null,
    };

    /// <summary>Converts a row of a file; false if a half-precision number of it is not finite.</summary>
    /// <param name="type">The type in the file.</param>
    /// <param name="source">The row in the file.</param>
    /// <param name="target">Receives the row in the precision of the type.</param>
    public static bool TryRead(GgufType type, ReadOnlySpan<byte> source, Span<byte> target)
    {
        switch (type)
        {
            case GgufType.F16:
                source.CopyTo(target);
                return AreFinite(target);
            case GgufType.Q8_0:
                Split(source, target, Block);
                return AreFinite(target[^(source.Length / (Block + ScaleBytes) * ScaleBytes)..]);
            case GgufType.Q4_0:
                Split(source, target, Block / 2);
                return AreFinite(target[^(source.Length / ((Block / 2) + ScaleBytes) * ScaleBytes)..]);
            case GgufType.Q5_0 or GgufType.IQ4_NL:
                int count = source.Length / type.Block().Bytes;
                ToIntegers(type, source, target, count);
                return AreFinite(target[^(count * ScaleBytes)..]);
            default:
                source.CopyTo(target);
                return true;
        }
    }

    /// <summary>Converts a row of this library to a type of a file that holds the same numbers.</summary>
    /// <param name="type">The type in the file: one whose precision the row has.</param>
    /// <param name="source">The row here.</param>
    /// <param name="target">Receives the row in the file.</param>
    public static void Write(GgufType type, ReadOnlySpan<byte> source, Span<byte> target)
    {
        if (type is GgufType.Q8_0 or GgufType.Q4_0)
        {
            int bytes = type == GgufType.Q8_0 ? Block : Block / 2, count = target.Length / (bytes + ScaleBytes);
            for (int i = 0; i < count; i++)
            {
                Span<byte> block = target.Slice(i * (bytes + ScaleBytes), bytes + ScaleBytes);
                source.Slice((count * bytes) + (i * ScaleBytes), ScaleBytes).CopyTo(block);
                source.Slice(i * bytes, bytes).CopyTo(block[ScaleBytes..]);
            }
        }
        else
        {
            source.CopyTo(target);
        }
    }

    /// <summary>Puts the scales of blocks behind their integers.</summary>
    private static void Split(ReadOnlySpan<byte> source, Span<byte> target, int bytes)
    {
        int count = source.Length / (bytes + ScaleBytes);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> block = source.Slice(i * (bytes + ScaleBytes), bytes + ScaleBytes);
            block[..ScaleBytes].CopyTo(target[((count * bytes) + (i * ScaleBytes))..]);
            block[ScaleBytes..].CopyTo(target[(i * bytes)..]);
        }
    }

    private static unsafe void ToIntegers(GgufType type, ReadOnlySpan<byte> source, Span<byte> target, int count)
    {
        // Decoded with a scale of 1, a block gives its integers.
        int bytes = type.Block().Bytes;
        Span<byte> unit = stackalloc byte[bytes];
        Span<float> integers = stackalloc float[Block];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> block = source.Slice(i * bytes, bytes);
            block[..ScaleBytes].CopyTo(target[((count * Block) + (i * ScaleBytes))..]);
            block.CopyTo(unit);
            BinaryPrimitives.WriteHalfLittleEndian(unit, Half.One);
            fixed (byte* start = unit)
            {
                GgufBlocks.Decode(type, start, integers);
            }

            for (int j = 0; j < Block; j++)
            {
                target[(i * Block) + j] = (byte)(sbyte)integers[j];
            }
        }
    }

    private static bool AreFinite(ReadOnlySpan<byte> halves)
    {
        for (int i = 0; i < halves.Length; i += ScaleBytes)
        {
            if ((BinaryPrimitives.ReadUInt16LittleEndian(halves[i..]) & ExponentMask) == ExponentMask)
            {
                return false;
            }
        }

        return true;
    }
}
