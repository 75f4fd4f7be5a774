using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Rows selected by index, for embeddings and for the orders of a scan.</summary>
internal static unsafe class Gather
{
    /// <summary>Computes <c>y[i] = x[indices[i]]</c>; an index of -1 gives zeros.</summary>
    public static void Forward(Rows x, int* indices, nint count, int width, Rows y)
    {
        for (nint i = 0; i < count; i++)
        {
            Span<float> target = new(y[i], width);
            if (indices[i] < 0)
            {
                target.Clear();
            }
            else
            {
                new ReadOnlySpan<float>(x[indices[i]], width).CopyTo(target);
            }
        }
    }

    /// <summary>Computes <c>y[i] += x[indices[i]]</c>; an index of -1 adds nothing.</summary>
    public static void Add(Rows x, int* indices, nint count, int width, Rows y)
    {
        for (nint i = 0; i < count; i++)
        {
            if (indices[i] >= 0)
            {
                Elementwise.AddScaled(x[indices[i]], 1f, y[i], width);
            }
        }
    }

    /// <summary>Computes <c>gx[indices[i]] += gy[i]</c>, row by row.</summary>
    public static void Backward(int* indices, nint count, int width, Rows gy, Rows gx)
    {
        for (nint i = 0; i < count; i++)
        {
            if (indices[i] >= 0)
            {
                Elementwise.AddScaled(gy[i], 1f, gx[indices[i]], width);
            }
        }
    }
}
