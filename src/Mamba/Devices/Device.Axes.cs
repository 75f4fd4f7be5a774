using System.Runtime.InteropServices;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Devices;

/// <content>
/// Operations along one axis of contiguous arrays. An array is viewed as [outer, count, inner], and as [outer, inner]
/// without the axis.
/// </content>
public abstract partial class Device
{
    /// <summary>Computes <c>y[o, i, j] = f(a[o, i, j], b[o, j])</c>; y may be a.</summary>
    internal abstract void Zip<TOp>(DeviceArray a, DeviceArray b, in AxisView view, DeviceArray y)
        where TOp : struct, IZip;

    /// <summary>
    /// Computes <c>ga += gy·∂f/∂a</c> and <c>gb[o, j] += Σ_i gy·∂f/∂b</c>; either gradient may be absent.
    /// </summary>
    internal abstract void ZipBackward<TOp>(
        DeviceArray a, DeviceArray b, in AxisView view, DeviceArray gy, DeviceArray ga, DeviceArray gb)
        where TOp : struct, IZip;

    /// <summary>
    /// Computes <c>y[o, j] = scale·Σ_i x[o, i, j]</c>, or adds it to y. The order of summation depends only on the
    /// view.
    /// </summary>
    internal abstract void SumAxis(DeviceArray x, in AxisView view, double scale, DeviceArray y, bool accumulate);

    /// <summary>Computes <c>y[o, i, j] = scale·x[o, j]</c>, or adds it to y.</summary>
    internal abstract void RepeatAxis(DeviceArray x, in AxisView view, double scale, DeviceArray y, bool accumulate);

    /// <summary>
    /// Computes the maximum or minimum of <c>x[o, i, j]</c> over i; NaN if any is NaN. Count must not be 0.
    /// </summary>
    /// <param name="x">x, [outer, count, inner].</param>
    /// <param name="view">The axis.</param>
    /// <param name="largest">Whether to compute the maximum instead of the minimum.</param>
    /// <param name="y">y, [outer, inner].</param>
    /// <param name="places">Index i of each extremum (the first one), written as int32; optional.</param>
    internal abstract void AxisExtremum(
        DeviceArray x, in AxisView view, bool largest, DeviceArray y, DeviceArray places);

    /// <summary>
    /// Computes the maximum of every row, and its index: <see cref="AxisExtremum"/> of the last axis.
    /// </summary>
    /// <param name="x">x, [.., width]; may be a slice.</param>
    /// <param name="y">Receives the maxima, [1, rows].</param>
    /// <param name="places">Receives the indices, as int32, [1, rows].</param>
    internal virtual void RowMaxima(DeviceArray x, DeviceArray y, DeviceArray places)
    {
        using DeviceScope scope = Scope();
        DeviceArray whole = x;
        if (!x.IsContiguous)
        {
            whole = Allocate(x.Shape, x.Precision);
            Copy(x, whole);
        }

        AxisExtremum(whole, new(x.Shape.Rows, x.Shape.Width, 1), largest: true, y, places);
    }

    /// <summary>
    /// Copies integers that an operation stored in a float array to the host, such as indices of extrema.
    /// </summary>
    internal virtual void DownloadIntegers(DeviceArray source, Span<int> target) =>
        Download(source, MemoryMarshal.Cast<int, float>(target));

    /// <summary>Copies extrema and their indices, rows 0 and 1 of an array, to the host in one go.</summary>
    /// <param name="source">What <see cref="AxisExtremum"/> wrote, [2, count].</param>
    /// <param name="target">Receives the extrema, and then the bits of the indices.</param>
    internal virtual void DownloadExtrema(DeviceArray source, Span<float> target) => Download(source, target);

    /// <summary>Computes <c>gx[o, places[o, j], j] += gy[o, j]</c>.</summary>
    internal abstract void AxisExtremumBackward(
        DeviceArray places, in AxisView view, DeviceArray gy, DeviceArray gx);

    /// <summary>Computes <c>y[o, j, i, k] = x[o, i, j, k]</c>, or adds it to y.</summary>
    internal abstract void SwapAxes(DeviceArray x, in SwapView view, DeviceArray y, bool accumulate);

    /// <summary>Throws unless two arrays are [outer, count, inner] and [outer, inner].</summary>
    private protected static void RequireAxis(in AxisView view, DeviceArray whole, DeviceArray kept)
    {
        if (whole.Shape.Count != view.Length || kept.Shape.Count != view.Kept)
        {
            throw new ArgumentException(
                $"Expected {view.Length} elements and {view.Kept} without the axis ({view}); found {whole.Shape} and " +
                $"{kept.Shape}.");
        }
    }

    /// <summary>Throws if the axis is empty, so that no maximum exists.</summary>
    private protected static void RequireElements(in AxisView view, DeviceArray x)
    {
        if (view.Count == 0)
        {
            throw new ArgumentException($"Expected an axis of at least one element; found one of 0 in {x.Shape}.");
        }
    }

    /// <summary>Throws unless both arrays have as many elements as a view.</summary>
    private protected static void RequireSwap(in SwapView view, DeviceArray x, DeviceArray y)
    {
        if (x.Shape.Count != view.Length || y.Shape.Count != view.Length)
        {
            throw new ArgumentException($"Expected {view.Length} elements ({view}); found {x.Shape} and {y.Shape}.");
        }
    }
}
