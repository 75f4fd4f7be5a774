using System.Runtime.InteropServices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void Zip<TOp>(DeviceArray a, DeviceArray b, in AxisView view, DeviceArray y)
    {
        RequireAxis(view, a, b);
        View left = ViewOf(a), right = ViewOf(b), target = ViewOf(y);
        foreach ((int element, int kept) in Places(view))
        {
            target[element] = ZipOf<TOp>()(left[element], right[kept]);
        }
    }

    internal override void ZipBackward<TOp>(
        DeviceArray a, DeviceArray b, in AxisView view, DeviceArray gy, DeviceArray ga, DeviceArray gb)
    {
        View left = ViewOf(a), right = ViewOf(b), from = ViewOf(gy), toLeft = ViewOf(ga), toRight = ViewOf(gb);
        Func<double, double, double> f = ZipOf<TOp>();
        foreach ((int element, int kept) in Places(view))
        {
            double l = left[element], r = right[kept];
            if (toLeft.Exists)
            {
                toLeft[element] += from[element] * Derivative(v => f(v, r), l);
            }

            if (toRight.Exists)
            {
                toRight[kept] += from[element] * Derivative(v => f(l, v), r);
            }
        }
    }

    internal override void ScaleShift(in ScaleShiftOperation operation)
    {
        View x = ViewOf(operation.X), scale = ViewOf(operation.Scale), shift = ViewOf(operation.Shift);
        View y = ViewOf(operation.Y);
        foreach ((int element, int kept) in Places(operation.View))
        {
            y[element] = (x[element] * scale[kept]) + shift[kept];
        }
    }

    internal override void ScaleShiftBackward(in ScaleShiftOperation operation, in ScaleShiftOperation gradients)
    {
        View x = ViewOf(operation.X), scale = ViewOf(operation.Scale), gy = ViewOf(gradients.Y);
        View gx = ViewOf(gradients.X), gScale = ViewOf(gradients.Scale), gShift = ViewOf(gradients.Shift);
        foreach ((int element, int kept) in Places(operation.View))
        {
            Add(gx, element, gy[element] * scale[kept]);
            Add(gScale, kept, gy[element] * x[element]);
            Add(gShift, kept, gy[element]);
        }

        static void Add(View gradient, int place, double value)
        {
            if (gradient.Exists)
            {
                gradient[place] += value;
            }
        }
    }

    internal override void SumAxis(DeviceArray x, in AxisView view, double scale, DeviceArray y, bool accumulate)
    {
        RequireAxis(view, x, y);
        View source = ViewOf(x), target = ViewOf(y);
        double[] sums = new double[view.Kept];
        foreach ((int element, int kept) in Places(view))
        {
            sums[kept] += source[element];
        }

        for (int i = 0; i < sums.Length; i++)
        {
            target[i] = (accumulate ? target[i] : 0) + (scale * sums[i]);
        }
    }

    internal override void RepeatAxis(DeviceArray x, in AxisView view, double scale, DeviceArray y, bool accumulate)
    {
        RequireAxis(view, y, x);
        View source = ViewOf(x), target = ViewOf(y);
        foreach ((int element, int kept) in Places(view))
        {
            target[element] = (accumulate ? target[element] : 0) + (scale * source[kept]);
        }
    }

    internal override void AxisExtremum(
        DeviceArray x, in AxisView view, bool largest, DeviceArray y, DeviceArray places)
    {
        RequireAxis(view, x, y);
        RequireElements(view, x);
        View source = ViewOf(x), target = ViewOf(y), place = ViewOf(places);
        int[] found = [.. Enumerable.Repeat(-1, (int)view.Kept)];
        foreach ((int element, int kept) in Places(view))
        {
            double value = source[element];
            int i = (int)(element / view.Inner % view.Count);
            bool isBetter = found[kept] < 0 || (!double.IsNaN(target[kept])
                && (double.IsNaN(value) || (largest ? value > target[kept] : value < target[kept])));
            if (isBetter)
            {
                (target[kept], found[kept]) = (value, i);
            }
        }

        for (int kept = 0; kept < view.Kept && place.Exists; kept++)
        {
            place[kept] = found[kept];
        }
    }

    internal override void DownloadIntegers(DeviceArray source, Span<int> target)
    {
        View view = ViewOf(source);
        for (int i = 0; i < target.Length; i++)
        {
            target[i] = (int)view[i];
        }
    }

    internal override void DownloadExtrema(DeviceArray source, Span<float> target)
    {
        int count = source.Shape.Width;
        Download(source.RowRange(0, 1), target[..count]);
        DownloadIntegers(source.RowRange(1, 1), MemoryMarshal.Cast<float, int>(target[count..]));
    }

    internal override void AxisExtremumBackward(DeviceArray places, in AxisView view, DeviceArray gy, DeviceArray gx)
    {
        View place = ViewOf(places), from = ViewOf(gy), to = ViewOf(gx);
        foreach ((int element, int kept) in Places(view))
        {
            to[element] += place[kept] == element / view.Inner % view.Count ? from[kept] : 0;
        }
    }

    internal override void TopK(in TopKOperation top)
    {
        View x = ViewOf(top.X), y = ViewOf(top.Y), places = ViewOf(top.Places);
        for (int row = 0; row < top.X.Shape.Rows; row++)
        {
            int[] sorted =
            [
                .. Enumerable.Range(0, top.X.Shape.Width)
                    .OrderByDescending(i => double.IsNaN(x[row, i]) ? double.PositiveInfinity : x[row, i])
                    .ThenByDescending(i => double.IsNaN(x[row, i])).ThenBy(i => i),
            ];
            for (int i = 0; i < top.Count; i++)
            {
                (y[row, i], places[row, i]) = (x[row, sorted[i]], sorted[i]);
            }
        }
    }

    internal override void TopKBackward(in TopKOperation top, in TopKOperation gradients)
    {
        View places = ViewOf(top.Places), from = ViewOf(gradients.Y), to = ViewOf(gradients.X);
        for (int row = 0; row < top.X.Shape.Rows; row++)
        {
            for (int i = 0; i < top.Count; i++)
            {
                to[row, (int)places[row, i]] += from[row, i];
            }
        }
    }

    internal override void SwapAxes(DeviceArray x, in SwapView view, DeviceArray y, bool accumulate)
    {
        RequireSwap(view, x, y);
        View source = ViewOf(x), target = ViewOf(y);
        for (int element = 0; element < view.Length; element++)
        {
            (nint row, nint k) = Math.DivRem(element, view.Inner);
            (nint band, nint j) = Math.DivRem(row, view.Second);
            (nint outer, nint i) = Math.DivRem(band, view.First);
            int to = (int)((((((outer * view.Second) + j) * view.First) + i) * view.Inner) + k);
            target[to] = (accumulate ? target[to] : 0) + source[element];
        }
    }

    /// <summary>Each element [o, i, j] with the index of its [o, j], in row-major order.</summary>
    private static IEnumerable<(int Element, int Kept)> Places(AxisView view)
    {
        for (int element = 0; element < view.Length; element++)
        {
            int outer = (int)(element / (view.Count * view.Inner)), column = (int)(element % view.Inner);
            yield return (element, (int)((outer * view.Inner) + column));
        }
    }

    private static Func<double, double, double> ZipOf<TOp>()
    {
        if (!typeof(TOp).IsGenericType)
        {
            return Zips[typeof(TOp)];
        }

        Func<double, double, double> f = Zips[typeof(TOp).GetGenericArguments()[0]];
        return (a, b) => f(b, a);
    }
}
