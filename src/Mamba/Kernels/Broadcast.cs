using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Elementwise functions of [outer, count, inner] and [outer, inner], for a range of elements. Rows of the second array
/// are read from cache for every i but the first.
/// </summary>
internal static unsafe class Broadcast
{
    /// <summary>Computes <c>y[o, i, j] = f(a[o, i, j], b[o, j])</c>.</summary>
    public static void Forward<TOp>(in AxisView view, float* a, float* b, float* y, nint start, nint end)
        where TOp : struct, IZip
    {
        for (Pieces pieces = new(view, start, end); pieces.Next();)
        {
            if (view.Inner == 1)
            {
                Zip.Run<TOp>(a + pieces.Element, b[pieces.Kept], y + pieces.Element, pieces.Length);
            }
            else
            {
                Zip.Run<TOp>(a + pieces.Element, b + pieces.Kept, y + pieces.Element, pieces.Length);
            }
        }
    }

    /// <summary>Computes <c>ga += gy·∂f/∂a</c>.</summary>
    public static void Backward<TOp>(in AxisView view, float* a, float* b, float* gy, float* ga, nint start, nint end)
        where TOp : struct, IZip
    {
        for (Pieces pieces = new(view, start, end); pieces.Next();)
        {
            (nint i, nint length) = (pieces.Element, pieces.Length);
            if (view.Inner == 1)
            {
                Zip.RunBackward<TOp>(a + i, b[pieces.Kept], gy + i, ga + i, length);
            }
            else
            {
                Zip.RunBackward<TOp>(a + i, b + pieces.Kept, gy + i, ga + i, null, length);
            }
        }
    }

    /// <summary>Computes <c>y[o, i, j] = x[o, i, j]·scale[o, j] + shift[o, j]</c>.</summary>
    public static void ScaleShift(
        in AxisView view, float* x, float* scale, float* shift, float* y, nint start, nint end)
    {
        for (Pieces pieces = new(view, start, end); pieces.Next();)
        {
            (nint i, nint kept, nint length) = (pieces.Element, pieces.Kept, pieces.Length);
            if (view.Inner == 1)
            {
                RowMath.ScaleShift(x + i, scale[kept], shift[kept], y + i, length);
            }
            else
            {
                RowMath.ScaleShift(x + i, scale + kept, shift + kept, y + i, length);
            }
        }
    }

    /// <summary>Computes <c>y[o, i, j] = scale·x[o, j]</c>.</summary>
    public static void Repeat(in AxisView view, float* x, float scale, float* y, nint start, nint end)
    {
        for (Pieces pieces = new(view, start, end); pieces.Next();)
        {
            if (view.Inner == 1)
            {
                new Span<float>(y + pieces.Element, (int)pieces.Length).Fill(scale * x[pieces.Kept]);
            }
            else
            {
                RowMath.Scale(x + pieces.Kept, scale, y + pieces.Element, pieces.Length);
            }
        }
    }

    /// <summary>Computes <c>y[o, i, j] += scale·x[o, j]</c>.</summary>
    public static void AddRepeated(in AxisView view, float* x, float scale, float* y, nint start, nint end)
    {
        for (Pieces pieces = new(view, start, end); pieces.Next();)
        {
            if (view.Inner == 1)
            {
                Reduction.AddScalar(scale * x[pieces.Kept], y + pieces.Element, pieces.Length);
            }
            else
            {
                Elementwise.AddScaled(x + pieces.Kept, scale, y + pieces.Element, pieces.Length);
            }
        }
    }

    /// <summary>Cuts a range of elements into pieces that are consecutive in [outer, inner] too.</summary>
    private struct Pieces
    {
        private readonly AxisView _view;
        private readonly nint _end;
        private nint _outer;
        private nint _index;
        private nint _column;

        public Pieces(in AxisView view, nint start, nint end)
        {
            (_view, _end, Element) = (view, end, start);
            nint row = start / view.Inner;
            _column = start - (row * view.Inner);
            _outer = row / view.Count;
            _index = row - (_outer * view.Count);
        }

        /// <summary>The first element of the piece.</summary>
        public nint Element { get; private set; }

        /// <summary>The position of the first element in [outer, inner]; of all elements if inner is 1.</summary>
        public nint Kept { get; private set; }

        public nint Length { get; private set; }

        public bool Next()
        {
            Element += Length;
            if (Element >= _end)
            {
                return false;
            }

            nint left = _end - Element;
            Kept = (_outer * _view.Inner) + _column;
            if (_view.Inner == 1)
            {
                Length = Math.Min(_view.Count - _index, left);
                (_index, _outer) = (0, _outer + 1);
                return true;
            }

            Length = Math.Min(_view.Inner - _column, left);
            _column = 0;
            if (++_index == _view.Count)
            {
                (_index, _outer) = (0, _outer + 1);
            }

            return true;
        }
    }
}
