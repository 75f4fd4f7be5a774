using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace Mamba.Checkpoints;

/// <summary>Converts between stored elements, which need no alignment, and numbers to compute with.</summary>
internal static unsafe class Elements
{
    private const int Piece = 512;

    /// <summary>Reads float elements as float32.</summary>
    public static void Read(ElementType type, byte* source, Span<float> target)
    {
        switch (type)
        {
            case ElementType.F32:
                new ReadOnlySpan<float>(source, target.Length).CopyTo(target);
                break;
            case ElementType.BF16:
                WidenBFloat16((ushort*)source, target);
                break;
            case ElementType.F16:
                TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(source, target.Length), target);
                break;
            case ElementType.F64:
                TensorPrimitives.ConvertTruncating(new ReadOnlySpan<double>(source, target.Length), target);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "Not a float type.");
        }
    }

    /// <summary>Reads float elements as float64.</summary>
    public static void Read(ElementType type, byte* source, Span<double> target)
    {
        if (type == ElementType.F64)
        {
            new ReadOnlySpan<double>(source, target.Length).CopyTo(target);
            return;
        }

        Span<float> piece = stackalloc float[Piece];
        for (int i = 0; i < target.Length; i += Piece)
        {
            Span<float> narrow = piece[..Math.Min(Piece, target.Length - i)];
            Read(type, source + ((nint)i * type.Size()), narrow);
            TensorPrimitives.ConvertTruncating<float, double>(narrow, target[i..]);
        }
    }

    /// <summary>Reads integer elements, I64 or I32.</summary>
    public static void Read(ElementType type, byte* source, Span<long> target)
    {
        switch (type)
        {
            case ElementType.I64:
                new ReadOnlySpan<long>(source, target.Length).CopyTo(target);
                break;
            case ElementType.I32:
                TensorPrimitives.ConvertTruncating(new ReadOnlySpan<int>(source, target.Length), target);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "Neither I64 nor I32.");
        }
    }

    /// <summary>A bfloat16 is the upper half of a float32: the lower half becomes 0.</summary>
    private static void WidenBFloat16(ushort* source, Span<float> target)
    {
        int i = 0;
        fixed (float* y = target)
        {
            for (; i <= target.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
            {
                Vector.Widen(Vector.Load(source + i), out Vector<uint> low, out Vector<uint> high);
                Vector.Store((low << 16).As<uint, float>(), y + i);
                Vector.Store((high << 16).As<uint, float>(), y + i + Vector<float>.Count);
            }
        }

        for (; i < target.Length; i++)
        {
            target[i] = BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(source + i) << 16);
        }
    }
}
