using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <content>Operations on rows of scratch memory; inlined, because a row of 64 channels is four registers.</content>
internal readonly unsafe partial struct SsdBackward
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Dot<TLanes>(float* a, float* b, int length)
        where TLanes : struct, ILanes<TLanes>
    {
        TLanes products = TLanes.Broadcast(0f);
        int i = 0;
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            products = TLanes.MultiplyAdd(TLanes.Load(a + i), TLanes.Load(b + i), products);
        }

        float sum = TLanes.Sum(products);
        for (; i < length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    /// <summary>Computes <c>y += scale·x</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled<TLanes>(float* x, float scale, float* y, int length)
        where TLanes : struct, ILanes<TLanes>
    {
        int i = 0;
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Broadcast(scale), TLanes.Load(x + i), TLanes.Load(y + i)), y + i);
        }

        for (; i < length; i++)
        {
            Lane.Store(Lane.MultiplyAdd(Lane.Broadcast(scale), Lane.Load(x + i), Lane.Load(y + i)), y + i);
        }
    }

    /// <summary>Computes <c>y = scale·x</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scale<TLanes>(float* x, float scale, float* y, int length)
        where TLanes : struct, ILanes<TLanes>
    {
        int i = 0;
        for (; i <= length - TLanes.Count; i += TLanes.Count)
        {
            TLanes.Store(TLanes.Broadcast(scale) * TLanes.Load(x + i), y + i);
        }

        for (; i < length; i++)
        {
            y[i] = scale * x[i];
        }
    }

    /// <summary>Multiplies every column by its factor.</summary>
    private static void ScaleColumns<TLanes>(Rows matrix, float* factors, int rows, int columns)
        where TLanes : struct, ILanes<TLanes>
    {
        for (int row = 0; row < rows; row++)
        {
            float* values = matrix[row];
            for (int i = 0; i < columns; i += TLanes.Count)
            {
                TLanes.Store(TLanes.Load(values + i) * TLanes.Load(factors + i), values + i);
            }
        }
    }
}
