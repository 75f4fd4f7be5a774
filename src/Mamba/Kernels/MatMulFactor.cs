using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>A factor of a matrix product; packs its panels in the order in which a tile reads them.</summary>
internal readonly unsafe struct MatMulFactor
{
    private readonly Rows _rows;
    private readonly WeightRows _weights;
    private readonly Kind _kind;

    /// <summary>Floats of a row that are transposed at a time; the panel rows that they fill stay in L1.</summary>
    private const int Stretch = 64;

    /// <summary>A factor of float32 numbers.</summary>
    /// <param name="rows">The matrix in memory.</param>
    /// <param name="alongDepth">Whether k, the summed index, runs along the rows; otherwise across them.</param>
    public MatMulFactor(Rows rows, bool alongDepth)
    {
        _rows = rows;
        _kind = alongDepth ? Kind.AlongDepth : Kind.AcrossDepth;
    }

    /// <summary>A factor of weights of any format; k runs along the rows.</summary>
    public MatMulFactor(WeightRows weights)
    {
        _weights = weights;
        _kind = Kind.Weights;
    }

    private enum Kind
    {
        AlongDepth,
        AcrossDepth,
        Weights,
    }

    /// <summary>Packs <c>panel[k, j]</c>; columns from <paramref name="count"/> on are zero.</summary>
    /// <param name="first">The panel's first row of A or column of B.</param>
    /// <param name="k">The first k.</param>
    /// <param name="depth">Number of k.</param>
    /// <param name="count">Columns of the panel that exist in the factor.</param>
    /// <param name="width">Columns of the panel.</param>
    /// <param name="panel">The panel, [depth, width].</param>
    public void Pack(nint first, nint k, int depth, int count, int width, float* panel)
    {
        switch (_kind)
        {
            case Kind.AlongDepth:
                Transpose(new(_rows[first] + k, _rows.Pitch), depth, count, width, panel);
                break;
            case Kind.AcrossDepth:
                Copy(new(_rows[k] + first, _rows.Pitch), depth, count, width, panel);
                break;
            case Kind.Weights:
                Transpose(_weights, first, k, depth, count, width, panel);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy(Rows source, int depth, int count, int width, float* panel)
    {
        for (int k = 0; k < depth; k++)
        {
            float* row = source[k];
            int j = 0;
            if (Sse.IsSupported)
            {
                Sse.Prefetch1(row + width); // for the next panel, while this one is multiplied
            }

            if (Width.Has256)
            {
                for (; j <= count - 8; j += 8)
                {
                    Vector256.Load(row + j).Store(panel + j);
                }
            }

            for (; j < width; j++)
            {
                panel[j] = j < count ? row[j] : 0f;
            }

            panel += width;
        }
    }

    private static void Transpose(Rows source, int depth, int count, int width, float* panel)
    {
        for (int k = 0; k < depth; k += Stretch)
        {
            int length = Math.Min(Stretch, depth - k);
            Rows target = new(panel + ((nint)k * width), width);
            Transposition.Run(source.From(k), count, length, target);
            for (int j = 0; j < count; j++)
            {
                RowMath.Prefetch(source[count + j] + k, length); // for the next panel, while this one is multiplied
            }

            for (int i = 0; i < length && count < width; i++)
            {
                new Span<float>(target[i] + count, width - count).Clear();
            }
        }
    }

    /// <summary>Widens a few rows at a time into a stack buffer, and transposes them from there.</summary>
    [SkipLocalsInit]
    private static void Transpose(WeightRows source, nint first, nint k, int depth, int count, int width, float* panel)
    {
        const int AtOnce = 8;
        float* wide = stackalloc float[AtOnce * Stretch];
        Rows rows = new(wide, Stretch);
        for (int start = 0; start < depth; start += Stretch)
        {
            int length = Math.Min(Stretch, depth - start);
            Rows target = new(panel + ((nint)start * width), width);
            for (int j = 0; j < width; j += AtOnce)
            {
                int columns = Math.Min(AtOnce, width - j);
                for (int i = 0; i < columns; i++)
                {
                    if (j + i < count)
                    {
                        source.Widen(first + j + i, k + start, length, rows[i]);
                    }
                    else
                    {
                        new Span<float>(rows[i], length).Clear();
                    }
                }

                Transposition.Run(rows, columns, length, target.From(j));
            }
        }
    }
}
