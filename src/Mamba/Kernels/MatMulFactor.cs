using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>A factor of a matrix product, whose panels are laid out in the order in which a tile reads them.</summary>
internal readonly unsafe struct MatMulFactor
{
    private readonly Rows _rows;
    private readonly WeightRows _weights;
    private readonly Kind _kind;

    /// <summary>Floats of a row that are read at a time: what a panel writes meanwhile stays in L1.</summary>
    private const int Stretch = 64;

    /// <summary>A factor of float32 numbers.</summary>
    /// <param name="rows">The matrix as it stands in memory.</param>
    /// <param name="alongDepth">Whether k, which the product sums over, runs along the rows or across them.</param>
    public MatMulFactor(Rows rows, bool alongDepth)
    {
        _rows = rows;
        _kind = alongDepth ? Kind.AlongDepth : Kind.AcrossDepth;
    }

    /// <summary>A factor of weights in any format, whose rows run along k.</summary>
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

    /// <summary>Packs <c>panel[k, j]</c>; columns from <paramref name="count"/> on become zeros.</summary>
    /// <param name="first">Row of A or column of B with which the panel begins.</param>
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(Rows source, int depth, int count, int width, float* panel)
    {
        for (int k = 0; k < depth; k += Stretch)
        {
            int end = Math.Min(depth, k + Stretch), j = 0;
            for (; j <= count - 4; j += 4)
            {
                TransposeFour(new(source[j], source.Pitch), k, end, panel + j, width);
            }

            for (; j < width; j++)
            {
                for (int i = k; i < end; i++)
                {
                    panel[((nint)i * width) + j] = j < count ? source[j][i] : 0f;
                }
            }
        }
    }

    /// <summary>Widens four rows at a time into memory close by, and turns them from there.</summary>
    [SkipLocalsInit]
    private static void Transpose(WeightRows source, nint first, nint k, int depth, int count, int width, float* panel)
    {
        float* wide = stackalloc float[4 * Stretch];
        Rows rows = new(wide, Stretch);
        for (int start = 0; start < depth; start += Stretch)
        {
            int length = Math.Min(Stretch, depth - start);
            float* target = panel + ((nint)start * width);
            for (int j = 0; j < width; j += 4)
            {
                int columns = Math.Min(4, width - j);
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

                if (columns == 4)
                {
                    TransposeFour(rows, 0, length, target + j, width);
                    continue;
                }

                for (int i = 0; i < columns * length; i++)
                {
                    target[((nint)(i / columns) * width) + j + (i % columns)] = rows[i % columns][i / columns];
                }
            }
        }
    }

    /// <summary>Turns k to <paramref name="end"/> of four rows into columns of a panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeFour(Rows source, int k, int end, float* panel, int width)
    {
        float* s0 = source[0], s1 = source[1], s2 = source[2], s3 = source[3];
        float* target = panel + ((nint)k * width);
        if (Sse.IsSupported || AdvSimd.Arm64.IsSupported)
        {
            for (; k <= end - 4; k += 4)
            {
                Vector128<float> r0 = Vector128.Load(s0 + k), r1 = Vector128.Load(s1 + k);
                Vector128<float> r2 = Vector128.Load(s2 + k), r3 = Vector128.Load(s3 + k);
                Vector128<float> low02 = Low(r0, r2), low13 = Low(r1, r3), high02 = High(r0, r2), high13 = High(r1, r3);
                Low(low02, low13).Store(target);
                High(low02, low13).Store(target + width);
                Low(high02, high13).Store(target + (2 * width));
                High(high02, high13).Store(target + (3 * width));
                target += 4 * width;
            }
        }

        for (; k < end; k++)
        {
            target[0] = s0[k];
            target[1] = s1[k];
            target[2] = s2[k];
            target[3] = s3[k];
            target += width;
        }
    }

    /// <summary>The lower halves of two registers, alternating.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Low(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackLow(left, right) : AdvSimd.Arm64.ZipLow(left, right);

    /// <summary>The upper halves of two registers, alternating.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> High(Vector128<float> left, Vector128<float> right) =>
        Sse.IsSupported ? Sse.UnpackHigh(left, right) : AdvSimd.Arm64.ZipHigh(left, right);
}
